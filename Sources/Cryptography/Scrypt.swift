/// scrypt (RFC 7914), the key derivation of most key files.
///
/// OpenSSL has it too, but holds to the RFC's n < 2 ^ (128 · r / 8), which geth does not: files with
/// n = 2¹⁸ and r = 1 exist, one of them in the definition of Web3 Secret Storage.

import Primitives

/// `count` bytes derived from a password with cost n, block size r and parallelism p. Takes
/// 128 · r · (n + p) bytes of memory.
///
/// - Precondition: n is a power of two above one; r, p and count are positive.
package func deriveByScrypt(password: Bytes, salt: Bytes, n: Int, r: Int, p: Int, count: Int)
    -> Bytes
{
    precondition(n > 1 && n & (n - 1) == 0, "The cost of scrypt is a power of two.")
    let blockCount = 32 * r
    let blocks = pbkdf2HMACSHA256(
        password: password, salt: salt, iterations: 1, count: 4 * blockCount * p)
    var words = blocks.withUnsafeBytes { bytes in
        stride(from: 0, to: bytes.count, by: 4).map {
            UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: $0, as: UInt32.self))
        }
    }
    // The table of all blocks, and the other half of a block's mixing.
    let table = UnsafeMutablePointer<UInt32>.allocate(capacity: n * blockCount)
    let scratch = UnsafeMutablePointer<UInt32>.allocate(capacity: blockCount)
    defer {
        table.deallocate()
        scratch.deallocate()
    }
    words.withUnsafeMutableBufferPointer { words in
        guard let start = words.baseAddress else { return }
        for index in 0..<p {
            // SAFETY: words holds p blocks, table n blocks, scratch one, of 32 · r words each.
            mixTable(start + index * blockCount, scratch, table, n: n, r: r)
        }
    }
    let mixed = words.flatMap { word in
        [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: word >> $0) }
    }
    return pbkdf2HMACSHA256(password: password, salt: mixed, iterations: 1, count: count)
}

/// scryptROMix (section 5): replaces the block of 32 · r words at `block`.
private func mixTable(
    _ block: UnsafeMutablePointer<UInt32>, _ scratch: UnsafeMutablePointer<UInt32>,
    _ table: UnsafeMutablePointer<UInt32>, n: Int, r: Int
) {
    let count = 32 * r
    var (x, y) = (block, scratch)
    for index in 0..<n {
        (table + index * count).update(from: x, count: count)
        mixBlock(x, into: y, r: r)
        swap(&x, &y)
    }
    for _ in 0..<n {
        // Integerify: the last 64 bytes as a number modulo n, of which the first word is enough.
        let entry = table + (Int(x[count - 16]) & (n - 1)) * count
        for index in 0..<count { x[index] ^= entry[index] }
        mixBlock(x, into: y, r: r)
        swap(&x, &y)
    }
    // After an even number of swaps x is the block again.
}

/// scryptBlockMix (section 4): from the block at `input` to that at `output`.
private func mixBlock(
    _ input: UnsafeMutablePointer<UInt32>, into output: UnsafeMutablePointer<UInt32>, r: Int
) {
    var x = input + (32 * r - 16)
    for index in 0..<(2 * r) {
        // Even chunks go to the first half, odd ones to the second.
        let next = output + 16 * (index / 2 + (index % 2) * r)
        mixChunk(x, input + 16 * index, into: next)
        x = next
    }
}

/// Salsa20/8 (section 3) of the exclusive or of two chunks of 16 words.
private func mixChunk(
    _ a: UnsafeMutablePointer<UInt32>, _ b: UnsafeMutablePointer<UInt32>,
    into output: UnsafeMutablePointer<UInt32>
) {
    let (i0, i1, i2, i3) = (a[0] ^ b[0], a[1] ^ b[1], a[2] ^ b[2], a[3] ^ b[3])
    let (i4, i5, i6, i7) = (a[4] ^ b[4], a[5] ^ b[5], a[6] ^ b[6], a[7] ^ b[7])
    let (i8, i9, i10, i11) = (a[8] ^ b[8], a[9] ^ b[9], a[10] ^ b[10], a[11] ^ b[11])
    let (i12, i13, i14, i15) = (a[12] ^ b[12], a[13] ^ b[13], a[14] ^ b[14], a[15] ^ b[15])
    var (x0, x1, x2, x3, x4, x5, x6, x7) = (i0, i1, i2, i3, i4, i5, i6, i7)
    var (x8, x9, x10, x11, x12, x13, x14, x15) = (i8, i9, i10, i11, i12, i13, i14, i15)
    for _ in 0..<4 {
        quarter(&x0, &x4, &x8, &x12)
        quarter(&x5, &x9, &x13, &x1)
        quarter(&x10, &x14, &x2, &x6)
        quarter(&x15, &x3, &x7, &x11)
        quarter(&x0, &x1, &x2, &x3)
        quarter(&x5, &x6, &x7, &x4)
        quarter(&x10, &x11, &x8, &x9)
        quarter(&x15, &x12, &x13, &x14)
    }
    (output[0], output[1], output[2], output[3]) = (x0 &+ i0, x1 &+ i1, x2 &+ i2, x3 &+ i3)
    (output[4], output[5], output[6], output[7]) = (x4 &+ i4, x5 &+ i5, x6 &+ i6, x7 &+ i7)
    (output[8], output[9]) = (x8 &+ i8, x9 &+ i9)
    (output[10], output[11]) = (x10 &+ i10, x11 &+ i11)
    (output[12], output[13]) = (x12 &+ i12, x13 &+ i13)
    (output[14], output[15]) = (x14 &+ i14, x15 &+ i15)
}

/// The quarter round of Salsa20.
@inline(always)
private func quarter(_ a: inout UInt32, _ b: inout UInt32, _ c: inout UInt32, _ d: inout UInt32) {
    b ^= rotateLeft(a &+ d, 7)
    c ^= rotateLeft(b &+ a, 9)
    d ^= rotateLeft(c &+ b, 13)
    a ^= rotateLeft(d &+ c, 18)
}

@inline(always)
private func rotateLeft(_ word: UInt32, _ count: UInt32) -> UInt32 {
    word &<< count | word &>> (32 &- count)
}
