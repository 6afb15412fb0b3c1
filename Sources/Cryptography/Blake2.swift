/// The compression function F of BLAKE2b (RFC 7693, section 3.2): precompile BLAKE2F (EIP-152).

/// The state h after `rounds` rounds over the message block m, with the offset counters t and the
/// flag of the last block. EIP-152 lets the caller choose the number of rounds, at one gas each.
///
/// - Precondition: h has 8 words and m has 16.
public func blake2F(
    rounds: UInt32, h: [UInt64], m: [UInt64], t: (UInt64, UInt64), final isFinal: Bool
) -> [UInt64] {
    precondition(h.count == 8 && m.count == 16, "BLAKE2b has 8 words of state, 16 of message.")
    var v = WorkingVector(h: h, t: t, isFinal: isFinal)
    m.withUnsafeBufferPointer { m in
        // Each of ten rounds has its permutation SIGMA of the message (RFC 7693, section 2.7), spelled
        // out: twice as fast as a table. Then they begin again.
        for round in 0..<rounds {
            switch round % 10 {
            case 0:
                v.mix(
                    m[0], m[1], m[2], m[3], m[4], m[5], m[6], m[7], m[8],
                    m[9], m[10], m[11], m[12], m[13], m[14], m[15])
            case 1:
                v.mix(
                    m[14], m[10], m[4], m[8], m[9], m[15], m[13], m[6], m[1],
                    m[12], m[0], m[2], m[11], m[7], m[5], m[3])
            case 2:
                v.mix(
                    m[11], m[8], m[12], m[0], m[5], m[2], m[15], m[13], m[10],
                    m[14], m[3], m[6], m[7], m[1], m[9], m[4])
            case 3:
                v.mix(
                    m[7], m[9], m[3], m[1], m[13], m[12], m[11], m[14], m[2],
                    m[6], m[5], m[10], m[4], m[0], m[15], m[8])
            case 4:
                v.mix(
                    m[9], m[0], m[5], m[7], m[2], m[4], m[10], m[15], m[14],
                    m[1], m[11], m[12], m[6], m[8], m[3], m[13])
            case 5:
                v.mix(
                    m[2], m[12], m[6], m[10], m[0], m[11], m[8], m[3], m[4],
                    m[13], m[7], m[5], m[15], m[14], m[1], m[9])
            case 6:
                v.mix(
                    m[12], m[5], m[1], m[15], m[14], m[13], m[4], m[10], m[0],
                    m[7], m[6], m[3], m[9], m[2], m[8], m[11])
            case 7:
                v.mix(
                    m[13], m[11], m[7], m[14], m[12], m[1], m[3], m[9], m[5],
                    m[0], m[15], m[4], m[8], m[6], m[2], m[10])
            case 8:
                v.mix(
                    m[6], m[15], m[14], m[9], m[11], m[3], m[0], m[8], m[12],
                    m[2], m[13], m[7], m[1], m[4], m[10], m[5])
            default:
                v.mix(
                    m[10], m[2], m[8], m[4], m[7], m[6], m[1], m[5], m[15],
                    m[11], m[9], m[14], m[3], m[12], m[13], m[0])
            }
        }
    }
    return [
        h[0] ^ v.v0 ^ v.v8, h[1] ^ v.v1 ^ v.v9, h[2] ^ v.v2 ^ v.v10, h[3] ^ v.v3 ^ v.v11,
        h[4] ^ v.v4 ^ v.v12, h[5] ^ v.v5 ^ v.v13, h[6] ^ v.v6 ^ v.v14, h[7] ^ v.v7 ^ v.v15,
    ]
}

/// The sixteen words that a round mixes.
private struct WorkingVector {
    var v0, v1, v2, v3, v4, v5, v6, v7: UInt64
    /// The initialization vector (RFC 7693, section 2.6), that of SHA-512.
    var v8: UInt64 = 0x6a09_e667_f3bc_c908
    var v9: UInt64 = 0xbb67_ae85_84ca_a73b
    var v10: UInt64 = 0x3c6e_f372_fe94_f82b
    var v11: UInt64 = 0xa54f_f53a_5f1d_36f1
    var v12: UInt64 = 0x510e_527f_ade6_82d1
    var v13: UInt64 = 0x9b05_688c_2b3e_6c1f
    var v14: UInt64 = 0x1f83_d9ab_fb41_bd6b
    var v15: UInt64 = 0x5be0_cd19_137e_2179

    init(h: [UInt64], t: (UInt64, UInt64), isFinal: Bool) {
        (v0, v1, v2, v3) = (h[0], h[1], h[2], h[3])
        (v4, v5, v6, v7) = (h[4], h[5], h[6], h[7])
        v12 ^= t.0
        v13 ^= t.1
        if isFinal { v14 = ~v14 }
    }

    /// One round with the message's words in the round's order: columns, then diagonals.
    @inline(always)
    mutating func mix(
        _ m0: UInt64, _ m1: UInt64, _ m2: UInt64, _ m3: UInt64,
        _ m4: UInt64, _ m5: UInt64, _ m6: UInt64, _ m7: UInt64,
        _ m8: UInt64, _ m9: UInt64, _ m10: UInt64, _ m11: UInt64,
        _ m12: UInt64, _ m13: UInt64, _ m14: UInt64, _ m15: UInt64
    ) {
        g(&v0, &v4, &v8, &v12, m0, m1)
        g(&v1, &v5, &v9, &v13, m2, m3)
        g(&v2, &v6, &v10, &v14, m4, m5)
        g(&v3, &v7, &v11, &v15, m6, m7)
        g(&v0, &v5, &v10, &v15, m8, m9)
        g(&v1, &v6, &v11, &v12, m10, m11)
        g(&v2, &v7, &v8, &v13, m12, m13)
        g(&v3, &v4, &v9, &v14, m14, m15)
    }
}

/// The mixing function G of RFC 7693, section 3.1.
@inline(always)
private func g(
    _ a: inout UInt64, _ b: inout UInt64, _ c: inout UInt64, _ d: inout UInt64,
    _ x: UInt64, _ y: UInt64
) {
    a = a &+ b &+ x
    d = rotateRight(d ^ a, 32)
    c = c &+ d
    b = rotateRight(b ^ c, 24)
    a = a &+ b &+ y
    d = rotateRight(d ^ a, 16)
    c = c &+ d
    b = rotateRight(b ^ c, 63)
}

@inline(always)
private func rotateRight(_ word: UInt64, _ count: UInt64) -> UInt64 {
    word &>> count | word &<< (64 &- count)
}
