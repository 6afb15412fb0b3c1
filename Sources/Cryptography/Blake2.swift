/// The compression function F of BLAKE2b (RFC 7693, section 3.2): precompile BLAKE2F (EIP-152).

/// The state h after `rounds` rounds over the message block m, with the offset counters t and the
/// flag of the last block. EIP-152 lets the caller choose the number of rounds; it costs about 8 ns
/// a round.
///
/// - Precondition: h has 8 words and m has 16.
public func blake2F(
    rounds: UInt32, h: [UInt64], m: [UInt64], t: (UInt64, UInt64), final isFinal: Bool
) -> [UInt64] {
    precondition(h.count == 8 && m.count == 16, "BLAKE2b has 8 words of state, 16 of message.")
    var v0 = h[0], v1 = h[1], v2 = h[2], v3 = h[3]
    var v4 = h[4], v5 = h[5], v6 = h[6], v7 = h[7]
    var v8 = initialization[0], v9 = initialization[1]
    var v10 = initialization[2], v11 = initialization[3]
    var v12 = initialization[4] ^ t.0, v13 = initialization[5] ^ t.1
    var v14 = isFinal ? ~initialization[6] : initialization[6]
    var v15 = initialization[7]

    m.withUnsafeBufferPointer { m in
        schedule.withUnsafeBufferPointer { schedule in
            var row = 0
            for _ in 0..<rounds {
                /// Word i of the round's permutation of the message.
                @inline(always) func word(_ i: Int) -> UInt64 {
                    // SAFETY: row is 0, 16, … 144 and i below 16; the schedule's 160 entries are
                    // below 16.
                    m[Int(schedule[row &+ i])]
                }
                mix(&v0, &v4, &v8, &v12, word(0), word(1))
                mix(&v1, &v5, &v9, &v13, word(2), word(3))
                mix(&v2, &v6, &v10, &v14, word(4), word(5))
                mix(&v3, &v7, &v11, &v15, word(6), word(7))
                mix(&v0, &v5, &v10, &v15, word(8), word(9))
                mix(&v1, &v6, &v11, &v12, word(10), word(11))
                mix(&v2, &v7, &v8, &v13, word(12), word(13))
                mix(&v3, &v4, &v9, &v14, word(14), word(15))
                row = row == 144 ? 0 : row &+ 16
            }
        }
    }

    return [
        h[0] ^ v0 ^ v8, h[1] ^ v1 ^ v9, h[2] ^ v2 ^ v10, h[3] ^ v3 ^ v11,
        h[4] ^ v4 ^ v12, h[5] ^ v5 ^ v13, h[6] ^ v6 ^ v14, h[7] ^ v7 ^ v15,
    ]
}

/// The mixing function G of RFC 7693, section 3.1.
@inline(always)
private func mix(
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

/// The initialization vector (RFC 7693, section 2.6), that of SHA-512.
private let initialization: [UInt64] = [
    0x6a09_e667_f3bc_c908, 0xbb67_ae85_84ca_a73b, 0x3c6e_f372_fe94_f82b, 0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1, 0x9b05_688c_2b3e_6c1f, 0x1f83_d9ab_fb41_bd6b, 0x5be0_cd19_137e_2179,
]

/// The message permutations SIGMA of ten rounds (RFC 7693, section 2.7); further rounds begin
/// again.
private let schedule: [UInt8] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
    14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3,
    11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4,
    7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8,
    9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13,
    2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9,
    12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11,
    13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10,
    6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5,
    10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0,
]
