public import Chain
public import Cryptography
public import Primitives
public import Storage
import Synchronization

/// Who made a block of a private chain: a signature of its hash.
///
/// The seal stands beside the header and not in it, so a header is no longer than everywhere else
/// (`extraData` has 32 bytes at most) and every tool reads it. What is signed begins with a text of
/// its own, so that a seal is never the signature of a transaction or of a message.
public struct BlockSeal: Hashable, Sendable {
    /// The signature.
    public let signature: Signature

    /// The seal of a block.
    public init(of hash: Hash256, by key: PrivateKey) {
        signature = key.sign(Self.digest(of: hash))
    }

    /// Reads ``bytes``; `nil` for anything else than 65 bytes of a signature.
    public init?(_ bytes: Bytes) {
        guard let signature = Signature(bytes) else { return nil }
        self.signature = signature
    }

    /// The 65 bytes of the signature.
    public var bytes: Bytes { signature.bytes }

    /// Who sealed a block; `nil` if this is nobody's seal of it.
    public func signer(of hash: Hash256) -> Address? {
        guard signature.hasLowS else { return nil }
        return recoverAddress(hash: Self.digest(of: hash), signature: signature)
    }

    /// What is signed: keccak256(0x19 ‖ "Apus block seal:\n" ‖ block hash).
    private static func digest(of hash: Hash256) -> Hash256 {
        keccak256([0x19] + Bytes("Apus block seal:\n".utf8) + hash.bytes)
    }
}

/// The seals of the chain's blocks. They are written in the batch of their block.
///
/// A sealer makes them; a replica hands over those that it was given, before it imports the block.
/// The seal of a block that was undone stays: it may come back, and it is still the same block.
public final class SealStore: CommitParticipant {
    /// Where the seals are: block hash → 65 bytes.
    public static let family = PluginFamily(plugin: "seals", family: "by_hash", access: .point)

    let key: PrivateKey?
    private let given = Mutex<[Hash256: BlockSeal]>([:])

    /// - Parameter key: what the blocks from here are sealed with; `nil` if they come from
    ///   elsewhere, with their seals.
    public init(key: PrivateKey?) {
        self.key = key
    }

    /// A seal needs no calls.
    public var needsCalls: Bool { false }

    /// Takes a seal as it was given, to be written with its block.
    public func keep(_ seal: BlockSeal, of hash: Hash256) {
        given.withLock { $0[hash] = seal }
    }

    /// Forgets seals whose blocks were not imported.
    public func forgetOthers() {
        given.withLock { $0.removeAll() }
    }

    /// Writes the seals of the blocks that are added.
    public func prepare(_ change: HeadChange) -> CommitStep {
        { [self] (batch) throws(ChainError) in try write(change, to: &batch) }
    }

    private func write(
        _ change: HeadChange, to batch: inout WriteBatch
    ) throws(ChainError) {
        guard let column = change.before.snapshot.database.column(Self.family) else {
            throw .participantFailed("the database was opened without a place for seals")
        }
        for block in change.committed {
            let hash = block.stored.hash
            let seal = given.withLock { $0.removeValue(forKey: hash) }
            guard let seal = seal ?? key.map({ BlockSeal(of: hash, by: $0) }) else { continue }
            batch.put(column, hash.bytes, seal.bytes)
        }
    }

    /// The seal of a block, if it has one.
    public func seal(of hash: Hash256, in view: ChainView) throws(ChainError) -> BlockSeal? {
        guard let column = view.snapshot.database.column(Self.family) else { return nil }
        do throws(StorageError) {
            return try view.snapshot.value(column, hash.bytes).flatMap { BlockSeal($0) }
        } catch {
            throw .storage(error)
        }
    }
}
