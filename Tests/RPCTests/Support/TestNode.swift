import BlockProduction
import Chain
import Cryptography
import EthereumTypes
import Execution
import Foundation
import Logging
import Primitives
import Storage
import Synchronization
import TestSupport
import Testing
import TxPool

import RPC

/// The JSON-RPC of a node over a chain in a directory of its own, without a transport.
final class TestNode: Sendable {
    static let chainId: UInt64 = 31_337
    static let ether = UInt256(1_000_000_000_000_000_000)
    static let receiver = Address(w0: 0xd0, w1: 0, w2: 0)
    /// Logs its call data's first word as a topic.
    static let emitter = Address(w0: 0xe0, w1: 0, w2: 1)
    /// Reverts with its call data.
    static let reverter = Address(w0: 0xe0, w1: 0, w2: 2)
    /// Returns its slot 0.
    static let reader = Address(w0: 0xe0, w1: 0, w2: 3)
    static let alice = key(1)
    static let bob = key(2)

    let directory: TemporaryDirectory
    let blockchain: Blockchain
    let pool: TransactionPool
    let devnet: Devnet?
    let rpc: RPCNode
    private let access: RPCAccess
    private let running: Task<Void, Never>

    /// A devnet with two rich accounts and a few contracts.
    static func devnet(
        mode: MiningMode = .automine, limits: RPCLimits = RPCLimits(),
        poolLimits: PoolLimits = PoolLimits(),
        configure: (inout RPCServices) -> Void = { _ in }
    ) throws -> TestNode {
        try TestNode(
            genesis: genesis(), limits: limits,
            pool: PoolOptions(policy: .devnet, limits: poolLimits), configure: configure
        ) { chain, pool in
            try Devnet(
                chain: chain, pool: pool, options: DevnetOptions(mode: mode),
                logger: quiet, now: { 2_000 })
        }
    }

    /// A node that only follows a chain.
    static func follower(
        genesis: Genesis, limits: RPCLimits = RPCLimits(),
        configure: (inout RPCServices) -> Void = { _ in }
    ) throws -> TestNode {
        try TestNode(
            genesis: genesis, limits: limits, pool: PoolOptions(policy: .network),
            configure: configure
        ) { _, _ in nil }
    }

    /// A node that a consensus client drives.
    static func engine(
        genesis: Genesis, history: HistoryRetention = .all
    ) throws -> TestNode {
        try TestNode(
            genesis: genesis, limits: RPCLimits(), pool: PoolOptions(policy: .network),
            engine: EngineOptions(), history: history
        ) { _, _ in nil }
    }

    private init(
        genesis: Genesis, limits: RPCLimits, pool options: PoolOptions,
        engine: EngineOptions? = nil, history: HistoryRetention = .all,
        configure: (inout RPCServices) -> Void = { _ in },
        makeDevnet: (Blockchain, TransactionPool) throws -> Devnet?
    ) throws {
        directory = try TemporaryDirectory()
        let database = try Database(
            DatabaseOptions(path: directory.path + "/chain", cacheBytes: 8 << 20))
        blockchain = try Blockchain.open(
            database: database, genesis: genesis,
            options: ChainOptions(sync: .interval(milliseconds: 1_000), history: history))
        pool = try TransactionPool(
            store: nil, head: PoolHead(blockchain.head, now: 2_000), options: options)
        devnet = try makeDevnet(blockchain, pool)
        var services = RPCServices(
            blockchain: blockchain, pool: pool, devnet: devnet,
            keys: devnet == nil ? [] : [Self.alice, Self.bob],
            clientVersion: "Apus/test", limits: limits.patient)
        services.engine = engine
        configure(&services)
        access = engine == nil ? .all : .engine
        let node = RPCNode(services: services, logger: Self.quiet)
        rpc = node
        running = Task { await node.run() }
    }

    deinit {
        running.cancel()
        let rpc = rpc
        Task { await rpc.shutDown() }
    }

    static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// What a chain from Prague on must have: contracts that have no requests (EIP-7002, 7251).
    private static let requestContracts = [
        Address(w0: 0x0000_0961_ef48_0eb5, w1: 0x5e80_d19a_d835_79a6, w2: 0x4c00_7002),
        Address(w0: 0x0000_bbdd_c7ce_4886, w1: 0x42fb_579f_8b00_f3a5, w2: 0x9000_7251),
    ]

