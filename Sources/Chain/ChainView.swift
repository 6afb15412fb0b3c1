public import EthereumTypes
public import Execution
public import Primitives
public import State
public import Storage
import Synchronization

/// The chain as it is at one head: one snapshot of the database, and what is pending on top.
///
/// Everything read through one view fits together, whatever the writer does meanwhile. Reads are
/// synchronous and any number of threads may make them. A view holds its snapshot: keep it for a
/// request, not for longer.
public final class ChainView: Sendable {
    /// The chain's configuration.
    public let config: ChainConfig
    /// What the database was made for.
    public let identity: ChainIdentity
    /// The header of the head.
    public let header: Header
    /// The hash of the head.
    public let hash: Hash256
    /// The difficulty of the chain up to and with the head.
    public let totalDifficulty: UInt256
    /// What was changed by hand since the head, in order: what the next block begins with.
    public let pendingOverrides: [PreBlockOverride]
    /// The first block whose state can be read.
    public let oldestState: BlockNumber
    /// The block that the consensus layer holds for safe; `nil` until it has said so.
    public let safe: BlockReference?
    /// The last block that is final; `nil` until the consensus layer has said so.
    public let finalized: BlockReference?
    /// The database as it was then, for the column families of plugins.
    public let snapshot: Snapshot

    let store: BlockStore
    let world: WorldState
    private let knownOldestProof = Mutex<BlockNumber?>(nil)
    /// What `pendingOverrides` change in the head's state.
    let pendingDiff: StateDiff
    /// Whether blocks on top record the calls of their transactions.
    let recordsCalls: Bool

    /// The number of the head.
    public var number: BlockNumber { header.number }
    /// The hash of block 0.
    public var genesisHash: Hash256 { identity.genesisHash }

    /// The chain in a snapshot whose head is known.
    init(
        _ snapshot: Snapshot, config: ChainConfig, identity: ChainIdentity, hash: Hash256,
        header: StoredHeader, pendingOverrides: [PreBlockOverride], pendingDiff: StateDiff,
        recordsCalls: Bool
    ) throws(ChainError) {
        self.snapshot = snapshot
        self.config = config
        self.identity = identity
        self.hash = hash
        self.header = header.header
        totalDifficulty = header.totalDifficulty
        self.pendingOverrides = pendingOverrides
        self.pendingDiff = pendingDiff
        self.recordsCalls = recordsCalls
        let store = BlockStore(snapshot)
        self.store = store
        let world = WorldState(snapshot)
        self.world = world
        (oldestState, safe, finalized) = try storing { () throws(StorageError) in
            (try world.oldestState(), try store.safe(), try store.finalized())
        }
    }

    /// The chain in a snapshot.
    convenience init(
        _ snapshot: Snapshot, config: ChainConfig, identity: ChainIdentity, recordsCalls: Bool
    ) throws(ChainError) {
        let store = BlockStore(snapshot)
        let (hash, header, overrides) = try storing { () throws(StorageError) in
            guard let head = try store.head(), let header = try store.header(head) else {
                throw StorageError.corrupted("the head is missing")
            }
            return (head.hash, header, try store.overrides(before: head.number + 1))
        }
        try self.init(
            snapshot, config: config, identity: identity, hash: hash, header: header,
            pendingOverrides: overrides,
            pendingDiff: try stateReading { () throws(StateReadError) in
                try StateDiff(applying: overrides, to: WorldState(snapshot))
            }, recordsCalls: recordsCalls)
    }

    /// The same head in another snapshot, or with other changes by hand since.
    func with(
        _ snapshot: Snapshot, pendingOverrides: [PreBlockOverride], pendingDiff: StateDiff
    ) throws(ChainError) -> ChainView {
        try ChainView(
            snapshot, config: config, identity: identity, hash: hash,
            header: StoredHeader(header: header, totalDifficulty: totalDifficulty),
            pendingOverrides: pendingOverrides, pendingDiff: pendingDiff,
            recordsCalls: recordsCalls)
    }

