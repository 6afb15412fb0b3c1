/// Keccak-256, the hash of Ethereum (Yellow Paper, KEC): the original Keccak with padding 0x01, not
/// SHA-3.
///
/// One message goes through `keccak256`, many through one of the batch functions, which hash up to
/// eight messages at once in SIMD lanes and cost several times less for each. The kernels are C
/// (`CKeccak`).

import CKeccak
public import Primitives

// SAFETY, for this file: `Hash256` is frozen and is four `UInt64`, the digest's bytes read as
// big-endian integers: just the four words that the kernels write. Pointers do not outlive the
// closure that gives them.

/// The Keccak-256 hash of `bytes`.
public func keccak256(_ bytes: Bytes) -> Hash256 {
    bytes.withUnsafeBytes { keccak256(bytes: $0) }
}

/// The Keccak-256 hash of `bytes`.
public func keccak256(_ bytes: ArraySlice<UInt8>) -> Hash256 {
    bytes.withUnsafeBytes { keccak256(bytes: $0) }
}

/// The Keccak-256 hash of `bytes`.
public func keccak256(_ bytes: Span<UInt8>) -> Hash256 {
    bytes.withUnsafeBytes { keccak256(bytes: $0) }
}

/// The Keccak-256 hash of the UTF-8 form of `text`.
public func keccak256(utf8 text: String) -> Hash256 {
    keccak256(Bytes(text.utf8))
}

/// The Keccak-256 hash of the address's 20 bytes: its key in the account trie.
public func keccak256(_ address: Address) -> Hash256 {
    let words = (
        address.w0.bigEndian, address.w1.bigEndian, UInt64(address.w2.bigEndian)
    )
    return withUnsafeBytes(of: words) {
        keccak256(bytes: UnsafeRawBufferPointer(rebasing: $0[..<20]))
    }
}

/// The Keccak-256 hash of the hash's 32 bytes.
public func keccak256(_ hash: Hash256) -> Hash256 {
    let words = (hash.w0.bigEndian, hash.w1.bigEndian, hash.w2.bigEndian, hash.w3.bigEndian)
    return withUnsafeBytes(of: words) { keccak256(bytes: $0) }
}

/// The Keccak-256 hash of the word's 32 big-endian bytes: for a storage slot, its key in the
/// storage trie.
public func keccak256(_ word: UInt256) -> Hash256 {
    let words = (word.l3.bigEndian, word.l2.bigEndian, word.l1.bigEndian, word.l0.bigEndian)
    return withUnsafeBytes(of: words) { keccak256(bytes: $0) }
}

/// The Keccak-256 hash of the bytes in memory.
public func keccak256(bytes: UnsafeRawBufferPointer) -> Hash256 {
    var hash = Hash256.zero
    withUnsafeMutablePointer(to: &hash) {
        $0.withMemoryRebound(to: UInt64.self, capacity: 4) {
            ckeccak256(bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count, $0)
        }
    }
    return hash
}

/// The hashes of the messages, in their order.
public func keccak256(batch messages: [Bytes]) -> [Hash256] {
    var concatenated = Bytes()
    concatenated.reserveCapacity(messages.reduce(0) { $0 + $1.count })
    var ends: [Int] = []
    ends.reserveCapacity(messages.count)
    for message in messages {
        concatenated += message
        ends.append(concatenated.count)
    }
    return keccak256(concatenated: concatenated, ends: ends)
}

/// The hashes of messages that lie one after the other: each ends before the index of
/// `concatenated` in `ends` and begins where the one before it ends. The cheapest form of a batch;
/// it copies nothing.
///
/// - Precondition: `ends` is ascending and within `concatenated`.
public func keccak256(concatenated: Bytes, ends: [Int]) -> [Hash256] {
    var start = 0
    for end in ends {
        precondition(start <= end, "The ends of a batch's messages must ascend.")
        start = end
    }
    precondition(start <= concatenated.count, "A batch's messages must lie within its bytes.")
    return concatenated.withUnsafeBufferPointer { bytes in
        ends.withUnsafeBufferPointer { ends in
            // SAFETY: `Int` and `size_t` have the same layout, and no end is negative.
            ends.withMemoryRebound(to: UInt.self) { ends in
                makeHashes(count: ends.count) {
                    ckeccak256_batch(bytes.baseAddress, ends.baseAddress, ends.count, $0)
                }
            }
        }
    }
}

