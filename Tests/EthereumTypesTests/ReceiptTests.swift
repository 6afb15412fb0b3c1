import Cryptography
import EthereumTypes
import Primitives
import Testing

@Suite struct ReceiptTests {
    static let logs = [
        Log(address: Samples.address, topics: [Hash256(UInt256(1)), .zero], data: [1, 2]),
        Log(address: .zero, topics: [], data: []),
    ]

    @Test(arguments: TransactionType.allCases)
    func `a receipt of every type survives encoding`(type: TransactionType) throws {
        for outcome in [ReceiptOutcome.status(true), .status(false), .postState(.emptyTrieRoot)] {
            let receipt = Receipt(
                type: type, outcome: outcome, cumulativeGasUsed: 21_000, logs: Self.logs)
            #expect(try Receipt(encoded: receipt.encoded()) == receipt)
        }
    }

    @Test func `a receipt whose bloom is not that of its logs is refused`() {
        let receipt = Receipt(
            type: .legacy, outcome: .status(true), cumulativeGasUsed: 1, logs: Self.logs)
        #expect(throws: ReceiptDecodingError.bloomMismatch) {
            try Receipt(encoded: receipt.encoded(bloom: .empty))
        }
    }

    @Test func `what is no receipt is refused with the reason`() {
        #expect(throws: ReceiptDecodingError.empty) { try Receipt(encoded: []) }
        #expect(throws: ReceiptDecodingError.unknownType(9)) { try Receipt(encoded: [9, 0xc0]) }
        #expect(throws: ReceiptDecodingError.malformed(.endOfInput)) {
            try Receipt(encoded: [0xc0])
        }
    }
}

@Suite struct BloomTests {
    @Test func `the bloom of a known log has its known bits`() throws {
        // The example of geth's core/types/bloom9_test.go: positions by keccak256.
        var bloom = Bloom()
        let address = try #require(Address(hex: "0x22341ae42d6dd7384bc8584e50419ea3ac75b83f"))
        bloom.add(address)
        let hash = keccak256(address).bytes
        for pair in 0..<3 {
            let bit = (Int(hash[2 * pair]) << 8 | Int(hash[2 * pair + 1])) & 2047
            #expect(bloom.bytes[255 - bit / 8] & UInt8(1 << (bit % 8)) != 0)
        }
        #expect(bloom.bytes.reduce(0) { $0 + $1.nonzeroBitCount } <= 3)
        #expect(bloom.contains(address))
        #expect(!bloom.contains(Samples.address))
    }

    @Test func `a union holds what both hold`() {
        let first = Bloom([Log(address: Samples.address, topics: [], data: [])])
        let second = Bloom([Log(address: .zero, topics: [Hash256(UInt256(3))], data: [])])
        let both = first.union(second)
        #expect(both.contains(Samples.address))
        #expect(both.contains(Hash256(UInt256(3))))
        #expect(Bloom([]).isEmpty)
        #expect(Bloom(Bytes(repeating: 0, count: 255)) == nil)
    }
}

@Suite struct RequestsTests {
    @Test func `the hash of no requests is that of EIP-7685`() {
        #expect(
            requestsHash(of: []).description
                == "0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    }

    @Test func `requests without data do not count`() {
        #expect(requestsHash(of: [[0], [1], [2]]) == requestsHash(of: []))
        #expect(requestsHash(of: [[0, 1], [1]]) == requestsHash(of: [[0, 1]]))
        #expect(requestsHash(of: [[0, 1]]) != requestsHash(of: []))
    }
}

@Suite struct AccountTests {
    @Test func `an account survives encoding`() throws {
        let account = Account(nonce: 3, balance: .max)
        #expect(try Account(encoded: account.encoded()) == account)
        #expect(throws: RLPError.self) { try Account(encoded: account.encoded() + [0]) }
    }

    @Test func `storage does not count for emptiness`() {
        #expect(Account(storageRoot: .zero).isEmpty)
        #expect(!Account(nonce: 1).isEmpty)
        #expect(!Account(balance: 1).isEmpty)
        #expect(!Account(codeHash: .zero).isEmpty)
    }
}
