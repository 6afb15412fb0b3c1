import CKeccak
import Cryptography
import Primitives
import Testing

@Suite struct Keccak256Tests {
    @Test(arguments: [
        ("", "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        ("abc", "0x4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
        (
            "Transfer(address,address,uint256)",
            "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
        ),
        (
            "The quick brown fox jumps over the lazy dog",
            "0x4d741b6f1eb29cb2a9b9911c82f56fa8d73b04959d3d9d222895df6c0b28aa15"
        ),
    ])
    func `a known message has its known hash`(text: String, hash: String) {
        #expect(keccak256(utf8: text).description == hash)
    }

    @Test func `the named hashes are those of their messages`() {
        #expect(Hash256.keccakEmpty == keccak256(Bytes()))
        #expect(Hash256.emptyTrieRoot == keccak256([0x80] as Bytes))
        #expect(Hash256.emptyOmmers == keccak256([0xc0] as Bytes))
    }

    @Test(arguments: Kernel.supported)
    func `every kernel hashes messages of every length as the definition does`(kernel: Kernel) {
        for length in 0...300 {
            let message = Self.message(length)
            #expect(kernel.hash(message) == ReferenceKeccak.hash(message), "\(length) bytes")
        }
    }

    @Test(arguments: Kernel.supported)
    func `a batch of messages of every length has the hashes of the messages`(kernel: Kernel) {
        let messages = (0...300).map(Self.message)
        #expect(kernel.hashes(messages) == messages.map(ReferenceKeccak.hash))
        // The other way round long messages start together and short ones fill in behind them.
        let reversed = Array(messages.reversed())
        #expect(kernel.hashes(reversed) == reversed.map(ReferenceKeccak.hash))
    }

    @Test(arguments: Kernel.supported)
    func `a batch of any size has the hashes of the messages`(kernel: Kernel) {
        for count in 0...20 {
            let messages = (0..<count).map { Self.message($0 * 61 % 290) }
            #expect(kernel.hashes(messages) == messages.map(ReferenceKeccak.hash), "\(count)")
        }
    }

    @Test func `the last supported kernel is chosen`() {
        #expect(ckeccak_best_kernel() == Kernel.supported.last?.kernel)
    }

    @Test func `all forms of a message have one hash`() throws {
        let bytes = Self.message(200)
        let hash = ReferenceKeccak.hash(bytes)
        #expect(keccak256(bytes) == hash)
        #expect(keccak256(([1, 2, 3] + bytes)[3...]) == hash)
        #expect(keccak256(bytes.span) == hash)
        #expect(bytes.withUnsafeBytes { keccak256(bytes: $0) } == hash)
    }

    @Test func `words and addresses are hashed as their bytes`() throws {
        let word = try #require(
            Hash256(hex: "0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"))
        let address = try #require(Address(hex: "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"))
        #expect(keccak256(word) == keccak256(word.bytes))
        #expect(keccak256(word.uint256) == keccak256(word.bytes))
        #expect(keccak256(address) == keccak256(address.bytes))
        #expect(keccak256(UInt256.zero) == keccak256(Bytes(repeating: 0, count: 32)))
    }

    @Test func `batches of words and addresses have the hashes of their members`() {
        let words = (0..<77).map { keccak256(UInt256(UInt64($0))) }
        let slots = words.map(\.uint256)
        let addresses = words.map { Address(lowBytesOf: $0) }
        #expect(keccak256(words: words) == words.map { keccak256($0.bytes) })
        #expect(keccak256(slots: slots) == words.map { keccak256($0.bytes) })
        #expect(keccak256(addresses: addresses) == addresses.map { keccak256($0.bytes) })
        #expect(keccak256(words: []).isEmpty)
        #expect(keccak256(addresses: []).isEmpty)
    }

    @Test func `a batch takes arrays or one array and ends`() {
        let messages = (0..<50).map { Self.message($0 * 7) }
        let hashes = messages.map { keccak256($0) }
        var ends: [Int] = []
        for message in messages { ends.append((ends.last ?? 0) + message.count) }
        #expect(keccak256(batch: messages) == hashes)
        #expect(keccak256(concatenated: messages.flatMap(\.self), ends: ends) == hashes)
        #expect(keccak256(batch: []).isEmpty)
        #expect(keccak256(batch: [[]]) == [.keccakEmpty])
        #expect(keccak256(batch: [[], []]) == [.keccakEmpty, .keccakEmpty])
    }