    // MARK: - Blocks

    /// The hash of the canonical block with a number.
    public func canonicalHash(_ number: BlockNumber) throws(ChainError) -> Hash256? {
        try storing { () throws(StorageError) in try store.canonicalHash(number) }
    }

    /// Whether a block is in the chain.
    public func isCanonical(_ hash: Hash256) throws(ChainError) -> Bool {
        try storing { () throws(StorageError) in
            guard let number = try store.number(of: hash) else { return false }
            return try store.canonicalHash(number) == hash
        }
    }

    /// The number of the block with a hash, in the chain or beside it.
    public func number(of hash: Hash256) throws(ChainError) -> BlockNumber? {
        try storing { () throws(StorageError) in try store.number(of: hash) }
    }

    /// The header of the canonical block with a number.
    public func header(_ number: BlockNumber) throws(ChainError) -> Header? {
        if number == header.number { return header }
        return try reading(number) { (block) throws(StorageError) in
            try store.header(block)?.header
        }
    }

    /// The header of the block with a hash, in the chain or beside it.
    public func header(hash: Hash256) throws(ChainError) -> Header? {
        if hash == self.hash { return header }
        return try reading(hash) { (block) throws(StorageError) in
            try store.header(block)?.header
        }
    }

    /// The canonical block with a number.
    public func block(_ number: BlockNumber) throws(ChainError) -> StoredBlock? {
        try reading(number) { (block) throws(StorageError) in try store.block(block) }
    }

    /// The hashes of some transactions of the canonical block with a number, by their indexes:
    /// cheaper than the whole block.
    public func transactionHashes(
        _ number: BlockNumber, at indexes: Set<Int>
    ) throws(ChainError) -> [Int: Hash256]? {
        try reading(number) { (block) throws(StorageError) in
            try store.transactionHashes(block, at: indexes)
        }
    }

    /// A transaction of the chain, by its place; cheaper than the whole block.
    public func transaction(
        at location: TransactionLocation
    ) throws(ChainError) -> StoredTransaction? {
        try reading(location.blockNumber) { (block) throws(StorageError) in
            try store.transaction(block, at: location.index)
        }
    }

    /// A transaction of the block with a hash, in the chain or beside it.
    public func transaction(
        at index: Int, inBlock hash: Hash256
    ) throws(ChainError) -> StoredTransaction? {
        try reading(hash) { (block) throws(StorageError) in
            try store.transaction(block, at: index)
        }
    }

    /// The receipt of a transaction of the chain, by its place; cheaper than all of the block.
    public func receipt(
        at location: TransactionLocation
    ) throws(ChainError) -> StoredReceipt? {
        try reading(location.blockNumber) { (block) throws(StorageError) in
            try store.receipt(block, at: location.index)
        }
    }

    /// The block with a hash, in the chain or beside it.
    public func block(hash: Hash256) throws(ChainError) -> StoredBlock? {
        try reading(hash) { (block) throws(StorageError) in try store.block(block) }
    }

    /// The receipts of the canonical block with a number, in the order of its transactions.
    public func receipts(_ number: BlockNumber) throws(ChainError) -> [Receipt]? {
        try reading(number) { (block) throws(StorageError) in try store.receipts(block) }
    }

    /// The receipts of the block of the chain with a hash, in the order of its transactions.
    public func receipts(hash: Hash256) throws(ChainError) -> [Receipt]? {
        try reading(hash) { (block) throws(StorageError) in try store.receipts(block) }
    }

    /// Where a transaction stands in the canonical chain.
    public func transactionLocation(
        _ hash: Hash256
    ) throws(ChainError) -> TransactionLocation? {
        try storing { () throws(StorageError) in try store.transactionLocation(hash) }
    }

    /// What was changed by hand before a block; for the one after the head, what is pending.
    public func overrides(
        before number: BlockNumber
    ) throws(ChainError) -> [PreBlockOverride] {
        if number == self.number &+ 1 { return pendingOverrides }
        return try storing { () throws(StorageError) in try store.overrides(before: number) }
    }