/// The hashes of the addresses, in their order: their keys in the account trie.
public func keccak256(addresses: [Address]) -> [Hash256] {
    let count = addresses.count * 20
    let bytes = Bytes(unsafeUninitializedCapacity: count) { bytes, initializedCount in
        let bytes = UnsafeMutableRawBufferPointer(bytes)
        for (index, address) in addresses.enumerated() {
            let start = index * 20
            bytes.storeBytes(of: address.w0.bigEndian, toByteOffset: start, as: UInt64.self)
            bytes.storeBytes(of: address.w1.bigEndian, toByteOffset: start + 8, as: UInt64.self)
            bytes.storeBytes(of: address.w2.bigEndian, toByteOffset: start + 16, as: UInt32.self)
        }
        initializedCount = count
    }
    return bytes.withUnsafeBytes { hashes(ofEach: 20, in: $0) }
}

/// The hashes of 32-byte words, in their order: for storage slots, their keys in the storage trie.
public func keccak256(words: [Hash256]) -> [Hash256] {
    let bytes = words.map { ($0.w0.bigEndian, $0.w1.bigEndian, $0.w2.bigEndian, $0.w3.bigEndian) }
    return bytes.withUnsafeBytes { hashes(ofEach: 32, in: $0) }
}

/// The hashes of the slots' 32 big-endian bytes, in their order: their keys in the storage trie.
public func keccak256(slots: [UInt256]) -> [Hash256] {
    let bytes = slots.map { ($0.l3.bigEndian, $0.l2.bigEndian, $0.l1.bigEndian, $0.l0.bigEndian) }
    return bytes.withUnsafeBytes { hashes(ofEach: 32, in: $0) }
}

extension Hash256 {
    /// The hash of no bytes: the code hash of an account without code (Yellow Paper 4.1).
    public static var keccakEmpty: Hash256 {
        Hash256(
            w0: 0xc5d2_4601_86f7_233c, w1: 0x927e_7db2_dcc7_03c0,
            w2: 0xe500_b653_ca82_273b, w3: 0x7bfa_d804_5d85_a470)
    }

    /// The root of a trie without entries: the hash of the RLP of an empty string, 0x80.
    public static var emptyTrieRoot: Hash256 {
        Hash256(
            w0: 0x56e8_1f17_1bcc_55a6, w1: 0xff83_45e6_92c0_f86e,
            w2: 0x5b48_e01b_996c_adc0, w3: 0x0162_2fb5_e363_b421)
    }

    /// The hash of an empty list of ommers: that of the RLP of an empty list, 0xc0.
    public static var emptyOmmers: Hash256 {
        Hash256(
            w0: 0x1dcc_4de8_dec7_5d7a, w1: 0xab85_b567_b6cc_d41a,
            w2: 0xd312_451b_948a_7413, w3: 0xf0a1_42fd_40d4_9347)
    }
}

/// The hashes of messages of one length that fill `bytes`.
private func hashes(ofEach length: Int, in bytes: UnsafeRawBufferPointer) -> [Hash256] {
    let count = bytes.count / length
    return makeHashes(count: count) {
        ckeccak256_batch_fixed(
            bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), length, count, $0)
    }
}

/// An array of `count` hashes whose words `write` writes, all of them.
private func makeHashes(count: Int, write: (UnsafeMutablePointer<UInt64>) -> Void) -> [Hash256] {
    guard count > 0 else { return [] }
    return [Hash256](unsafeUninitializedCapacity: count) { hashes, initializedCount in
        hashes.withMemoryRebound(to: UInt64.self) { words in
            if let start = words.baseAddress { write(start) }
        }
        initializedCount = count
    }
}

/// The Keccak-512 hash of the bytes as eight words, each of eight bytes in little-endian order. Only
/// Ethash makes use of it.
public func keccak512(_ bytes: Bytes) -> InlineArray<8, UInt64> {
    bytes.withUnsafeBytes { keccak512(bytes: $0) }
}

/// The Keccak-512 hash of eight words in the same order of bytes.
public func keccak512(_ words: InlineArray<8, UInt64>) -> InlineArray<8, UInt64> {
    var input = words
    for index in 0..<8 { input[index] = words[index].littleEndian }
    return withUnsafeBytes(of: input) { keccak512(bytes: $0) }
}

private func keccak512(bytes: UnsafeRawBufferPointer) -> InlineArray<8, UInt64> {
    var digest = InlineArray<8, UInt64>(repeating: 0)
    // SAFETY: an InlineArray of eight words is eight words in memory.
    withUnsafeMutablePointer(to: &digest) {
        $0.withMemoryRebound(to: UInt64.self, capacity: 8) {
            ckeccak512(bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count, $0)
        }
    }
    return digest
}