    static func message(_ length: Int) -> Bytes {
        (0..<length).map { UInt8(truncatingIfNeeded: $0 * 131 + length * 17 + $0 / 8) }
    }
}

/// A kernel of CKeccak that this processor can run.
struct Kernel: Sendable, CustomTestStringConvertible {
    let kernel: ckeccak_kernel
    let testDescription: String

    static let supported: [Kernel] = [
        Kernel(kernel: CKECCAK_PORTABLE, testDescription: "portable"),
        Kernel(kernel: CKECCAK_AVX2, testDescription: "AVX2"),
        Kernel(kernel: CKECCAK_AVX512, testDescription: "AVX-512"),
    ].filter { ckeccak_is_supported($0.kernel) }

    func hash(_ message: Bytes) -> Hash256 {
        var words = [UInt64](repeating: 0, count: 4)
        ckeccak256_with(kernel, message, message.count, &words)
        return Hash256(w0: words[0], w1: words[1], w2: words[2], w3: words[3])
    }

    func hashes(_ messages: [Bytes]) -> [Hash256] {
        let ends = messages.indices.map { messages[...$0].reduce(0) { $0 + $1.count } }
        var words = [UInt64](repeating: 0, count: 4 * messages.count)
        ckeccak256_batch_with(kernel, messages.flatMap(\.self), ends, messages.count, &words)
        return messages.indices.map { index in
            let word = words[(4 * index)...]
            return Hash256(
                w0: word[4 * index], w1: word[4 * index + 1], w2: word[4 * index + 2],
                w3: word[4 * index + 3])
        }
    }
}

/// Keccak-256 written as the definition reads (FIPS 202, sections 3 and 4), but for the padding: an
/// independent and slow answer to compare with.
enum ReferenceKeccak {
    static func hash(_ message: Bytes) -> Hash256 {
        let rate = 136
        var padded = message + [0x01]
        while padded.count % rate != 0 { padded.append(0) }
        padded[padded.count - 1] ^= 0x80
        var lanes = [[UInt64]](repeating: [UInt64](repeating: 0, count: 5), count: 5)
        for block in stride(from: 0, to: padded.count, by: rate) {
            for index in 0..<rate {
                let lane = index / 8
                lanes[lane % 5][lane / 5] ^= UInt64(padded[block + index]) << (8 * (index % 8))
            }
            permute(&lanes)
        }
        let digest = (0..<32).map { index in
            UInt8(truncatingIfNeeded: lanes[index / 8][0] >> (8 * (index % 8)))
        }
        return Hash256(digest) ?? .zero
    }

    /// The lane in column x and row y is `a[x][y]`.
    private static func permute(_ a: inout [[UInt64]]) {
        var shiftRegister: UInt8 = 1
        for _ in 0..<24 {
            let parity = a.map { $0.reduce(0, ^) }
            for x in 0..<5 {
                for y in 0..<5 {
                    a[x][y] ^= parity[(x + 4) % 5] ^ rotate(parity[(x + 1) % 5], 1)
                }
            }
            var (x, y) = (1, 0)
            var current = a[1][0]
            for step in 0..<24 {
                (x, y) = (y, (2 * x + 3 * y) % 5)
                (a[x][y], current) = (rotate(current, (step + 1) * (step + 2) / 2 % 64), a[x][y])
            }
            let rows = a
            for x in 0..<5 {
                for y in 0..<5 {
                    a[x][y] = rows[x][y] ^ (~rows[(x + 1) % 5][y] & rows[(x + 2) % 5][y])
                }
            }
            for bit in 0...6 {
                if shiftRegister & 1 == 1 { a[0][0] ^= 1 << UInt64((1 << bit) - 1) }
                shiftRegister = shiftRegister << 1 ^ (shiftRegister & 0x80 != 0 ? 0x71 : 0)
            }
        }
    }

    private static func rotate(_ word: UInt64, _ count: Int) -> UInt64 {
        count == 0 ? word : word << UInt64(count) | word >> UInt64(64 - count)
    }
}
