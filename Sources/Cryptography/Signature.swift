/// An ECDSA signature on secp256k1 from which the signer's key can be recovered, as transactions,
/// EIP-7702 authorizations and signed messages carry it, and that recovery (Yellow Paper, appendix
/// F).

import CSecp256k1
import Dispatch
public import Primitives
import Synchronization

/// A recoverable signature: (y parity, r, s). Any three values, valid or not.
public struct Signature: Hashable, Sendable {
    /// Whether the y coordinate of the curve point of which r is the x coordinate is odd.
    public var yParity: Bool
    /// The x coordinate of that point, modulo n.
    public var r: UInt256
    /// The proof that the signer knows the key.
    public var s: UInt256

    /// A signature of any three values.
    public init(yParity: Bool, r: UInt256, s: UInt256) {
        self.yParity = yParity
        self.r = r
        self.s = s
    }

    /// A signature from the 65 bytes r ‖ s ‖ v as wallets exchange them, v being 27 or 28, or 0 or
    /// 1; nil for anything else.
    public init?(_ bytes: some Collection<UInt8>) {
        let bytes = Bytes(bytes)
        guard bytes.count == 65, let r = UInt256(bigEndian: bytes[..<32]),
            let s = UInt256(bigEndian: bytes[32..<64])
        else { return nil }
        switch bytes[64] {
        case 0, 27: self.init(yParity: false, r: r, s: s)
        case 1, 28: self.init(yParity: true, r: r, s: s)
        default: return nil
        }
    }

    /// The 65 bytes r ‖ s ‖ v with v 27 or 28, as `eth_sign` and `personal_sign` return them.
    public var bytes: Bytes {
        r.bigEndianBytes + s.bigEndianBytes + [yParity ? 28 : 27]
    }

    /// Whether 0 < r < n and 0 < s < n: Yellow Paper, appendix F.
    public var isInRange: Bool {
        !r.isZero && r < Secp256k1.order && !s.isZero && s < Secp256k1.order
    }

    /// Whether s ≤ n / 2, which transactions must satisfy since Homestead (EIP-2).
    public var hasLowS: Bool { s <= Secp256k1.halfOrder }
}

/// The address whose key made `signature` of `hash`; nil if r or s is out of range or no key fits.
///
/// A high s is accepted, as the precompile ECRECOVER and Frontier do; see `Signature.hasLowS`.
public func recoverAddress(hash: Hash256, signature: Signature) -> Address? {
    recoverKey(hash: hash, signature: signature).map(address(of:))
}

/// The public key that made `signature` of `hash`; nil if r or s is out of range or no key fits.
public func recoverPublicKey(hash: Hash256, signature: Signature) -> PublicKey? {
    recoverKey(hash: hash, signature: signature).map(PublicKey.init)
}

/// `recoverAddress` of many signatures, in their order, on up to `threads` threads.
public func recoverAddresses(_ items: [(Hash256, Signature)], threads: Int) -> [Address?] {
    /// Signatures that a thread takes at a time: much longer work (half a millisecond) than to take
    /// them.
    let stride = 16
    let threads = min(threads, (items.count + stride - 1) / stride)
    guard threads > 1 else { return items.map { recoverAddress(hash: $0.0, signature: $0.1) } }
    return [Address?](unsafeUninitializedCapacity: items.count) { results, initializedCount in
        let taken = Atomic<Int>(0)
        // SAFETY: each index is taken by one thread only, and `concurrentPerform` returns when all
        // are done.
        nonisolated(unsafe) let results = results
        DispatchQueue.concurrentPerform(iterations: threads) { _ in
            while true {
                let start = taken.add(stride, ordering: .relaxed).oldValue
                guard start < items.count else { return }
                for index in start..<min(start + stride, items.count) {
                    let (hash, signature) = items[index]
                    results.initializeElement(
                        at: index, to: recoverAddress(hash: hash, signature: signature))
                }
            }
        }
        initializedCount = items.count
    }
}

/// `recoverPublicKey` in the library's own form of a key.
private func recoverKey(hash: Hash256, signature: Signature) -> secp256k1_pubkey? {
    guard signature.isInRange else { return nil }
    let context = Secp256k1.context
    var parsed = secp256k1_ecdsa_recoverable_signature()
    var key = secp256k1_pubkey()
    let isRecovered =
        secp256k1_ecdsa_recoverable_signature_parse_compact(
            context, &parsed, signature.r.bigEndianBytes + signature.s.bigEndianBytes,
            signature.yParity ? 1 : 0) == 1
        && secp256k1_ecdsa_recover(context, &key, &parsed, hash.bytes) == 1
    return isRecovered ? key : nil
}
