import Cryptography
import EthereumTypes
import Execution
import Primitives
import SpecRunner
import TestSupport
import Testing

@Suite struct TransitionTests {
    private static let coinbase = "0x00000000000000000000000000000000000000c0"
    private static let sender = FixedKeys.alice.address.description
    private static let receiver = "0x00000000000000000000000000000000000000ee"
    private static let deposits = "0x00000000219ab540356cbb839cbe05303d7705fa"
    private static let withdrawals = "0x00000961ef480eb55e80d19ad83579a64c007002"
    private static let consolidations = "0x0000bbddc7ce488642fb579f8b00f3a590007251"

    @Test func `a transfer with a key is signed and applied`() throws {
        let result = try run(transactions: [transfer()])
        let json = try JSONValue(parsing: result.json)
        #expect(json["gasUsed"]?.stringValue == "0x5208")
        #expect(json["receipts"]?[0]?["status"]?.stringValue == "0x1")
        #expect(json["receipts"]?[0]?["type"] == nil)
        #expect(json["rejected"] == nil)
        #expect(json["stateRoot"]?.stringValue == result.state.stateRoot().description)
        #expect(json["currentDifficulty"] == .null)
        #expect(json["requests"] == .null)
        #expect(result.allocJSON[Self.receiver]?["balance"]?.stringValue == "0x5")
        #expect(result.allocJSON[Self.sender]?["nonce"]?.stringValue == "0x1")
    }

    @Test func `the body reads as the same transactions`() throws {
        let result = try run(transactions: [transfer(), transfer(nonce: 1, type: 2)])
        let again = try run(fork: "Shanghai", list: TransitionTransaction.list(rlp: result.body))
        #expect(again.body == result.body)
        #expect(again.state.stateRoot() == result.state.stateRoot())
    }

