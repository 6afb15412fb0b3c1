import Analytics
import Chain
import Cryptography
import EthereumTypes
import Execution
import Logging
import PluginAPI
import Primitives
import RPC
import Storage
import TestSupport
import Testing

/// What a test's transaction does.
enum Deed: CaseIterable {
    /// Sends value to an account.
    case transfer
    /// Sends value through a contract, half of which goes on.
    case forward
    /// The same, and takes it back.
    case revert
    /// Has a contract made by a contract.
    case create
    /// Has a contract made that destroys itself at once.
    case destroy
    /// Moves tokens, as events tell it; those of several kinds have the amount as id.
    case fungible, unique, several
    /// Makes a contract.
    case deploy
}

/// A chain of random deeds with the analytics on it.
struct AnalyticsFixture {
    static let keys = FixedKeys.all
    static let forwarder = Address(w0: 0xf0, w1: 0, w2: 0)
    static let reverter = Address(w0: 0xf1, w1: 0, w2: 0)
    static let creator = Address(w0: 0xf2, w1: 0, w2: 0)
    static let destroyer = Address(w0: 0xf3, w1: 0, w2: 0)
    static let token = Address(w0: 0xf4, w1: 0, w2: 0)
    static let collectible = Address(w0: 0xf5, w1: 0, w2: 0)
    static let multiple = Address(w0: 0xf6, w1: 0, w2: 0)
    static let coinbase = Address(w0: 0xc0, w1: 0, w2: 0)

    let host: PluginHost
    let chain: Blockchain
    let directory: TemporaryDirectory

    /// A deed with all that decides what it does.
    struct Step: Hashable {
        let deed: Deed
        let sender: Int
        let recipient: Int
        let amount: UInt64
    }