    // MARK: - Logs

    /// The wanted logs of a range of canonical blocks, in their order.
    ///
    /// - Throws: `tooManyLogs` or `logsTooLarge` if more than `limit` match.
    public func logs(
        matching filter: LogFilter, in range: ClosedRange<BlockNumber>, limit: LogLimit
    ) throws(ChainError) -> [LocatedLog] {
        try storing { () throws(StorageError) in
            try store.logs(matching: filter, in: range, limit: limit)
        }
    }

    /// The wanted logs of one block of the chain; `nil` if there is no such block.
    public func logs(
        matching filter: LogFilter, inBlock hash: Hash256
    ) throws(ChainError) -> [LocatedLog]? {
        try reading(hash) { (block) throws(StorageError) in
            guard try store.canonicalHash(block.number) == hash else { return nil }
            return try store.logs(matching: filter, in: block)
        }
    }

    // MARK: - State

    /// The latest state, with what was changed by hand since the head.
    public var state: any StateReader & Sendable {
        if pendingDiff.isEmpty { return world }
        return OverriddenState(world: world, diff: pendingDiff)
    }

    /// The state after a canonical block; for the head the same as ``state``.
    public func state(
        at number: BlockNumber
    ) throws(ChainError) -> any StateReader & Sendable {
        if number == self.number { return state }
        return try earlierWorld(number)
    }

    /// An account after a canonical block, with the root of its storage. What is changed by hand is
    /// not in it until a block is built.
    public func builtAccount(
        _ address: Address, at number: BlockNumber
    ) throws(ChainError) -> Account? {
        let world = try earlierWorld(number)
        return try stateReading { () throws(StateReadError) in try world.account(address) }
    }

    /// Proves an account and some of its slots against the state root of a block. What is changed
    /// by hand is not in it until a block is built.
    ///
    /// - Throws: `proofUnavailable` if too much changed since, `stateUnavailable` if the block is not
    ///   retained.
    public func proof(
        of address: Address, slots: [UInt256], at number: BlockNumber
    ) throws(ChainError) -> AccountProof {
        try checkRetained(number)
        do {
            return try world.proof(
                of: address, slots: slots, at: number, head: self.number,
                headRoot: header.stateRoot, limit: ChainLimits.changesPerProof)
        } catch .tooManyChanges {
            throw .proofUnavailable(number, oldest: try oldestProof())
        } catch {
            throw ChainError(error)
        }
    }

    /// The first block from which on every account and slot can be proven. Of blocks before it some
    /// can: those since which few different keys of the proven tries changed.
    ///
    /// Goes through the changes since, at most ``ChainLimits/changesPerProof`` keys and blocks; once,
    /// whoever asks this view again.
    public func oldestProof() throws(ChainError) -> BlockNumber {
        if let known = knownOldestProof.withLock({ $0 }) { return known }
        let oldest = try storing { () throws(StorageError) in
            try world.oldestProof(head: number, limit: ChainLimits.changesPerProof)
        }
        knownOldestProof.withLock { $0 = oldest }
        return oldest
    }

    // MARK: - Execution

    /// What the next block on the head is built on or checked against.
    ///
    /// - Parameter withAncestors: whether the block has ommers, which are checked against more
    ///   than the parent.
    public func parentBlock(withAncestors: Bool = false) throws(ChainError) -> ParentBlock {
        var parent = ParentBlock(
            header: header, state: state, totalDifficulty: totalDifficulty,
            ancestors: withAncestors ? try ancestors(from: number) : [],
            stateRoot: { [self] (diff) throws(StateReadError) in
                var whole = pendingDiff
                whole.merge(diff)
                do throws(StorageError) {
                    return try world.root(applying: whole, parentRoot: header.stateRoot)
                } catch {
                    throw StateReadError(message: error.description)
                }
            })
        parent.recordsCalls = recordsCalls
        return parent
    }