    @Test func `what cannot be applied is rejected with geth's words`() throws {
        let result = try run(transactions: [transfer(), transfer(), transfer(nonce: 7)])
        let rejected = try #require(JSONValue(parsing: result.json)["rejected"]?.arrayValue)
        let address = FixedKeys.alice.address.checksummed
        #expect(rejected.map { $0["index"]?.intValue } == [1, 2])
        #expect(
            rejected.map { $0["error"]?.stringValue } == [
                "nonce too low: address \(address), tx: 0 state: 1",
                "nonce too high: address \(address), tx: 7 state: 1",
            ])
    }

    @Test(
        arguments: [(3, "(types.BlobTx).To"), (4, "(types.SetCodeTx).To")] as [(UInt64, String)])
    func `what cannot create a contract and has no recipient is rejected`(
        type: UInt64, field: String
    ) throws {
        let result = try run(
            fork: "Prague", environment: blockOfChain(),
            transactions: [transfer(type: type, to: "")])
        let rejected = try #require(JSONValue(parsing: result.json)["rejected"]?.arrayValue)
        #expect(
            rejected.map { $0["error"]?.stringValue } == [
                "rlp: input string too short for common.Address, decoding into \(field)"
            ])
    }

    @Test func `undecodable RLP does not stop the others`() throws {
        let good = try run(transactions: [transfer()]).body
        var list = RLPEncoder()
        list.list { list in
            list.append([0x7f, 0x01] as Bytes)
            list.appendRaw(Bytes(good.suffix(from: 2)))
        }
        let result = try run(fork: "Shanghai", list: TransitionTransaction.list(rlp: list.bytes))
        let json = try JSONValue(parsing: result.json)
        #expect(json["receipts"]?.arrayValue?.count == 1)
        #expect(json["rejected"]?[0]?["error"]?.stringValue == "transaction type not supported")
    }

    @Test func `rewards go to the coinbase and the ommers`() throws {
        let environment = environment([
            "currentDifficulty": "0x20000", "currentRandom": .null,
            "ommers": [["delta": .number("1"), "address": .string(Self.receiver)]],
        ])
        let alloc = try run(
            fork: "Byzantium", environment: environment, transactions: [], reward: 0x80
        ).allocJSON
        #expect(alloc[Self.coinbase]?["balance"]?.stringValue == "0x84")
        #expect(alloc[Self.receiver]?["balance"]?.stringValue == "0x70")
    }

    @Test func `without a reward the coinbase is not even touched`() throws {
        let environment = environment([
            "currentDifficulty": "0x20000", "currentRandom": .null,
        ])
        func alloc(_ reward: Wei?) throws -> JSONValue {
            try run(
                fork: "Homestead", environment: environment, transactions: [], reward: reward
            ).allocJSON
        }
        #expect(try alloc(.zero)[Self.coinbase] != nil)
        #expect(try alloc(nil)[Self.coinbase] == nil)
    }

    @Test func `base fee, difficulty and blob gas follow from the parent`() throws {
        var parent: JSONObject = [
            "currentBaseFee": .null, "parentBaseFee": "0x100", "parentGasUsed": "0x0",
            "parentGasLimit": "0x1000", "parentTimestamp": "0x1", "parentDifficulty": "0x20000",
            "parentExcessBlobGas": "0x60000", "parentBlobGasUsed": "0x20000",
            "parentBeaconBlockRoot": .string(Hash256.zero.description),
        ]
        let cancun = try JSONValue(
            parsing: run(fork: "Cancun", environment: environment(parent), transactions: []).json)
        #expect(cancun["currentBaseFee"]?.stringValue == "0xe0")
        #expect(cancun["currentExcessBlobGas"]?.stringValue == "0x20000")

        parent["currentRandom"] = .null
        let london = try JSONValue(
            parsing: run(fork: "London", environment: environment(parent), transactions: []).json)
        #expect(london["currentDifficulty"]?.stringValue == "0x20000")
    }

    @Test func `without the system contracts there are no requests`() throws {
        // State tests are filled on such states.
        let environment = environment([
            "parentBeaconBlockRoot": .string(Hash256.zero.description),
            "currentExcessBlobGas": "0x0",
        ])
        let result = try run(fork: "Prague", environment: environment, transactions: [transfer()])
        let json = try JSONValue(parsing: result.json)
        #expect(json["requests"]?.arrayValue?.isEmpty == true)
        #expect(json["gasUsed"]?.stringValue == "0x5208")
        #expect(json["blockException"] == nil)
    }

    @Test(
        arguments: [
            ([], "System contract address 7002 does not contain code"),
            (["00"], "System contract address 7251 does not contain code"),
            // INVALID; REVERT(0, 0)
            (["fe", "00"], "system call failed to execute: 7002"),
            (["00", "5f5ffd"], "system call failed to execute: 7251"),
        ] as [([String], String)])
    func `a block of a chain whose system contract is missing or fails is refused`(
        codes: [String], text: String
    ) throws {
        var accounts: [String: JSONValue] = [:]
        for (address, code) in zip([Self.withdrawals, Self.consolidations], codes) {
            accounts[address] = ["balance": "0x0", "code": .string("0x" + code)]
        }
        let result = try run(
            fork: "Prague", environment: blockOfChain(), transactions: [transfer()],
            accounts: accounts)
        let json = try JSONValue(parsing: result.json)
        let expected =
            text
            .replacing("7002", with: Self.withdrawals)
            .replacing("7251", with: Self.consolidations)
        #expect(json["blockException"]?.stringValue == expected)
        // The rest is what was done so far.
        #expect(json["gasUsed"]?.stringValue == "0x5208")
        #expect(json["receipts"]?.arrayValue?.count == 1)
        #expect(json["requests"]?.arrayValue?.isEmpty == true)
        #expect(json["requestsHash"]?.stringValue == requestsHash(of: []).description)
        #expect(json["stateRoot"]?.stringValue == result.state.stateRoot().description)
        #expect(result.allocJSON[Self.receiver]?["balance"]?.stringValue == "0x5")
    }

    @Test func `a block whose deposit is laid out wrongly is refused`() throws {
        // LOG1(0, 0, the topic of a deposit)
        let topic = keccak256(Bytes("DepositEvent(bytes,bytes,bytes,bytes,bytes)".utf8))
        let code = "0x7f" + topic.description.dropFirst(2) + "5f5fa1"
        let works: JSONValue = ["balance": "0x0", "code": "0x00"]
        let result = try run(
            fork: "Prague", environment: blockOfChain(),
            transactions: [transfer(to: Self.deposits)],
            accounts: [
                Self.deposits: ["balance": "0x0", "code": .string(code)],
                Self.withdrawals: works, Self.consolidations: works,
            ])
        let json = try JSONValue(parsing: result.json)
        #expect(
            json["blockException"]?.stringValue?.hasPrefix("failed to parse deposit logs: ")
                == true)
        #expect(json["receipts"]?[0]?["logs"]?.arrayValue?.count == 1)
    }

    @Test func `a block of a chain with its system contracts makes their requests`() throws {
        // MSTORE8(0, 7), RETURN(0, 1)
        let code: JSONValue = ["balance": "0x0", "code": "0x60075f5360015ff3"]
        let result = try run(
            fork: "Prague", environment: blockOfChain(), transactions: [transfer()],
            accounts: [Self.withdrawals: code, Self.consolidations: code])
        let json = try JSONValue(parsing: result.json)
        #expect(json["blockException"] == nil)
        #expect(json["requests"]?.arrayValue?.map(\.stringValue) == ["0x0107", "0x0207"])
    }

    @Test func `withdrawals are paid and committed to`() throws {
        let withdrawal: JSONValue = [
            "index": "0x1", "validatorIndex": "0x2", "address": .string(Self.receiver),
            "amount": "0x3",
        ]
        let result = try run(
            environment: environment(["withdrawals": [withdrawal]]), transactions: [])
        #expect(result.allocJSON[Self.receiver]?["balance"]?.stringValue == "0xb2d05e00")
        let root = withdrawalsRoot(of: [
            Withdrawal(
                index: 1, validatorIndex: 2, address: Address(lowBytesOf: 0xee), amount: 3)
        ])
        #expect(
            try JSONValue(parsing: result.json)["withdrawalsRoot"]?.stringValue
                == root.description)
    }

    @Test(
        arguments: [
            ("Shanghai", ["currentRandom": .null], .configuration),
            ("Shanghai", ["withdrawals": .null], .configuration),
            ("Shanghai", ["currentBaseFee": .null], .configuration),
            ("Cancun", [:], .configuration),
            ("London", ["currentDifficulty": .null], .configuration),
            ("Nowhere", [:], .configuration),
            ("Shanghai", ["currentNumber": "x"], .json),
        ] as [(String, JSONObject, TransitionError.Kind)])
    func `a block that does not fit the fork is an error`(
        fork: String, changes: JSONObject, kind: TransitionError.Kind
    ) throws {
        let error = #expect(throws: TransitionError.self) {
            try run(fork: fork, environment: environment(changes), transactions: [])
        }
        #expect(error?.kind == kind)
    }

    @Test func `a block hash that is not given is an error if it is asked for`() throws {
        // BLOCKHASH(4)
        let code: JSONValue = ["balance": "0x0", "code": "0x600440"]
        func hash(_ hashes: JSONValue) throws -> TransitionResult {
            try run(
                environment: environment(["blockHashes": hashes]), transactions: [transfer()],
                accounts: [Self.receiver: code])
        }
        #expect(try hash(["4": .string(Hash256.keccakEmpty.description)]).body != [0xc0])
        let error = #expect(throws: TransitionError.self) { try hash(["3": "0x"]) }
        #expect(error?.kind == .json)
        let missing = #expect(throws: TransitionError.self) { try hash([:]) }
        #expect(missing?.kind == .missingBlockHash)
    }

    // MARK: Pieces

    private func environment(_ changes: JSONObject = [:]) -> JSONValue {
        var env: JSONObject = [
            "currentCoinbase": .string(Self.coinbase), "currentGasLimit": "0x1000000",
            "currentNumber": "5", "currentTimestamp": .number("1000"), "currentRandom": "0x1",
            "currentBaseFee": "0x7", "withdrawals": [],
        ]
        for (key, value) in changes { env[key] = value }
        return .object(env)
    }

    /// A block of Prague that names its parent.
    private func blockOfChain() -> JSONValue {
        environment([
            "parentBeaconBlockRoot": .string(Hash256.zero.description),
            "currentExcessBlobGas": "0x0",
            "blockHashes": ["4": .string(Hash256.keccakEmpty.description)],
        ])
    }

    private func transfer(
        nonce: UInt64 = 0, type: UInt64 = 0, to: String = Self.receiver
    ) -> JSONValue {
        [
            "type": .string("0x\(type)"), "nonce": .string("0x\(nonce)"), "gas": "0x10000",
            "gasPrice": "0x10", "maxFeePerGas": "0x10", "maxPriorityFeePerGas": "0x1",
            "to": .string(to), "value": "0x5", "input": "0x",
            "secretKey": .string(Hex.encode(FixedKeys.alice.bytes)), "v": "0x0", "r": "0x0",
            "s": "0x0",
        ]
    }

    private func run(
        fork: String = "Shanghai", environment: JSONValue? = nil, transactions: [JSONValue],
        reward: Wei? = .zero, accounts: [String: JSONValue] = [:]
    ) throws -> TransitionResult {
        try run(
            fork: fork, environment: environment,
            list: TransitionTransaction.list(json: .array(transactions), chainId: 1),
            reward: reward, accounts: accounts)
    }

    private func run(
        fork: String, environment: JSONValue? = nil, list: [TransitionTransaction],
        reward: Wei? = .zero, accounts: [String: JSONValue] = [:]
    ) throws -> TransitionResult {
        var alloc: JSONObject = [Self.sender: ["balance": "0xde0b6b3a7640000"]]
        for (address, account) in accounts { alloc[address] = account }
        let transition = try Transition(
            config: Transition.config(fork: fork, chainId: 1), alloc: .object(alloc),
            environment: TransitionEnvironment(environment ?? self.environment()),
            transactions: list, reward: reward)
        return try transition.run()
    }
}
