import Chain
import Cryptography
public import Logging
import Primitives
import Storage

/// The seals of blocks that were there before their sealer: read from a file, which holds no seals,
/// or made by a node that had no key.
extension SealStore {
    /// Seals every block of a chain that has no seal, from the first one on: who continues a chain
    /// vouches for it, and a replica that asks for seals can begin at block 1.
    ///
    /// Works in steps, between which the chain goes on, and remembers how far it came. Seals of
    /// others stay. Ends when it has reached the head, or with its task; a step that fails is
    /// repeated after a pause. Does nothing without a key.
    ///
    /// - Returns: how many blocks were sealed.
    @discardableResult
    public func sealEarlierBlocks(of chain: Blockchain, logger: Logger) async -> Int {
        guard let key else { return 0 }
        var sealed = 0
        while !Task.isCancelled {
            do throws(ChainError) {
                let step = try sealNext(in: chain.head.view, by: key)
                sealed += step.sealed
                // Whoever asks the head for seals sees them from now on.
                if step.sealed > 0 { try await chain.refresh() }
                guard step.isMoreExpected else { break }
                try? await Task.sleep(for: Self.pause)
            } catch {
                logger.error("cannot seal earlier blocks", metadata: ["error": "\(error)"])
                try? await Task.sleep(for: Self.pauseAfterFailure)
            }
        }
        if sealed > 0 {
            logger.notice(
                "sealed blocks that had no seal",
                metadata: ["blocks": "\(sealed)", "sealer": "\(key.address)"])
        }
        return sealed
    }

    /// Blocks of one step: some ten milliseconds of signing.
    private static let blocksPerStep: BlockNumber = 512
    private static let pause: Duration = .milliseconds(20)
    private static let pauseAfterFailure: Duration = .seconds(60)

    /// The block up to which all have a seal: number[8] ‖ hash[32]. No hash is so short.
    private static let position = Bytes("position".utf8)

    private struct Step {
        var sealed = 0
        var isMoreExpected: Bool
    }

    private func sealNext(in view: ChainView, by key: PrivateKey) throws(ChainError) -> Step {
        let database = view.snapshot.database
        guard let column = database.column(Self.family) else {
            throw .participantFailed("the database was opened without a place for seals")
        }
        let first = try firstUnsure(in: view, column)
        guard first <= view.number else { return Step(isMoreExpected: false) }
        let last = first + min(view.number - first, Self.blocksPerStep - 1)
        var step = Step(isMoreExpected: last < view.number)
        var batch = WriteBatch(for: database)
        for number in first...last {
            guard let hash = try view.canonicalHash(number) else { throw .unknownBlock(number) }
            if number == last {
                batch.put(column, Self.position, Bytes(bigEndian: number) + hash.bytes)
            }
            guard try seal(of: hash, in: view) == nil else { continue }
            batch.put(column, hash.bytes, BlockSeal(of: hash, by: key).bytes)
            step.sealed += 1
        }
        do throws(StorageError) {
            try database.checkRoom()
            try database.write(batch, durability: .buffered)
        } catch {
            throw .storage(error)
        }
        return step
    }

    /// The first block that may have no seal: the one after the remembered position, if that is
    /// still in the chain, and else the one after the genesis block.
    private func firstUnsure(
        in view: ChainView, _ column: PluginColumn
    ) throws(ChainError) -> BlockNumber {
        let bytes: Bytes?
        do throws(StorageError) {
            bytes = try view.snapshot.database.snapshot().value(column, Self.position)
        } catch {
            throw .storage(error)
        }
        if let bytes, bytes.count == 40, let number = UInt64(bigEndian: bytes[..<8]),
            let hash = try view.canonicalHash(number), hash == Hash256(bytes[8...])
        {
            return number + 1
        }
        return try view.number(of: view.genesisHash).map { $0 + 1 } ?? 1
    }
}
