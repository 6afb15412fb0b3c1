import AsyncHTTPClient
import BlockProduction
import Chain
import Cryptography
import EthereumTypes
import Execution
import Logging
import Primitives
import RPC
import Storage
import Sync
import Synchronization
import TestSupport
import Testing
import TxPool

/// A chain with its JSON-RPC on a port, as a sealer or a replica has it.
final class SyncNode: Sendable {
    static let sealer = key(77)

    let chain: Blockchain
    let seals: SealStore
    let pool: TransactionPool
    private let directory: TemporaryDirectory
    private let rpc: RPCNode
    private let server: RPCServer
    let port: Int

    init(
        key: PrivateKey? = nil, timestamp: Timestamp = 1_000, access: RPCAccess = .all,
        genesis: Genesis? = nil, seal: SealRule = .unchecked
    ) async throws {
        directory = try TemporaryDirectory()
        seals = SealStore(key: key)
        var database = DatabaseOptions(path: directory.path + "/chain", cacheBytes: 8 << 20)
        database.pluginFamilies = [SealStore.family]
        var options = ChainOptions(sync: .interval(milliseconds: 1_000), seal: seal)
        options.participants = [seals]
        chain = try Blockchain.open(
            database: Database(database),
            genesis: genesis
                ?? Genesis(
                    config: .single(.cancun, chainId: 5), timestamp: timestamp,
                    gasLimit: 30_000_000,
                    alloc: [Self.sealer.address: GenesisAccount(balance: 1 << 80)]),
            options: options)
        pool = try TransactionPool(
            store: nil, head: PoolHead(chain.head, now: 1_000),
            options: PoolOptions(policy: .network))
        var services = RPCServices(
            blockchain: chain, pool: pool, devnet: nil, keys: [], clientVersion: "apus/test")
        services.seals = seals
        rpc = RPCNode(services: services, logger: Self.quiet)
        server = RPCServer(
            dispatcher: rpc.dispatcher, eventLoops: 1, logger: Self.quiet, health: { [:] })
        port = try await server.listen(
            RPCListener(host: "127.0.0.1", port: 0, http: access, webSocket: nil))
    }

    static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    /// Used by all tests, and never ended.
    static let http = HTTPClient.forNodes()

    static func key(_ index: Int) -> PrivateKey {
        guard let key = PrivateKey(UInt256(index)) else { preconditionFailure("not a key") }
        return key
    }

    /// Makes blocks; those with another mark are others.
    func produce(_ count: Int, mark: UInt8 = 0) async throws {
        for _ in 0..<count {
            _ = try await chain.produce { head throws(ChainError) in
                let attributes = PayloadAttributes(
                    timestamp: head.header.timestamp + 1, coinbase: .zero, prevRandao: .zero,
                    gasLimit: head.header.gasLimit, extraData: [mark])
                let parent = try head.view.parentBlock()
                do throws(BlockExecutionError) {
                    return try PayloadBuilder(config: head.view.config).build(
                        on: parent, attributes: attributes, from: self.pool
                    ).built
                } catch {
                    throw ChainError(error)
                }
            }
            pool.setHead(PoolHead(chain.head, now: 1_000))
        }
    }

    /// Follows a node on a port.
    func follower(port: Int, sealers: Set<Address> = []) -> Follower {
        Follower(
            client: RPCClient(url: "http://127.0.0.1:\(port)", http: Self.http), chain: chain,
            seals: seals, sealers: sealers, logger: Self.quiet)
    }

    func stop() async throws {
        try await server.stop()
        await rpc.shutDown()
    }
}

@Suite struct FollowerTests {
    /// Runs a follower until something is so, or half a minute is over.
    func follow(
        _ follower: Follower, until isDone: @Sendable () -> Bool,
        at location: SourceLocation = #_sourceLocation
    ) async throws {
        let running = Task { try? await follower.run() }
        for _ in 0..<3_000 where !isDone() { try await Task.sleep(for: .milliseconds(10)) }
        #expect(isDone(), "\(follower.failure ?? "")", sourceLocation: location)
        running.cancel()
        await running.value
    }

