import EthereumTypes
import Primitives
import TestSupport
import Testing

import Execution

@Suite struct ValidateTransactionTests {
    @Test func `types are refused before their fork`() {
        for (type, fork) in [
            (TransactionType.accessList, Fork.istanbul), (.dynamicFee, .berlin),
            (.blob, .shanghai), (.setCode, .cancun),
        ] {
            let scenario = Scenario(fork)
            var transaction = scenario.transaction()
            transaction.type = type
            #expect(scenario.refusal(of: transaction) == .typeNotSupported(type, fork: fork))
        }
    }

    @Test func `the chain id must be the chain's`() {
        let scenario = Scenario(.osaka)
        var transaction = scenario.transaction()
        transaction.chainId = 2
        #expect(scenario.refusal(of: transaction) == .wrongChainId(transaction: 2, chain: 1))
    }

    @Test func `the nonce must be the account's`() {
        var scenario = Scenario(.osaka)
        scenario.accounts[Scenario.sender]?.nonce = 5
        var transaction = scenario.transaction()
        transaction.nonce = 4
        #expect(scenario.refusal(of: transaction) == .nonceTooLow(account: 5, transaction: 4))
        transaction.nonce = 6
        #expect(scenario.refusal(of: transaction) == .nonceTooHigh(account: 5, transaction: 6))
        transaction.nonce = 5
        #expect(scenario.refusal(of: transaction) == nil)

        scenario.accounts[Scenario.sender]?.nonce = .max
        transaction.nonce = .max
        #expect(scenario.refusal(of: transaction) == .nonceOverflow)
    }

    @Test func `a sender with code may only have a delegation`() {
        var scenario = Scenario(.prague)
        scenario.accounts[Scenario.sender]?.code = [0xef, 0x01, 0x00] + Scenario.contract.bytes
        #expect(scenario.refusal(of: scenario.transaction()) == nil)
        scenario.fork = .cancun
        #expect(scenario.refusal(of: scenario.transaction()) == .senderNotEOA(codeSize: 23))
        scenario.fork = .prague
        scenario.accounts[Scenario.sender]?.code = [0x00]
        #expect(scenario.refusal(of: scenario.transaction()) == .senderNotEOA(codeSize: 1))
    }

