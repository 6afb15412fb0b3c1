import EthereumTypes
import Execution
import Synchronization

/// What the seals of blocks from elsewhere must prove.
public enum SealRule: Hashable, Sendable {
    /// Nothing: who gives the blocks is trusted, or the chain has no real proof of work.
    case unchecked
    /// The work that the difficulty of a block before the merge asks for.
    case proofOfWork

    /// Whether a header, whose other fields are valid, has the seal that it needs.
    func isSealed(_ header: Header) -> Bool {
        switch self {
        case .unchecked: true
        case .proofOfWork: header.isPostMerge || EthashCaches.isSealed(header)
        }
    }
}

/// The caches of the newest epochs that were asked for: each takes a second and tens of megabytes.
/// None is made before there is a block with proof of work to be checked.
private enum EthashCaches {
    private static let limit = 2
    private static let newest = Mutex<[Ethash]>([])

    static func isSealed(_ header: Header) -> Bool {
        let epoch = header.number / Ethash.epochLength
        guard epoch < 2048 else { return false }
        let cache = newest.withLock { newest in
            if let index = newest.firstIndex(where: { $0.epoch == epoch }) { return newest[index] }
            let made = Ethash(epoch: epoch)
            newest.append(made)
            if newest.count > limit { newest.removeFirst() }
            return made
        }
        return cache.isSealed(header)
    }
}
