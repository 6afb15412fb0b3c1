import EthereumTypes
import Foundation
import Primitives
import TestSupport
import Testing

/// The official transaction tests as far as bytes and signatures decide. What needs gas or size
/// rules is Execution's, and is tested there.
@Suite(.enabled(if: Fixtures.areAvailable, Fixtures.hint))
struct TransactionFixtureTests {
    /// Reasons that the decoder and the signature cannot know.
    private static let laterChecks: Set<String> = [
        "TransactionException.INTRINSIC_GAS_TOO_LOW",
        "TransactionException.NONCE_TOO_BIG",
        "TransactionException.GASLIMIT_PRICE_PRODUCT_OVERFLOW",
        "TransactionException.INITCODE_SIZE_EXCEEDED",
        "TransactionException.TYPE_4_EMPTY_AUTHORIZATION_LIST",
    ]

    @Test(arguments: ["transaction-tests", "eest-transaction-tests"])
    func `transactions are read or refused as the fixtures say`(archive: String) throws {
        var count = 0
        for file in try Fixtures.files(archive) {
            for (name, test) in try Fixtures.cases(file) {
                guard let results = test["result"]?.objectValue else { continue }
                let bytes = Hex.decode(test["txbytes"]?.stringValue ?? "") ?? []
                for (forkName, result) in results {
                    let fork = try #require(Fork(name: forkName))
                    check(bytes, at: fork, result, "\(name) at \(forkName)")
                    count += 1
                }
            }
        }
        #expect(count > 50)
    }

    private func check(_ bytes: Bytes, at fork: Fork, _ expected: JSONValue, _ name: String) {
        let transaction = try? Transaction(encoded: bytes)
        let sender = transaction.flatMap { transaction -> Address? in
            guard transaction.type.firstFork <= fork else { return nil }
            guard transaction.chainId == nil || transaction.chainId == 1 else { return nil }
            return transaction.recoverSender(at: fork)
        }
        if let reason = expected["exception"]?.stringValue {
            if Self.laterChecks.contains(reason) {
                #expect(sender != nil, "\(name): refused, but not for \(reason)")
            } else {
                #expect(sender == nil, "\(name): \(reason)")
            }
        } else {
            #expect(transaction?.hash().description == expected["hash"]?.stringValue, "\(name)")
            #expect(sender?.description == expected["sender"]?.stringValue, "\(name)")
            #expect(transaction?.encoded() == bytes, "\(name)")
        }
    }

    @Test func `the basic transactions are built and signed as they are written`() throws {
        let file = try Fixtures.file("basic-tests", "BasicTests/txtest.json")
        for test in try #require(try Fixtures.json(file).arrayValue) {
            func number(_ key: String) throws -> UInt256 {
                try #require(test[key]?.numberText.flatMap { UInt256(decimal: $0) })
            }
            let to = try #require(Hex.decode(test["to"]?.stringValue ?? ""))
            let transaction = Transaction.legacy(
                chainId: nil, nonce: try number("nonce").clampedToUInt64,
                gasPrice: try number("gasprice"), gasLimit: try number("startgas").clampedToUInt64,
                to: Address(to), value: try number("value"),
                data: Hex.decode(test["data"]?.stringValue ?? "") ?? [])
            let signed = try Transaction(
                encoded: Samples.bytes(test["signed"]?.stringValue ?? ""))
            let key = Samples.key(test["key"]?.stringValue ?? "")
            #expect(signed.recoverSender() == key.address)
            #expect(signed.signingHash() == transaction.signingHash())
        }
    }
}