    @Test func `fees are checked against each other and the base fee`() {
        let scenario = Scenario(.london)
        var transaction = scenario.transaction()
        transaction.maxPriorityFeePerGas = 11
        #expect(
            scenario.refusal(of: transaction)
                == .priorityFeeAboveFeeCap(priorityFee: 11, feeCap: 10))
        transaction.maxPriorityFeePerGas = 3
        transaction.maxFeePerGas = 6
        #expect(scenario.refusal(of: transaction) == .feeCapBelowBaseFee(feeCap: 6, baseFee: 7))
        transaction.maxFeePerGas = 7
        #expect(scenario.refusal(of: transaction) == nil)
    }

    @Test func `the balance must cover gas at the fee cap and the value`() {
        var scenario = Scenario(.london)
        let transaction = scenario.transaction(gasLimit: 21_000, value: 1)
        scenario.accounts[Scenario.sender]?.balance = 210_001
        #expect(scenario.refusal(of: transaction) == nil)
        scenario.accounts[Scenario.sender]?.balance = 210_000
        #expect(
            scenario.refusal(of: transaction) == .insufficientFunds(have: 210_000, want: 210_001))
        var absurd = transaction
        absurd.maxFeePerGas = .max
        #expect(scenario.refusal(of: absurd) == .costOverflow)
    }

    @Test func `gas limits have bounds`() {
        var scenario = Scenario(.osaka)
        #expect(
            scenario.refusal(of: scenario.transaction(gasLimit: 20_999))
                == .intrinsicGasTooLow(have: 20_999, want: 21_000))
        #expect(
            scenario.refusal(of: scenario.transaction(gasLimit: 21_016, data: [1]))
                == .floorDataGas(have: 21_016, want: 21_040))
        #expect(scenario.refusal(of: scenario.transaction(gasLimit: 1 << 24)) == nil)
        #expect(
            scenario.refusal(of: scenario.transaction(gasLimit: 1 << 24 + 1))
                == .gasAboveCap(have: 1 << 24 + 1, cap: 1 << 24))
        scenario.gasLimit = 50_000
        #expect(
            scenario.refusal(of: scenario.transaction(gasLimit: 50_001))
                == .gasLimitExceedsBlock(have: 50_001, available: 50_000))
    }

    @Test func `a chain may have another cap on the gas of a transaction, or none`() {
        var scenario = Scenario(.osaka)
        scenario.transactionGasCap = 50_000
        #expect(scenario.refusal(of: scenario.transaction(gasLimit: 50_000)) == nil)
        #expect(
            scenario.refusal(of: scenario.transaction(gasLimit: 50_001))
                == .gasAboveCap(have: 50_001, cap: 50_000))
        scenario.transactionGasCap = .max
        #expect(scenario.refusal(of: scenario.transaction(gasLimit: 1 << 24 + 1)) == nil)
        var prague = Scenario(.prague)
        prague.transactionGasCap = 50_000
        #expect(prague.refusal(of: prague.transaction(gasLimit: 50_001)) == nil)
    }

    @Test func `creation code has a limit from Shanghai on`() {
        let code = Bytes(repeating: 0, count: 49_153)
        let shanghai = Scenario(.shanghai)
        #expect(
            shanghai.refusal(of: shanghai.transaction(to: nil, gasLimit: 1_000_000, data: code))
                == .initCodeTooLarge(size: 49_153, max: 49_152))
        let paris = Scenario(.paris)
        let create = paris.transaction(to: nil, gasLimit: 1_000_000, data: code)
        #expect(paris.refusal(of: create) == nil)
    }

    @Test func `blobs are counted, versioned and paid for`() {
        let scenario = Scenario(.osaka)
        let hash = Hash256(w0: 1 << 56, w1: 0, w2: 0, w3: 0)
        func transaction(_ hashes: [Hash256], feeCap: Wei = .one) -> Transaction {
            var transaction = scenario.transaction()
            transaction.type = .blob
            transaction.blobVersionedHashes = hashes
            transaction.maxFeePerBlobGas = feeCap
            return transaction
        }
        #expect(scenario.refusal(of: transaction([])) == .noBlobs)
        #expect(
            scenario.refusal(of: transaction([hash, .zero])) == .invalidBlobHashVersion(index: 1))
        #expect(
            scenario.refusal(of: transaction(Array(repeating: hash, count: 7)))
                == .tooManyBlobs(have: 7, max: 6))
        #expect(
            scenario.refusal(of: transaction([hash], feeCap: .zero))
                == .blobFeeCapBelowBlobBaseFee(feeCap: .zero, blobBaseFee: .one))
        #expect(scenario.refusal(of: transaction([hash])) == nil)
    }

    @Test func `authorizations are required and creations refused`() {
        let scenario = Scenario(.prague)
        var transaction = scenario.transaction()
        transaction.type = .setCode
        #expect(scenario.refusal(of: transaction) == .emptyAuthorizationList)
        transaction.to = nil
        #expect(scenario.refusal(of: transaction) == .creationNotAllowed(.setCode))
    }

    @Test(
        .enabled(if: Fixtures.areAvailable, Fixtures.hint),
        arguments: ["transaction-tests", "eest-transaction-tests"])
    func `the official transactions are accepted or refused by fork`(archive: String) throws {
        for file in try Fixtures.files(archive) {
            for (name, test) in try Fixtures.cases(file) {
                let bytes = Hex.decode(test["txbytes"]?.stringValue ?? "") ?? []
                for (forkName, expected) in test["result"]?.objectValue ?? [:] {
                    let fork = try #require(Fork(name: forkName))
                    let where_ = "\(name) [\(forkName)]"
                    let found = accept(bytes, at: fork)
                    if expected["exception"] != nil {
                        #expect(found == nil, "\(where_) accepted")
                    } else {
                        #expect(
                            found?.hash.description == expected["hash"]?.stringValue, "\(where_)")
                        #expect(
                            found?.sender.description == expected["sender"]?.stringValue,
                            "\(where_)")
                        let gas = (expected["intrinsicGas"]?.stringValue).flatMap { fixtureGas($0) }
                        #expect(found?.gas == gas, "\(where_)")
                    }
                }
            }
        }
    }

    private func fixtureGas(_ text: String) -> Gas? { Gas(text.dropFirst(2), radix: 16) }

    private func accept(
        _ bytes: Bytes, at fork: Fork
    ) -> (hash: Hash256, sender: Address, gas: Gas)? {
        guard let transaction = try? Transaction(encoded: bytes),
            let sender = transaction.recoverSender(at: fork),
            let cost = try? validateTransaction(
                transaction, at: fork, config: .single(fork, chainId: 1))
        else { return nil }
        return (transaction.hash(), sender, cost.intrinsic)
    }
}