    static func genesis(at fork: Fork = .cancun) -> Genesis {
        var genesis = Genesis(
            config: .single(fork, chainId: chainId), timestamp: 1_000, gasLimit: 30_000_000,
            alloc: [
                alice.address: GenesisAccount(balance: ether * 100),
                bob.address: GenesisAccount(balance: ether * 100),
                emitter: GenesisAccount(
                    balance: 0, nonce: 1, code: [0x5f, 0x35, 0x5f, 0x5f, 0xa1, 0x00]),
                reverter: GenesisAccount(
                    balance: 0, nonce: 1, code: [0x36, 0x5f, 0x5f, 0x37, 0x36, 0x5f, 0xfd]),
                reader: GenesisAccount(
                    balance: 0, nonce: 1,
                    code: [0x5f, 0x54, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3], storage: [0: 7]),
            ],
            baseFeePerGas: 1_000_000_000)
        for contract in requestContracts where fork >= .prague {
            genesis.alloc[contract] = GenesisAccount(balance: 0, nonce: 1, code: [0x00])
        }
        return genesis
    }

    static func key(_ index: Int) -> PrivateKey {
        guard let key = PrivateKey(UInt256(index)) else { preconditionFailure("not a key") }
        return key
    }

    static func transfer(
        from key: PrivateKey = alice, nonce: Nonce, value: Wei = 1, to: Address? = receiver,
        data: Bytes = [], gasLimit: Gas = 60_000
    ) -> Transaction {
        Transaction(
            type: .dynamicFee, chainId: chainId, nonce: nonce, maxPriorityFeePerGas: 1_000_000_000,
            maxFeePerGas: 10_000_000_000, gasLimit: gasLimit, to: to, value: value, data: data
        ).signed(with: key)
    }

    // MARK: Calls

    /// The whole answer to a call whose parameters are given as JSON text.
    func answer(_ method: String, _ params: String = "[]") async throws -> JSONValue {
        let text = #"{"jsonrpc":"2.0","id":1,"method":"\#(method)","params":\#(params)}"#
        let bytes = try #require(await rpc.dispatcher.answer(to: Bytes(text.utf8), access: access))
        let answer = try JSONValue(parsing: bytes)
        if let result = answer["result"], !Self.isBeyondSpecification(method, params),
            let fault = Specification.fault(in: result, of: method)
        {
            Issue.record("\(method)\(params) does not fit the specification: \(fault)")
        }
        if let result = answer["result"], access == .all,
            let fault = try await ownSchemas()[method]?.fault(in: result)
        {
            Issue.record("\(method)\(params) does not fit its schema: \(fault)")
        }
        return answer
    }

    /// The schemas of results that the node itself tells.
    private func ownSchemas() async throws -> [String: JSONSchema] {
        if let known = Self.schemas.withLock({ $0 }) { return known }
        let text = #"{"jsonrpc":"2.0","id":1,"method":"rpc_discover"}"#
        let bytes = try #require(await rpc.dispatcher.answer(to: Bytes(text.utf8)))
        var schemas: [String: JSONSchema] = [:]
        for method in try JSONValue(parsing: bytes)["result"]?["methods"]?.arrayValue ?? [] {
            guard let name = method["name"]?.stringValue,
                let schema = method["result"]?["schema"]
            else { continue }
            schemas[name] = JSONSchema(schema: schema)
        }
        // A node that is no devnet has fewer methods.
        if devnet != nil { Self.schemas.withLock { $0 = schemas } }
        return schemas
    }

    private static let schemas = Mutex<[String: JSONSchema]?>(nil)

    /// Answers that are geth's and not the document's: a pending block has no hash yet, a fee history
    /// of no blocks has next to no members, a failing precompile has its own words, bad blocks come
    /// with their reason, and the Engine API's text allows null where its schemas forget it.
    private static func isBeyondSpecification(_ method: String, _ params: String) -> Bool {
        switch method {
        case "eth_getBlockByNumber", "eth_getHeaderByNumber": params.contains("pending")
        case "eth_feeHistory": params.hasPrefix(#"["0x0""#)
        case "eth_simulateV1": params.contains("0x0000000000000000000000000000000000000008")
        case "debug_getBadBlocks": true
        default: method.hasPrefix("engine_")
        }
    }

    /// The result of a call; records an issue and answers null if it fails.
    func call(
        _ method: String, _ params: String = "[]", at location: SourceLocation = #_sourceLocation
    ) async throws -> JSONValue {
        let answer = try await answer(method, params)
        if let result = answer["result"] { return result }
        Issue.record("\(method): \(answer)", sourceLocation: location)
        return .null
    }

    /// The error of a call that must fail.
    func failure(
        _ method: String, _ params: String = "[]", at location: SourceLocation = #_sourceLocation
    ) async throws -> (code: Int, message: String, data: JSONValue?) {
        let answer = try await answer(method, params)
        let error = try #require(answer["error"], "\(answer)", sourceLocation: location)
        return (
            error["code"]?.intValue ?? 0, error["message"]?.stringValue ?? "", error["data"]
        )
    }

    /// Sends a signed transaction and answers with its hash.
    @discardableResult
    func send(_ transaction: Transaction) async throws -> String {
        try await call("eth_sendRawTransaction", #"["\#(Hex.encode(transaction.encoded()))"]"#)
            .stringValue ?? ""
    }
}
