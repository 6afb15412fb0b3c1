//  The format of state tests: one transaction on a given state.

import EVM
public import EthereumTypes
import Execution
public import Primitives

/// One entry of `post.<fork>` with what it needs.
public struct StateTestCase: Sendable {
    /// The key of the test in its file.
    public let name: String
    /// The fork of the case.
    public let fork: Fork
    /// The position in `post.<fork>`.
    public let index: Int
    private(set) var context: ExecutionContext
    let state: InMemoryState
    let transaction: StateTestTransaction
    let expectation: StateTestExpectation
}

/// The transaction of a case.
enum StateTestTransaction: Sendable {
    /// As it was signed; `sender` is who must be recovered.
    case encoded(Bytes, sender: Address?)
    /// Older files have only the fields.
    case fields(Transaction, sender: Address)
}

/// What the fixture says about the outcome.
struct StateTestExpectation: Sendable {
    let stateRoot: Hash256
    let logsHash: Hash256
    /// The names of the exceptions, if the transaction must be refused.
    let exception: String?
    let receipt: Bytes?
    let state: [Address: GenesisAccount]?
}

extension StateTestCase {
    /// When code is decoded: each way must give the same results.
    package var decoding: Decoding {
        get { context.decoding }
        set { context.decoding = newValue }
    }

    /// The cases of a file.
    public static func cases(in file: JSONValue) throws(FixtureError) -> [StateTestCase] {
        guard let tests = file.objectValue else { throw FixtureError("not an object") }
        var cases: [StateTestCase] = []
        for (name, test) in tests where !name.hasPrefix("_") {
            let pre = InMemoryState(accounts: try test.member("pre").accounts())
            for (forkName, entries) in try test.object("post") {
                guard let fork = Fork(name: forkName) else {
                    throw FixtureError("\(name): unknown fork \(forkName)")
                }
                let context = try context(of: test, at: fork)
                for (index, entry) in (entries.arrayValue ?? []).enumerated() {
                    cases.append(
                        StateTestCase(
                            name: name, fork: fork, index: index, context: context, state: pre,
                            transaction: try transaction(of: test, entry: entry),
                            expectation: try StateTestExpectation(entry)))
                }
            }
        }
        return cases
    }

    /// The block that `env` describes. Fields of later forks are ignored.
    private static func context(
        of test: JSONValue, at fork: Fork
    ) throws(FixtureError) -> ExecutionContext {
        let env = try test.member("env")
        let config = try ChainConfig(fixture: test["config"], fork: fork)
        var header = Header(
            parentHash: .zero, coinbase: try env.address("currentCoinbase"), stateRoot: .zero,
            difficulty: try env.optionalWord("currentDifficulty") ?? .zero,
            number: try env.uint64("currentNumber"),
            gasLimit: try env.word("currentGasLimit").clampedToUInt64,
            timestamp: try env.uint64("currentTimestamp"))
        if fork >= .london {
            header.baseFeePerGas = try env.optionalWord("currentBaseFee") ?? 10
        }
        if fork >= .paris {
            header.prevRandao = Hash256(try env.optionalWord("currentRandom") ?? .zero)
        }
        if fork >= .cancun {
            header.excessBlobGas =
                (try env.optionalWord("currentExcessBlobGas") ?? .zero).clampedToUInt64
        }
        return ExecutionContext(header: header, config: config, fork: fork)
    }

    private static func transaction(
        of test: JSONValue, entry: JSONValue
    ) throws(FixtureError) -> StateTestTransaction {
        let fields = try test.member("transaction")
        let sender = fields["sender"]?.stringValue.flatMap { Address(hex: $0) }
        if entry["txbytes"] != nil {
            return .encoded(try entry.bytes("txbytes"), sender: sender)
        }
        guard let sender else { throw FixtureError("the transaction has no sender") }
        return .fields(try legacyTransaction(fields, entry: entry), sender: sender)
    }

    /// Files without `txbytes` are older than typed transactions.
    private static func legacyTransaction(
        _ fields: JSONValue, entry: JSONValue
    ) throws(FixtureError) -> Transaction {
        let indexes = try entry.member("indexes")
        func pick(_ list: String, _ index: String) throws(FixtureError) -> JSONValue {
            let items = try fields.array(list)
            guard let place = try indexes.member(index).intValue, items.indices.contains(place)
            else { throw FixtureError("\(list) has no such index") }
            return .object(["value": items[place]])
        }
        let to = try fields.string("to")
        return .legacy(
            chainId: nil,
            nonce: try fields.uint64("nonce"),
            gasPrice: try fields.word("gasPrice"),
            gasLimit: try pick("gasLimit", "gas").uint64("value"),
            to: to.isEmpty ? nil : try fields.address("to"),
            value: try pick("value", "value").word("value"),
            data: try pick("data", "data").bytes("value"))
    }
}

extension StateTestExpectation {
    fileprivate init(_ entry: JSONValue) throws(FixtureError) {
        stateRoot = try entry.hash("hash")
        logsHash = try entry.hash("logs")
        exception = entry["expectException"]?.stringValue
        receipt = try entry["receipt"].map { (value) throws(FixtureError) in
            try value.bytes("rlp")
        }
        state = try entry["state"].map { (value) throws(FixtureError) in try value.accounts() }
    }
}