    @Test func `a replica takes over the chain, its seals and each new block`() async throws {
        let sealer = try await SyncNode(key: SyncNode.sealer)
        let replica = try await SyncNode()
        try await sealer.produce(300)
        let follower = replica.follower(port: sealer.port, sealers: [SyncNode.sealer.address])
        try await follow(follower) { replica.chain.head.hash == sealer.chain.head.hash }
        #expect(replica.chain.head.number == 300)
        try await sealer.produce(2)
        try await follow(follower) { replica.chain.head.hash == sealer.chain.head.hash }

        let head = replica.chain.head
        let seal = try #require(try replica.seals.seal(of: head.hash, in: head.view))
        #expect(seal.signer(of: head.hash) == SyncNode.sealer.address)

        // A replica can be followed as well.
        let second = try await SyncNode()
        try await follow(
            second.follower(port: replica.port, sealers: [SyncNode.sealer.address])
        ) { second.chain.head.hash == head.hash }
        for node in [sealer, replica, second] { try await node.stop() }
    }

    @Test func `a replica follows reorganisations, also to a shorter branch`() async throws {
        let sealer = try await SyncNode()
        let replica = try await SyncNode()
        let follower = replica.follower(port: sealer.port)
        try await sealer.produce(40)
        try await follow(follower) { replica.chain.head.hash == sealer.chain.head.hash }
        for (depth, count) in [(1, 1), (1, 3), (30, 10), (20, 200)] {
            try await sealer.chain.rollback(to: sealer.chain.head.number - UInt64(depth))
            try await sealer.produce(count, mark: UInt8(count))
            try await follow(follower) { replica.chain.head.hash == sealer.chain.head.hash }
        }
        #expect(
            replica.chain.head.header.stateRoot == sealer.chain.head.header.stateRoot)
        for node in [sealer, replica] { try await node.stop() }
    }

    @Test func `a long branch is taken over in steps, also while it is the shorter one`()
        async throws
    {
        let sealer = try await SyncNode()
        let replica = try await SyncNode()
        try await sealer.produce(1_300, mark: 1)
        try await replica.produce(1_400, mark: 2)
        let events = replica.chain.events()
        try await follow(replica.follower(port: sealer.port)) {
            replica.chain.head.hash == sealer.chain.head.hash
        }
        #expect(replica.chain.head.number == 1_300)
        var first: BlockNumber?
        for await event in events {
            guard case .reverted(let reversion) = event else { continue }
            #expect(reversion.blocks == 1...1_400)
            first = reversion.head.number
            break
        }
        #expect(try #require(first) < 1_300)
        for node in [sealer, replica] { try await node.stop() }
    }

    @Test func `a node that serves only raw blocks can be followed, but not its seals`()
        async throws
    {
        let sealer = try await SyncNode(access: .namespaces(["eth", "debug"]))
        let replica = try await SyncNode()
        try await sealer.produce(50)
        try await follow(replica.follower(port: sealer.port)) {
            replica.chain.head.hash == sealer.chain.head.hash
        }
        let other = try await SyncNode()
        let strict = other.follower(port: sealer.port, sealers: [SyncNode.sealer.address])
        try await follow(strict) { strict.failure != nil }
        #expect(strict.failure?.contains("serves no seals") == true)
        #expect(other.chain.head.number == 0)
        for node in [sealer, replica, other] { try await node.stop() }
    }

    @Test func `a node that serves no raw blocks either is followed by what every node shows`()
        async throws
    {
        let sealer = try await SyncNode(access: .namespaces(["eth"]))
        let replica = try await SyncNode()
        try await sealer.produce(3)
        for (nonce, type) in [
            TransactionType.legacy, .legacy, .accessList, .dynamicFee,
        ].enumerated() {
            let transaction = Transaction(
                // The second is of no chain (before EIP-155).
                type: type, chainId: nonce == 1 ? nil : 5, nonce: Nonce(nonce),
                maxPriorityFeePerGas: 2_000_000_000, maxFeePerGas: 2_000_000_000,
                gasLimit: 100_000, to: nonce == 3 ? nil : Address(w0: 1, w1: 2, w2: 3), value: 7,
                data: [0x60, 0],
                accessList: type == .legacy
                    ? [] : [AccessListEntry(address: .zero, storageKeys: [.zero, Hash256(1)])]
            ).signed(with: SyncNode.sealer)
            try sealer.pool.add(transaction)
        }
        try await sealer.produce(40)
        try await follow(replica.follower(port: sealer.port)) {
            replica.chain.head.hash == sealer.chain.head.hash
        }
        #expect(
            try replica.chain.head.view.block(4)?.block == sealer.chain.head.view.block(4)?.block)
        #expect(try replica.chain.head.view.block(4)?.block.transactions.count == 4)
        for node in [sealer, replica] { try await node.stop() }
    }

    /// Every fork, every type of transaction, ommers and withdrawals.
    @Test(.enabled(if: Fixtures.areAvailable, Fixtures.hint))
    func `a chain across all forks is followed by what every node shows`() async throws {
        let genesis = try Genesis(
            json: Fixtures.bytes(Fixtures.file("chain-ethtest", "genesis.json")))
        let source = try await SyncNode(access: .namespaces(["eth"]), genesis: genesis)
        var decoder = RLPDecoder(
            try Fixtures.bytes(Fixtures.file("chain-ethtest", "chain.rlp")))
        while !decoder.isAtEnd {
            try await source.chain.importBlock(
                try Block(encoded: Bytes(try decoder.rawItem())))
        }
        let replica = try await SyncNode(genesis: genesis)
        try await follow(replica.follower(port: source.port)) {
            replica.chain.head.hash == source.chain.head.hash
        }
        #expect(replica.chain.head.number > 100)
        for node in [source, replica] { try await node.stop() }
    }

    @Test(.enabled(if: Fixtures.areAvailable, Fixtures.hint))
    func `a chain without its proof of work is refused, and the way out is told`() async throws {
        let genesis = try Genesis(
            json: Fixtures.bytes(Fixtures.file("chain-rpc-compat", "genesis.json")))
        let source = try await SyncNode(genesis: genesis)
        var decoder = RLPDecoder(
            try Fixtures.bytes(Fixtures.file("chain-rpc-compat", "chain.rlp")))
        let block = try Block(encoded: Bytes(try decoder.rawItem()))
        try await source.chain.importBlock(block)
        let replica = try await SyncNode(genesis: genesis, seal: .proofOfWork)
        let follower = replica.follower(port: source.port)
        try await follow(follower) { follower.failure != nil }
        #expect(follower.failure?.contains("block 1, ") == true)
        #expect(follower.failure?.contains("--unsealed") == true)
        #expect(replica.chain.head.number == 0)
        for node in [source, replica] { try await node.stop() }
    }

    @Test func `a sealer vouches for the blocks that it found without a seal`() async throws {
        let sealer = try await SyncNode()
        try await sealer.produce(1_100)
        let replica = try await SyncNode()
        let sealers: Set = [SyncNode.sealer.address]
        let follower = replica.follower(port: sealer.port, sealers: sealers)
        try await follow(follower) { follower.failure != nil }
        #expect(follower.failure?.contains("block 1, ") == true)

        // Started again, with a key.
        let seals = SealStore(key: SyncNode.sealer)
        #expect(await seals.sealEarlierBlocks(of: sealer.chain, logger: SyncNode.quiet) == 1_100)
        try await follow(follower) { replica.chain.head.hash == sealer.chain.head.hash }
        #expect(await seals.sealEarlierBlocks(of: sealer.chain, logger: SyncNode.quiet) == 0)

        // Some blocks later again, and on another branch.
        try await sealer.produce(3)
        #expect(await seals.sealEarlierBlocks(of: sealer.chain, logger: SyncNode.quiet) == 3)
        try await sealer.chain.rollback(to: 1_000)
        try await sealer.produce(5, mark: 1)
        #expect(await seals.sealEarlierBlocks(of: sealer.chain, logger: SyncNode.quiet) == 5)

        // What others have sealed is theirs.
        let other = SealStore(key: SyncNode.key(78))
        try await sealer.produce(1)
        #expect(await other.sealEarlierBlocks(of: sealer.chain, logger: SyncNode.quiet) == 1)
        let view = sealer.chain.head.view
        for (number, key) in [(1_006, SyncNode.key(78)), (1_005, SyncNode.sealer)]
            as [(BlockNumber, PrivateKey)]
        {
            let hash = try #require(try view.canonicalHash(number))
            #expect(try seals.seal(of: hash, in: view)?.signer(of: hash) == key.address)
        }
        for node in [sealer, replica] { try await node.stop() }
    }

    @Test func `blocks without the right seal are refused`() async throws {
        let unsealed = try await SyncNode()
        let foreign = try await SyncNode(key: SyncNode.key(78))
        for node in [unsealed, foreign] {
            try await node.produce(1)
            let replica = try await SyncNode()
            let follower = replica.follower(
                port: node.port, sealers: [SyncNode.sealer.address])
            try await follow(follower) { follower.failure != nil }
            #expect(follower.failure?.contains("seal") == true)
            #expect(replica.chain.head.number == 0)
            try await replica.stop()
            try await node.stop()
        }
    }

    @Test func `another chain is refused for good`() async throws {
        let other = try await SyncNode(timestamp: 999)
        let replica = try await SyncNode()
        let follower = replica.follower(port: other.port)
        await #expect {
            try await follower.run()
        } throws: { error in
            guard case .anotherChain? = error as? FollowError else { return false }
            return true
        }
        for node in [other, replica] { try await node.stop() }
    }

    @Test func `an upstream that lies is told, and followed once it is honest`() async throws {
        let honest = try await SyncNode()
        let replica = try await SyncNode()
        try await honest.produce(3)
        let liar = try await Liar(of: honest.chain)
        let follower = replica.follower(port: liar.port)
        for lie in [Liar.Lie.stateRoot, .otherBlock, .nonsense, .noBlocks] {
            liar.lie = lie
            try await follow(follower) { follower.failure != nil }
            #expect(replica.chain.head.number < 3)
        }
        liar.lie = .none
        try await follow(follower) { replica.chain.head.hash == honest.chain.head.hash }
        #expect(follower.failure == nil)
        try await liar.stop()
        for node in [honest, replica] { try await node.stop() }
    }

    @Test func `a block that shows more uncles than a block can have is refused`() async throws {
        let honest = try await SyncNode()
        let replica = try await SyncNode()
        try await honest.produce(1)
        let liar = try await Liar(showing: 3, of: honest)
        let follower = replica.follower(port: liar.port)
        try await follow(follower) { follower.failure != nil }
        #expect(follower.failure?.contains("block 1 with 3 uncles") == true)
        #expect(replica.chain.head.number == 0)
        try await liar.stop()
        for node in [honest, replica] { try await node.stop() }
    }

    @Test func `an upstream that is away is waited for, and transactions are passed on`()
        async throws
    {
        let sealer = try await SyncNode()
        let replica = try await SyncNode()
        let follower = replica.follower(port: sealer.port)
        let transaction = Transaction(
            type: .dynamicFee, chainId: 5, nonce: 0, maxPriorityFeePerGas: 1_000_000_000,
            maxFeePerGas: 10_000_000_000, gasLimit: 21_000, to: Address(w0: 1, w1: 2, w2: 3),
            value: 1
        ).signed(with: SyncNode.sealer)
        #expect(try await follower.forward(transaction.encoded()) == transaction.hash())
        #expect(sealer.pool.status.pending == 1)
        let known = await #expect(throws: RPCError.self) {
            try await follower.forward(transaction.encoded())
        }
        #expect(known?.message == "already known")
        try await sealer.produce(1)
        try await follow(follower) { replica.chain.head.hash == sealer.chain.head.hash }
        #expect(try replica.chain.head.view.transactionLocation(transaction.hash()) != nil)

        try await sealer.stop()
        try await follow(follower) { follower.failure != nil }
        await #expect(throws: RPCError.self) { try await follower.forward(transaction.encoded()) }
        try await replica.stop()
    }
}

