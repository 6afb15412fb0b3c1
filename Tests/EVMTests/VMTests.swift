import Cryptography
import EVM
import EthereumTypes
import Foundation
import Primitives
import State
import TestSupport
import Testing

/// The oldest official tests: one code, run alone, by the gas rules of Frontier.
@Suite(.enabled(if: Fixtures.areAvailable, Fixtures.hint))
struct VMTests {
    static let files = (try? Fixtures.files("vm-tests")) ?? []

    @Test(arguments: files)
    func `a code run ends as the official test says`(_ file: URL) throws {
        for (name, test) in try Fixtures.cases(file) {
            for decoding in [Decoding.never, .whenHot, .always] {
                try run("\(name) (decoding \(decoding))", test, decoding)
            }
        }
    }

    private func run(_ name: String, _ test: JSONValue, _ decoding: Decoding) throws {
        func word(_ section: String, _ key: String) throws -> UInt256 {
            try #require(test[section]?[key]?.stringValue.flatMap(UInt256.init(hex:)))
        }
        let pre = try #require(FixedState(fixture: test["pre"]))
        let address = Address(lowBytesOf: try word("exec", "address"))
        let value = try word("exec", "value")
        let state = JournaledState(reader: pre)
        state.beginTransaction()
        state.setCode(address, try bytes(test["exec"]?["code"]))
        // The value has been transferred before; the message transfers it again.
        let caller = Address(lowBytesOf: try word("exec", "caller"))
        if caller != address {
            state.setBalance(address, state.balance(address) &- value)
            state.setBalance(caller, state.balance(caller) &+ value)
        }
        let block = BlockEnvironment(
            coinbase: Address(lowBytesOf: try word("env", "currentCoinbase")),
            number: try word("env", "currentNumber").l0,
            timestamp: try word("env", "currentTimestamp").l0,
            gasLimit: try word("env", "currentGasLimit").l0, baseFeePerGas: .zero,
            difficulty: try word("env", "currentDifficulty"), prevRandao: .zero,
            blobBaseFee: .zero, chainId: .one)
        let machine = EVM(fork: .frontier, block: block, state: state)
        machine.decoding = decoding
        let result = machine.processMessageCall(
            .call(
                from: caller, to: address, value: value, data: try bytes(test["exec"]?["data"]),
                gas: try word("exec", "gas").l0),
            in: TransactionEnvironment(
                origin: Address(lowBytesOf: try word("exec", "origin")),
                gasPrice: try word("exec", "gasPrice")))

        guard let post = test["post"] else {
            #expect(result.halt != nil, "\(name)")
            return
        }
        #expect(result.halt == nil, "\(name)")
        let gas = try #require(test["gas"]?.stringValue.flatMap(UInt256.init(hex:)))
        #expect(UInt256(result.gasLeft) == gas, "\(name)")
        #expect(result.output == (try bytes(test["out"])), "\(name)")
        var logs = RLPEncoder()
        logs.append(state.logs)
        #expect(keccak256(logs.bytes).description == test["logs"]?.stringValue, "\(name)")
        let expected = try #require(FixedState(fixture: post))
        for (address, entry) in expected.accounts {
            #expect(state.balance(address) == entry.balance, "\(name): \(address)")
            #expect(state.nonce(address) == entry.nonce, "\(name): \(address)")
            #expect(state.code(address) == entry.code, "\(name): \(address)")
            for (slot, value) in entry.storage {
                #expect(state.storage(address, slot) == value, "\(name): \(address) \(slot)")
            }
        }
    }

    private func bytes(_ value: JSONValue?) throws -> Bytes {
        try #require(value?.stringValue.flatMap { Hex.decode($0) })
    }
}
