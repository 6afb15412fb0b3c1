import Analytics
import BlockProduction
import Chain
import EthereumTypes
import Foundation
import Gateway
import HTTPTypes
import Logging
import PluginAPI
import Prediction
import Primitives
import RPC
import Storage
import Synchronization
import TestSupport
import Testing
import TxPool

/// A devnet with its plugins and a gateway over it, in a directory of its own and without a socket.
final class GatewayFixture: Sendable {
    static let alice = FixedKeys.alice
    static let bob = FixedKeys.bob
    static let secret = String(repeating: "5a", count: 32)
    /// What the wall clock says.
    static let time = 1_800_000_000.0

    let directory: TemporaryDirectory
    let blockchain: Blockchain
    let pool: TransactionPool
    let devnet: Devnet
    let rpc: RPCNode
    let plugins: PluginHost
    let admission: Admission
    let clock = WallClock(GatewayFixture.time)
    let gateway: Gateway
    let key: TokenSigningKey
    private let running: [Task<Void, Never>]

    /// - Parameters:
    ///   - isDevnet: whether the gateway sends for accounts of the devnet.
    ///   - options: changes what the gateway is told; it lets nobody in without a token.
    init(
        isDevnet: Bool = true, plugins types: [any NodePlugin.Type] = GatewayFixture.plugins,
        options change: (inout GatewayOptions) -> Void = { _ in },
        checks changeChecks: (inout ReadinessChecks) -> Void = { _ in }
    ) async throws {
        directory = try TemporaryDirectory()
        plugins = try PluginHost(
            types, configuration: { PluginConfiguration(section: $0, values: ["enabled": "true"]) },
            policy: .disable, logger: Self.quiet)
        var databaseOptions = DatabaseOptions(
            path: directory.path + "/chain", cacheBytes: 8 << 20)
        databaseOptions.pluginFamilies = plugins.families
        var chainOptions = ChainOptions(sync: .interval(milliseconds: 1_000))
        chainOptions.participants = plugins.participants
        blockchain = try Blockchain.open(
            database: try Database(databaseOptions), genesis: Self.genesis, options: chainOptions)
        pool = try TransactionPool(
            store: nil, head: PoolHead(blockchain.head, now: 2_000),
            options: PoolOptions(policy: .devnet))
        try plugins.open(blockchain, pool: pool)
        devnet = try Devnet(
            chain: blockchain, pool: pool, options: DevnetOptions(mode: .automine),
            logger: Self.quiet, now: { 2_000 })
        var services = RPCServices(
            blockchain: blockchain, pool: pool, devnet: devnet, keys: [Self.alice, Self.bob],
            clientVersion: "Apus/test")
        services.appearances = plugins.appearances
        let rpcMetrics = RPCMetrics(plugins.metrics, plugins: plugins.names)
        CoreMetrics.declare(
            in: plugins.metrics, blockchain: blockchain, pool: pool, version: "1.2.3")
        rpc = RPCNode(
            services: services, plugins: plugins.methods, logger: Self.quiet,
            observe: { rpcMetrics.observe($0) })
        var options = GatewayOptions(host: "127.0.0.1", port: 0)
        options.anonymous = []
        options.audit = .off
        options.serviceRate = 0
        options.addressRate = 0
        change(&options)
        key = try await TokenSigningKey(id: "test", text: Self.secret)
        var checks = ReadinessChecks(now: { 2_000 })
        changeChecks(&checks)
        admission = try Admission(
            options,
            policy: RolePolicy(
                grants: options.roles, methods: rpc.dispatcher.table.methods,
                plugins: plugins.names),
            verifier: TokenVerifier(
                keys: TokenKeyRing([key]), audience: "apus", clockSkew: 30,
                longestLife: 86_400), logger: Self.quiet, now: { [clock] in clock.now },
            clock: { [start = ContinuousClock.now] in start })
        gateway = try Gateway(
            backend: LocalBackend(
                LocalBackend.Parts(
                    blockchain: blockchain, pool: pool, rpc: rpc, plugins: plugins,
                    isDevnet: isDevnet), checks: checks), options: options,
            admission: admission, metrics: plugins.metrics, version: "1.2.3", logger: Self.quiet,
            now: { [clock] in clock.now })
        let generation = blockchain.head.generation
        running = [
            Task { [rpc] in await rpc.run() }, Task { [plugins] in await plugins.run() },
        ]
        // Each index shows itself by another generation of the head, at some moment after the
        // start: a test that compares states must not see it.
        let indexes = types.filter { !$0.manifest.tables.isEmpty }
        while blockchain.head.generation < generation + UInt64(indexes.count) {
            await Task.yield()
        }
        #expect(try plugins.isLevel(in: blockchain.head.view))
    }