/// A node that serves another one's blocks, changed.
final class Liar: Sendable {
    enum Lie { case none, stateRoot, otherBlock, nonsense, noBlocks }

    private final class Choice: Sendable {
        let lie = Mutex(Lie.none)
    }

    private let choice = Choice()
    private let server: RPCServer
    private let pool = ExecutionPool(threads: 1, queueLimit: 16)
    let port: Int

    var lie: Lie {
        get { choice.lie.withLock { $0 } }
        set { choice.lie.withLock { $0 = newValue } }
    }

    init(of chain: Blockchain) async throws {
        let methods = [
            RPCMethod(
                "eth_getBlockByNumber", ["number", "full"],
                instant: { (_, _: String, _: Bool) -> JSONValue in
                    ["hash": .string(chain.genesisHash.description)]
                }),
            RPCMethod(
                "apus_getBlocks", ["from", "count"],
                instant: { [choice] (_, from: UInt64, count: UInt64) throws -> JSONValue in
                    let view = chain.head.view
                    var blocks: [JSONValue] = []
                    let isEmpty = choice.lie.withLock { $0 == .noBlocks }
                    for number in from..<from + (isEmpty ? 0 : count) {
                        guard var block = try view.block(number)?.block else { break }
                        switch choice.lie.withLock({ $0 }) {
                        case .none, .noBlocks: break
                        case .stateRoot: block.header.stateRoot = Hash256(1)
                        case .otherBlock: block.header.number += 1
                        case .nonsense: return ["blocks": "none"]
                        }
                        blocks.append(["block": .string(Hex.encode(block.encoded()))])
                    }
                    return [
                        "head": ["number": .string(UInt256(view.number).hexQuantity)],
                        "blocks": .array(blocks),
                    ]
                }),
        ]
        (server, port) = try await Self.serve(methods, on: pool)
    }

