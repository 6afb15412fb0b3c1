public import Chain
public import Primitives

/// Why a replica cannot follow.
public enum FollowError: Error, Sendable {
    /// The upstream cannot be asked.
    case upstream(RPCClientError)
    /// The upstream answers something that makes no sense.
    case malformed(String)
    /// The upstream's chain begins with another block.
    case anotherChain(theirs: Hash256, ours: Hash256)
    /// The upstream gave a block that is not valid.
    case invalidBlock(BlockNumber, Hash256, ChainError)
    /// The block is not sealed by one of those who may; the signer is known if there is a seal.
    case seal(BlockNumber, Hash256, signer: Address?)
    /// Seals are to be checked, and the upstream serves none.
    case noSeals
    /// The state was changed by hand before the block: a devnet's chain, which cannot be verified.
    case overridden(BlockNumber)
    /// The chain here cannot be read or extended.
    case chain(ChainError)

    init(_ error: ChainError, _ block: RecoveredBlock) {
        switch error {
        case .invalidBlock, .invalidSignature, .invalidAncestor, .unknownParent:
            self = .invalidBlock(block.block.header.number, block.hash, error)
        default: self = .chain(error)
        }
    }
}

extension FollowError: CustomStringConvertible {
    /// One line for the log, about the upstream.
    public var description: String {
        switch self {
        case .upstream(let error): "\(error)"
        case .malformed(let what): "gives what makes no sense: \(what)"
        case .anotherChain(let theirs, let ours):
            "serves another chain: its genesis is \(theirs), ours is \(ours)"
        case .invalidBlock(let number, let hash, .invalidBlock(.seal)):
            "gives block \(number), \(hash), without the proof of work that its difficulty asks for; "
                + "a chain that never had any is followed with --sealers or --unsealed"
        case .invalidBlock(let number, let hash, let error):
            "gives the invalid block \(number), \(hash): \(error)"
        case .seal(let number, let hash, nil): "gives block \(number), \(hash), without a seal"
        case .seal(let number, let hash, let signer?):
            "gives block \(number), \(hash), sealed by \(signer), who may not"
        case .noSeals: "serves no seals (apus_getBlocks), and they are to be checked"
        case .overridden(let number):
            "changed the state by hand before block \(number); such a devnet cannot be followed"
        case .chain(let error): "cannot be followed: \(error)"
        }
    }
}