    init(
        in directory: TemporaryDirectory? = nil, withPlugin: Bool = true,
        section: [String: String] = [:]
    ) throws {
        let section = section.merging(["enabled": "true"]) { $1 }
        self.directory = try directory ?? TemporaryDirectory()
        host = try PluginHost(
            withPlugin ? [AnalyticsPlugin.self] : [],
            configuration: { PluginConfiguration(section: $0, values: section) },
            policy: .stop, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        var options = DatabaseOptions(path: self.directory.path + "/chain", cacheBytes: 8 << 20)
        options.pluginFamilies = host.families
        var chainOptions = ChainOptions(sync: .interval(milliseconds: 1000))
        chainOptions.participants = host.participants
        chain = try Blockchain.open(
            database: try Database.reopening(options), genesis: try Self.genesis(),
            options: chainOptions)
        try host.open(chain)
    }

    private static func genesis() throws -> Genesis {
        var genesis = Genesis(config: .single(.shanghai, chainId: 1337))
        genesis.gasLimit = 30_000_000
        genesis.difficulty = .zero
        genesis.baseFeePerGas = 1_000_000_000
        genesis.timestamp = 1_700_000_000
        for key in keys {
            genesis.alloc[key.address] = GenesisAccount(balance: UInt256(10).power(24))
        }
        let event = keccak256(Bytes("Transfer(address,address,uint256)".utf8)).bytes
        let single = keccak256(
            Bytes("TransferSingle(address,address,address,uint256,uint256)".utf8)
        ).bytes
        let codes: [(Address, Bytes?)] = [
            (forwarder, Hex.decode("0x6000600060006000600234046000355af100")),
            (
                reverter,
                [0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x34, 0x73] + forwarder.bytes
                    + [0x5a, 0xf1, 0x60, 0, 0x60, 0, 0xfd]
            ),
            (creator, Hex.decode("0x6360015ff36000526004601c34f000")),
            (destroyer, Hex.decode("0x6133ff6000526002601e34f000")),
            (
                token,
                [0x60, 0x20, 0x35, 0x60, 0, 0x52, 0x60, 0, 0x35, 0x33, 0x7f] + event
                    + [0x60, 0x20, 0x60, 0, 0xa3, 0]
            ),
            (
                collectible,
                [0x60, 0x20, 0x35, 0x60, 0, 0x35, 0x33, 0x7f] + event
                    + [0x60, 0, 0x60, 0, 0xa4, 0]
            ),
            (
                multiple,
                [0x60, 0x20, 0x35, 0x60, 0, 0x52, 0x60, 1, 0x60, 0x20, 0x52, 0x60, 0, 0x35]
                    + [0x33, 0x33, 0x7f] + single + [0x60, 0x40, 0x60, 0, 0xa4, 0]
            ),
        ]
        for (address, code) in codes {
            genesis.alloc[address] = GenesisAccount(
                balance: .zero, nonce: 1, code: try #require(code), storage: [:])
        }
        return genesis
    }

    static func steps(_ count: Int, _ random: inout SeededRandom) -> [Step] {
        (0..<count).map { _ in
            Step(
                deed: Deed.allCases[Int.random(in: 0..<Deed.allCases.count, using: &random)],
                sender: Int.random(in: 0..<keys.count, using: &random),
                recipient: Int.random(in: 0..<12, using: &random),
                amount: UInt64.random(in: 0...5, using: &random))
        }
    }

    /// The keys' own accounts, and others that nobody has: from 100 on spread as real ones are.
    static func recipient(_ index: Int) -> Address {
        if index >= 100 {
            return Address(lowBytesOf: keccak256(UInt256(UInt64(index)).bigEndianBytes))
        }
        return index < keys.count
            ? keys[index].address : Address(w0: 0xe0, w1: 0, w2: UInt32(index))
    }

    private static func transaction(_ step: Step, nonce: Nonce) -> RecoveredTransaction {
        var to: Address?
        var value = UInt256(step.amount)
        var data = recipient(step.recipient).uint256.bigEndianBytes
        switch step.deed {
        case .transfer:
            to = recipient(step.recipient)
            data = []
        case .forward: to = forwarder
        case .revert: to = reverter
        case .create: to = creator
        case .destroy: to = destroyer
        case .fungible, .unique, .several:
            to = step.deed == .fungible ? token : step.deed == .unique ? collectible : multiple
            data += value.bigEndianBytes
            value = .zero
        case .deploy: data = [0x60, 0x01, 0x5f, 0xf3]
        }
        let key = keys[step.sender]
        return RecoveredTransaction(
            Transaction.legacy(
                chainId: 1337, nonce: nonce, gasPrice: 10_000_000_000, gasLimit: 200_000, to: to,
                value: value, data: data
            ).signed(with: key), sender: key.address)
    }

    /// Produces a block of deeds, half an hour after the last.
    @discardableResult
    func produce(_ steps: [Step]) async throws -> CommittedBlock {
        var nonces: [Address: Nonce] = [:]
        let state = chain.head.view.state
        let transactions = try steps.map { step in
            let sender = Self.keys[step.sender].address
            let nonce = try nonces[sender] ?? state.account(sender)?.nonce ?? 0
            nonces[sender] = nonce + 1
            return Self.transaction(step, nonce: nonce)
        }
        return try await produce(transactions: transactions)
    }

    /// Produces a block of transactions, half an hour after the last.
    @discardableResult
    func produce(transactions: [RecoveredTransaction]) async throws -> CommittedBlock {
        let block = try await chain.produce { (head) throws(ChainError) in
            let builder = BlockBuilder(
                on: try head.view.parentBlock(),
                attributes: PayloadAttributes(
                    timestamp: head.header.timestamp + 1800, coinbase: Self.coinbase,
                    prevRandao: .zero, gasLimit: head.header.gasLimit,
                    withdrawals: [
                        Withdrawal(
                            index: head.number, validatorIndex: 0,
                            address: Self.recipient(Int(head.number % 12)), amount: 7)
                    ]), config: head.view.config)
            do {
                for transaction in transactions { try builder.add(transaction) }
            } catch {
                Issue.record("a transaction was refused: \(error)")
            }
            do throws(BlockExecutionError) {
                return try builder.finish()
            } catch {
                throw ChainError(error)
            }
        }
        return try #require(block)
    }

    /// Every entry of the plugin's families.
    func contents() throws -> [String: [Bytes: Bytes]] {
        var all: [String: [Bytes: Bytes]] = [:]
        let snapshot = chain.database.snapshot()
        for family in host.families where family.plugin == "analytics" {
            let cursor = snapshot.cursor(try #require(chain.database.column(family)))
            try cursor.seek([])
            while cursor.isValid {
                all[family.family, default: [:]][cursor.key] = cursor.value
                try cursor.advance()
            }
        }
        return all
    }

    /// The answer of a route as JSON, or as text what comes in parts.
    func get(_ path: String, _ query: [String: String] = [:]) throws -> JSONValue {
        let answer = try answer(path, query)
        guard case .whole(let bytes) = answer.content else {
            return .string(String(decoding: try Self.bytes(of: answer), as: UTF8.self))
        }
        return try JSONValue(parsing: bytes)
    }

    /// The answer of a route.
    func answer(
        _ path: String, _ query: [String: String] = [:],
        deadline: ContinuousClock.Instant = .now + .seconds(60)
    ) throws -> RESTAnswer {
        for route in host.routes {
            guard let values = route.match(path) else { continue }
            let context = RESTContext(view: chain.head.view, deadline: deadline)
            return try route.answer(RESTArguments(path: values, query: query), in: context)
        }
        throw RESTError.notFound(path)
    }

    static func bytes(of answer: RESTAnswer) throws -> Bytes {
        switch answer.content {
        case .whole(let bytes): return bytes
        case .parts(let next):
            var bytes = Bytes()
            while let part = try next() { bytes += part }
            return bytes
        }
    }
}