    /// A node that serves another one's blocks one by one, and shows each with so many uncles.
    init(showing uncles: Int, of node: SyncNode) async throws {
        let client = RPCClient(url: "http://127.0.0.1:\(node.port)", http: SyncNode.http)
        let methods = [
            RPCMethod(
                "eth_blockNumber",
                command: { (_: RPCContext) async throws -> JSONValue in
                    try await client.call("eth_blockNumber")
                }),
            RPCMethod(
                "eth_getBlockByNumber", ["number", "full"],
                command: { (_, number: String, full: Bool) async throws -> JSONValue in
                    let answer = try await client.call(
                        "eth_getBlockByNumber", [.string(number), .bool(full)])
                    guard var block = answer.objectValue else { return answer }
                    let uncle = JSONValue.string(Hash256(1).description)
                    block["uncles"] = .array(Array(repeating: uncle, count: uncles))
                    return .object(block)
                }),
        ]
        (server, port) = try await Self.serve(methods, on: pool)
    }

    private static func serve(
        _ methods: [RPCMethod], on pool: ExecutionPool
    ) async throws -> (RPCServer, Int) {
        let server = RPCServer(
            dispatcher: RPCDispatcher(
                table: MethodTable(methods, version: "1"), pool: pool, limits: RPCLimits(),
                logger: SyncNode.quiet), eventLoops: 1, logger: SyncNode.quiet, health: { [:] })
        let port = try await server.listen(
            RPCListener(host: "127.0.0.1", port: 0, http: .all, webSocket: nil))
        return (server, port)
    }

    func stop() async throws {
        try await server.stop()
        try await pool.shutDown()
    }
}
