import EthereumTypes
import Execution
import Synchronization

/// What the seals of blocks from elsewhere must prove.
public enum SealRule: Hashable, Sendable {
    /// Nothing: who gives the blocks is trusted, or the chain has no real proof of work.
    case unchecked
    /// The work that the difficulty of a block before the merge asks for.
    case proofOfWork
    /// The same, unless the first block of the chain has no seal at all: then nobody ever did any
    /// work for it. For blocks whose giver need not be mistrusted, such as those of a file.
    case proofOfWorkIfAny

    /// Whether a header, whose other fields are valid, has the seal that it needs.
    ///
    /// - Parameter first: the header of the chain's block 1.
    func isSealed(_ header: Header, in first: Header) -> Bool {
        switch self {
        case .unchecked: true
        case .proofOfWork: header.isPostMerge || EthashCaches.isSealed(header)
        case .proofOfWorkIfAny:
            header.isPostMerge || first.hasNoSeal || EthashCaches.isSealed(header)
        }
    }
}

extension Header {
    /// Whether it claims no work, as headers of chains that are made for tests.
    fileprivate var hasNoSeal: Bool { prevRandao == .zero && nonce == 0 }
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