    /// What another block on a canonical block is built on, for blocks that are only looked at.
    public func parentBlock(at number: BlockNumber) throws(ChainError) -> ParentBlock {
        if number == self.number { return try parentBlock() }
        guard number < self.number, let block = try block(number) else {
            throw .unknownBlock(number)
        }
        return ParentBlock(
            header: block.block.header, state: try state(at: number),
            totalDifficulty: block.totalDifficulty,
            stateRoot: { [self] (diff) throws(StateReadError) in
                do throws(StorageError) {
                    // One root for each diff.
                    return try world.roots(
                        applying: [diff], after: number, head: self.number,
                        headRoot: header.stateRoot, limit: ChainLimits.changesPerProof)[0]
                } catch {
                    throw StateReadError(message: error.description)
                }
            })
    }

    /// What a block of the chain was executed on: the state of its parent, and what was changed by
    /// hand before it. For executing it again, to trace it.
    ///
    /// The roots after single transactions that receipts before Byzantium carry are not made: they
    /// are zero.
    public func parentBlock(of number: BlockNumber) throws(ChainError) -> ParentBlock {
        guard number > 0, number <= self.number, let block = try block(number),
            let parent = try self.block(number - 1)
        else { throw .unknownBlock(number) }
        let world = try earlierWorld(number - 1)
        let overrides = try overrides(before: number)
        let diff = try stateReading { () throws(StateReadError) in
            try StateDiff(applying: overrides, to: world)
        }
        return ParentBlock(
            header: parent.block.header, state: OverriddenState(world: world, diff: diff),
            totalDifficulty: parent.totalDifficulty,
            ancestors: block.block.ommers.isEmpty ? [] : try ancestors(from: number - 1),
            stateRoot: { (_) throws(StateReadError) in .zero })
    }

    private func ancestors(from number: BlockNumber) throws(ChainError) -> [Ancestor] {
        var ancestors: [Ancestor] = []
        var next: BlockNumber? = number
        while ancestors.count < 7, let number = next, let stored = try block(number) {
            ancestors.append(Ancestor(header: stored.block.header, ommers: stored.block.ommers))
            next = number > 0 ? number - 1 : nil
        }
        return ancestors
    }

    func checkRetained(_ number: BlockNumber) throws(ChainError) {
        guard number <= self.number else { throw .unknownBlock(number) }
        guard number >= oldestState else {
            throw .stateUnavailable(number, oldest: oldestState)
        }
    }

    private func reading<Value>(
        _ number: BlockNumber, _ body: (BlockReference) throws(StorageError) -> Value?
    ) throws(ChainError) -> Value? {
        try storing { () throws(StorageError) in
            guard let block = try store.canonicalBlock(number) else { return nil }
            return try body(block)
        }
    }

    private func reading<Value>(
        _ hash: Hash256, _ body: (BlockReference) throws(StorageError) -> Value?
    ) throws(ChainError) -> Value? {
        try storing { () throws(StorageError) in
            guard let number = try store.number(of: hash) else { return nil }
            return try body(BlockReference(number: number, hash: hash))
        }
    }
}

/// A state with what was changed by hand on top.
private struct OverriddenState: StateReader, Sendable {
    let world: WorldState
    let diff: StateDiff

    private var overlay: StateOverlay { StateOverlay(base: world, diff: diff) }

    func account(_ address: Address) throws(StateReadError) -> Account? {
        try overlay.account(address)
    }

    func storage(_ address: Address, _ slot: UInt256) throws(StateReadError) -> UInt256 {
        try overlay.storage(address, slot)
    }

    func code(_ hash: Hash256) throws(StateReadError) -> Bytes {
        try overlay.code(hash)
    }

    func blockHash(_ number: BlockNumber) throws(StateReadError) -> Hash256? {
        try world.blockHash(number)
    }
}

/// Runs a read of the state.
func stateReading<Value>(
    _ body: () throws(StateReadError) -> Value
) throws(ChainError) -> Value {
    do {
        return try body()
    } catch {
        throw .stateRead(error)
    }
}
