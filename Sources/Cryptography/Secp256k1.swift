/// The one context of libsecp256k1, and the constants of the curve that Ethereum's rules name.

import COpenSSL
import CSecp256k1
import Primitives

/// secp256k1 as Ethereum uses it (SEC 2, section 2.4.1).
enum Secp256k1 {
    /// The order of the curve's group, n.
    static var order: UInt256 {
        UInt256(
            l0: 0xbfd2_5e8c_d036_4141, l1: 0xbaae_dce6_af48_a03b,
            l2: 0xffff_ffff_ffff_fffe, l3: 0xffff_ffff_ffff_ffff)
    }

    /// n / 2, the greatest s of a signature in its low form (EIP-2).
    static var halfOrder: UInt256 {
        UInt256(
            l0: 0xdfe9_2f46_681b_20a0, l1: 0x5d57_6e73_57a4_501d,
            l2: 0xffff_ffff_ffff_ffff, l3: 0x7fff_ffff_ffff_ffff)
    }

    /// The library's context, blinded with random bytes against side channels when it is made.
    ///
    // SAFETY: made once (a global is initialised once, by one thread) and only read after that; the
    // library allows any number of threads to use a context that none changes.
    nonisolated(unsafe) static let context: OpaquePointer = {
        guard let context = secp256k1_context_create(UInt32(SECP256K1_CONTEXT_NONE)) else {
            preconditionFailure("libsecp256k1 could not make its context: out of memory.")
        }
        let isBlinded = secp256k1_context_randomize(context, randomBytes(count: 32))
        precondition(isBlinded == 1, "libsecp256k1 could not blind its context.")
        return context
    }()
}
