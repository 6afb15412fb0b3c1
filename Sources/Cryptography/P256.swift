/// ECDSA on the curve secp256r1 (P-256): the check of precompile P256VERIFY (EIP-7951), on
/// OpenSSL's arithmetic.

import COpenSSL
public import Primitives

/// Whether (r, s) is a signature of `hash` by the key (x, y): EIP-7951, whose steps are numbered
/// here. Both forms of s are accepted.
public func verifyP256(hash: Hash256, r: UInt256, s: UInt256, x: UInt256, y: UInt256) -> Bool {
    // 1. r and s are in (0, n).
    guard !r.isZero, r < P256.order, !s.isZero, s < P256.order else { return false }
    // 2. The coordinates are in [0, p).
    guard x < P256.prime, y < P256.prime else { return false }

    guard let context = BN_CTX_new(), let key = EC_POINT_new(P256.group),
        let point = EC_POINT_new(P256.group)
    else { preconditionFailure("OpenSSL could not make numbers: out of memory.") }
    defer {
        EC_POINT_free(point)
        EC_POINT_free(key)
        BN_CTX_free(context)
    }
    BN_CTX_start(context)
    defer { BN_CTX_end(context) }
    /// A number of the context, which frees it.
    func number(_ value: UInt256) -> OpaquePointer? {
        BN_bin2bn(value.bigEndianBytes, 32, BN_CTX_get(context))
    }
    guard let hash = number(hash.uint256), let r = number(r), let s = number(s),
        let x = number(x), let y = number(y), let order = number(P256.order),
        let inverse = BN_CTX_get(context), let u1 = BN_CTX_get(context),
        let u2 = BN_CTX_get(context), let candidate = BN_CTX_get(context)
    else { preconditionFailure("OpenSSL could not make numbers: out of memory.") }

    // 3. and 4. The point is on the curve, which the point at infinity, written (0, 0), is not.
    guard EC_POINT_set_affine_coordinates(P256.group, key, x, y, context) == 1 else {
        ERR_clear_error()
        return false
    }
    // 5. s₁ = s⁻¹ mod n; 6. R′ = (h · s₁) · G + (r · s₁) · K.
    let isComputed =
        BN_mod_inverse(inverse, s, order, context) != nil
        && BN_mod_mul(u1, hash, inverse, order, context) == 1
        && BN_mod_mul(u2, r, inverse, order, context) == 1
        && EC_POINT_mul(P256.group, point, u1, key, u2, context) == 1
    precondition(isComputed, "OpenSSL could not compute: out of memory.")
    // 7. R′ is not infinity; 8. its x coordinate is r modulo n.
    guard EC_POINT_is_at_infinity(P256.group, point) == 0,
        EC_POINT_get_affine_coordinates(P256.group, point, candidate, nil, context) == 1,
        BN_nnmod(candidate, candidate, order, context) == 1
    else { return false }
    return BN_cmp(candidate, r) == 0
}

/// The curve P-256 (FIPS 186-4, D.1.2.3).
private enum P256 {
    /// The order of the curve's group, n.
    static var order: UInt256 {
        UInt256(
            l0: 0xf3b9_cac2_fc63_2551, l1: 0xbce6_faad_a717_9e84,
            l2: 0xffff_ffff_ffff_ffff, l3: 0xffff_ffff_0000_0000)
    }

    /// The prime of the curve's field, p.
    static var prime: UInt256 {
        UInt256(
            l0: 0xffff_ffff_ffff_ffff, l1: 0x0000_0000_ffff_ffff,
            l2: 0, l3: 0xffff_ffff_0000_0001)
    }

    // SAFETY: made once (a global is initialised once, by one thread) and only read after that.
    nonisolated(unsafe) static let group: OpaquePointer = {
        guard let group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1) else {
            preconditionFailure("OpenSSL does not offer P-256.")
        }
        return group
    }()
}