    deinit {
        for task in running { task.cancel() }
        let rpc = rpc
        Task { await rpc.shutDown() }
    }

    static let plugins: [any NodePlugin.Type] = [AnalyticsPlugin.self, PredictionPlugin.self]
    static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    static var genesis: Genesis {
        Genesis(
            config: .single(.cancun, chainId: 31_337), timestamp: 1_000, gasLimit: 30_000_000,
            alloc: [
                alice.address: GenesisAccount(balance: UInt256(10).power(20)),
                bob.address: GenesisAccount(balance: UInt256(10).power(20)),
            ], baseFeePerGas: 1_000_000_000)
    }

    // MARK: - Requests

    /// The value of an `Authorization` header of a service with these roles.
    func bearer(_ roles: String..., service: String = "test") throws -> String {
        "Bearer "
            + (try key.token(
                service: service, roles: roles, audience: "apus", issued: UInt64(Self.time),
                expires: UInt64(Self.time) + 3_600))
    }

    /// Sends a request through the front.
    func send(
        _ method: String, _ target: String, token: String? = nil, body: String? = nil,
        headers: [String: String] = [:], peer: String? = "127.0.0.1", host: String? = "localhost"
    ) async -> Reply {
        var fields = HTTPFields()
        if let token { fields[.authorization] = token }
        if let body {
            fields[.contentType] = "application/json"
            fields[.contentLength] = String(body.utf8.count)
        }
        for (name, value) in headers.sorted(by: { $0.key < $1.key }) {
            guard let name = HTTPField.Name(name) else { continue }
            if name == .contentLength { fields[name] = nil }
            fields.append(HTTPField(name: name, value: value))
        }
        let head = HTTPRequest(
            method: HTTPRequest.Method(method) ?? .get, scheme: nil, authority: host, path: target,
            headerFields: fields)
        let bytes = Bytes((body ?? "").utf8)
        let response = await gateway.respond(
            to: IncomingRequest(head: head, peer: peer.flatMap { NetworkAddress($0) }) {
                $0 < bytes.count ? nil : bytes
            })
        return Reply(response: response)
    }

    /// The same with the role that may everything.
    func get(_ target: String, headers: [String: String] = [:]) async throws -> Reply {
        await send(target, token: try bearer("admin"), headers: headers)
    }

    /// The same with a body.
    func post(_ target: String, _ body: String) async throws -> Reply {
        await send("POST", target, token: try bearer("admin"), body: body)
    }

    func send(
        _ target: String, token: String? = nil, headers: [String: String] = [:],
        host: String? = "localhost"
    ) async -> Reply {
        await send("GET", target, token: token, headers: headers, host: host)
    }
}

/// A wall clock that says what a test wants, in seconds since 1970.
final class WallClock: Sendable {
    private let time: Mutex<Double>

    init(_ time: Double) {
        self.time = Mutex(time)
    }

    var now: Double { time.withLock { $0 } }

    func advance(by seconds: Double) { time.withLock { $0 += seconds } }
}

/// An answer, to be looked at.
struct Reply {
    let response: OutgoingResponse

    var status: Int { response.head.status.code }

    func header(_ name: String) -> String? {
        HTTPField.Name(name).flatMap { response.head.headerFields[$0] }
    }

    /// The body, read to its end.
    func bytes() async throws -> Bytes {
        switch response.content {
        case .whole(let bytes): return bytes
        case .parts(let next):
            var all: Bytes = []
            while let bytes = try await next() { all += bytes }
            return all
        }
    }

    var json: JSONValue {
        get async throws { try JSONValue(parsing: try await bytes()) }
    }
}
