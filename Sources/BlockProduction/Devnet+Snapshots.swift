public import Chain
import Cryptography
import EthereumTypes
public import Primitives
import Storage

/// Going back. A snapshot is a block number and what is not in blocks: pending overrides, settings
/// and the pool. It costs the same on a chain of any size and outlasts a restart.
extension Devnet {
    /// Remembers this moment.
    ///
    /// - Returns: the snapshot's number, counted from zero.
    public func snapshot() async throws(DevnetError) -> UInt64 {
        await turnstile.enter()
        defer { turnstile.leave() }
        let head = chain.head
        let transactions = pool.all
        let (id, snapshot, oldest) = state.withLock { state in
            let snapshot = DevnetSnapshot(
                blockNumber: head.number, blockHash: head.hash,
                overrides: head.view.pendingOverrides, settings: state.settings,
                pool: transactions)
            let id = state.nextSnapshotId
            state.nextSnapshotId += 1
            state.snapshots[id] = snapshot
            let isFull = state.snapshots.count > DevnetLimits.snapshots
            let oldest = isFull ? state.snapshots.keys.min() : nil
            if let oldest { state.snapshots[oldest] = nil }
            return (id, snapshot, oldest)
        }
        var items: [String: Bytes?] = [
            Self.snapshotItem(id): snapshot.encoded(),
            Self.nextSnapshotItem: RLPEncoder.list { $0.append(id + 1) },
        ]
        if let oldest { items[Self.snapshotItem(oldest)] = .some(nil) }
        do throws(StorageError) { try chain.items.set(items) } catch { throw .storage(error) }
        return id
    }

    /// Goes back to a snapshot: blocks, state, clock, settings and pool are as they were. The
    /// snapshots after it are gone, and so is it unless it is kept.
    ///
    /// - Returns: `false` if there is no such snapshot, or its block is no longer in the chain.
    public func revert(
        to id: UInt64, keeping disposition: SnapshotDisposition = .consume
    ) async throws(DevnetError) -> Bool {
        await turnstile.enter()
        defer { turnstile.leave() }
        guard let snapshot = state.withLock({ $0.snapshots[id] }) else { return false }
        do throws(ChainError) {
            let hash = try chain.head.view.canonicalHash(snapshot.blockNumber)
            guard hash == snapshot.blockHash else { return false }
            let gone = state.withLock { state in
                state.snapshots.keys.filter { disposition == .consume ? $0 >= id : $0 > id }
            }
            var items: [String: Bytes?] = [Self.settingsItem: snapshot.settings.encoded()]
            for id in gone { items[Self.snapshotItem(id)] = .some(nil) }
            _ = try await chain.rollback(
                to: snapshot.blockNumber, overrides: snapshot.overrides, items: items)
            state.withLock { state in
                for id in gone { state.snapshots[id] = nil }
                state.settings = snapshot.settings
            }
        } catch {
            throw .chain(error)
        }
        pool.removeAll()
        updatePool()
        pool.restore(snapshot.pool)
        return true
    }

    /// Takes back the blocks after a number. Their transactions are gone, those in the pool stay.
    @discardableResult
    public func rollback(to number: BlockNumber) async throws(DevnetError) -> Head {
        await turnstile.enter()
        defer { turnstile.leave() }
        try await takeBack(to: number)
        return chain.head
    }

    /// Begins anew: the genesis block is the head, settings are those that the devnet was made with,
    /// and the pool, snapshots and impersonations are gone. By its other instance id, tools that keep
    /// things about a chain know it for another one (anvil).
    public func reset() async throws(DevnetError) {
        await turnstile.enter()
        defer { turnstile.leave() }
        var settings = DevnetSettings(coinbase: options.coinbase)
        settings.clock.interval = options.blockTimestampInterval
        let gone = state.withLock { Array($0.snapshots.keys) }
        var items: [String: Bytes?] = [Self.settingsItem: settings.encoded()]
        for id in gone { items[Self.snapshotItem(id)] = .some(nil) }
        do throws(ChainError) {
            try await chain.rollback(
                to: 0, items: items, instanceId: Hash256(randomBytes(count: 32)))
        } catch {
            throw .chain(error)
        }
        state.withLock { state in
            state.settings = settings
            state.snapshots = [:]
            state.impersonated = []
        }
        pool.removeAll()
        updatePool()
    }

    func takeBack(to number: BlockNumber) async throws(DevnetError) {
        do { _ = try await chain.rollback(to: number) } catch { throw .chain(error) }
        updatePool()
    }

    /// The snapshots and the numbers of their blocks.
    public var snapshots: [UInt64: BlockNumber] {
        state.withLock { $0.snapshots.mapValues(\.blockNumber) }
    }

    static func snapshotItem(_ id: UInt64) -> String { "\(snapshotPrefix)\(id)" }

    /// Reads what an earlier run wrote down.
    static func restore(_ state: inout State, from items: ItemStore) throws(DevnetError) {
        var reading = settingsItem
        do {
            if let settings = try items.value(settingsItem) {
                state.settings = try DevnetSettings(encoded: settings)
            }
            reading = nextSnapshotItem
            if let next = try items.value(nextSnapshotItem) {
                var decoder = RLPDecoder(next)
                var list = try decoder.list()
                state.nextSnapshotId = try list.uint64()
            }
            for (name, value) in try items.values(prefix: snapshotPrefix) {
                reading = name
                guard let id = UInt64(name.dropFirst(snapshotPrefix.count)) else {
                    throw DevnetError.corruptedItem(name)
                }
                state.snapshots[id] = try DevnetSnapshot(encoded: value)
            }
        } catch let error as StorageError {
            throw .storage(error)
        } catch {
            throw .corruptedItem(reading)
        }
    }
}

/// What becomes of a snapshot that was gone back to.
public enum SnapshotDisposition: Hashable, Sendable {
    /// It is gone, as in every other devnet.
    case consume
    /// It can be gone back to again.
    case keep
}
