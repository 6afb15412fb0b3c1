import Cryptography
public import Primitives

/// Messages from the execution layer to the consensus layer: EIP-7685. A request list is carried as
/// bytes, the type first: type ‖ data.
public enum RequestType: UInt8, CaseIterable, Sendable {
    /// EIP-6110.
    case deposit = 0
    /// EIP-7002.
    case withdrawal = 1
    /// EIP-7251.
    case consolidation = 2
}

/// What a header commits to: sha256(sha256(requests₀) ‖ sha256(requests₁) ‖ …), without those that
/// have no data.
public func requestsHash(of requests: [Bytes]) -> Hash256 {
    var digests: Bytes = []
    for request in requests where request.count > 1 {
        digests.append(contentsOf: sha256(request))
    }
    guard let hash = Hash256(sha256(digests)) else {
        preconditionFailure("a SHA-256 digest has 32 bytes")
    }
    return hash
}
