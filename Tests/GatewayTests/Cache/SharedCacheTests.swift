import Cryptography
import Gateway
import HTTPTypes
import Logging
import PluginAPI
import Primitives
import Redis
import Storage
import TestSupport
import Testing

// SAFETY: each server is used by one test, which does one thing after another.
extension RedisServer: @unchecked Sendable {}

/// Copies of answers that several gateways share, in a real Redis server.
@Suite(.enabled(if: RedisServer.binary != nil, "\(RedisServer.isMissing)"))
struct SharedCacheTests {
    static let tag = StateTag(
        instance: 7, counter: 3, block: BlockReference(number: 42, hash: FakeNode.hash(42)))
    static let answer = CachedAnswer(
        mediaType: "application/json", body: Bytes("{\"a\":1}".utf8), state: tag)
    static let key = CacheKey(target: "/api/block/1", entityTag: tag.entityTag)

    static func options(_ server: RedisServer) throws -> SharedCacheOptions {
        var options = SharedCacheOptions(try RedisAddress("unix://\(server.socket)"))
        // The machine may be busy.
        options.redis.connectMilliseconds = 10_000
        options.redis.commandMilliseconds = 10_000
        options.redis.waitMilliseconds = 10_000
        return options
    }

    /// Runs something with a cache that writes what it is to keep.
    static func withCache(
        _ server: RedisServer, change: (inout SharedCacheOptions) -> Void = { _ in },
        _ body: (SharedCache, MetricsRegistry) async throws -> Void
    ) async throws {
        var options = try options(server)
        change(&options)
        let metrics = MetricsRegistry()
        let cache = try SharedCache(options, metrics: metrics, logger: GatewayFixture.quiet)
        let running = Task { await cache.run() }
        try await body(cache, metrics)
        running.cancel()
        await running.value
        server.stop()
    }

    static func count(_ metrics: MetricsRegistry, _ name: String, _ result: String) -> Double {
        metrics.snapshot().first { $0.name == "apus_gateway_shared_cache_\(name)_total" }?.samples
            .first { $0.labels["result"] == result }?.value ?? 0
    }

    static func find(
        _ cache: SharedCache, _ key: CacheKey = key, chainId: UInt64 = 1
    ) async -> CachedAnswer? {
        await cache.find(key.target, entityTags: [key.entityTag], chainId: chainId)?.answer
    }

    /// Stores, and waits until it is written.
    static func store(
        _ cache: SharedCache, _ metrics: MetricsRegistry, _ answer: CachedAnswer = answer
    ) async throws {
        let before = count(metrics, "writes", "stored")
        cache.store(answer, under: key, chainId: 1)
        while count(metrics, "writes", "stored") == before {
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    @Test func `what one gateway stores another finds`() async throws {
        let server = try RedisServer()
        try await Self.withCache(server) { one, metrics in
            try await Self.store(one, metrics)
            let other = MetricsRegistry()
            let two = try SharedCache(
                Self.options(server), metrics: other, logger: GatewayFixture.quiet)
            #expect(await Self.find(two) == Self.answer)
            #expect(Self.count(other, "lookups", "hit") == 1)
            #expect(two.health.health.status == .ok)
        }
    }

    @Test func `nothing is found for another chain, state or target`() async throws {
        try await Self.withCache(RedisServer()) { cache, metrics in
            try await Self.store(cache, metrics)
            let other = StateTag(
                instance: Self.tag.instance, counter: Self.tag.counter + 1, block: Self.tag.block)
            #expect(await Self.find(cache, chainId: 2) == nil)
            #expect(
                await Self.find(
                    cache, CacheKey(target: Self.key.target, entityTag: other.entityTag)) == nil)
            #expect(
                await Self.find(
                    cache, CacheKey(target: "/api/block/2", entityTag: Self.key.entityTag)) == nil)
            #expect(Self.count(metrics, "lookups", "miss") == 3)
            let found = await cache.find(
                Self.key.target, entityTags: [other.entityTag, Self.key.entityTag], chainId: 1)
            #expect(found?.entityTag == Self.key.entityTag)
        }
    }

    @Test func `an answer as large as may be is kept, a larger one is not`() async throws {
        try await Self.withCache(RedisServer(), change: { $0.limits.bytes = 1000 }) {
            cache, metrics in
            let fits = CachedAnswer(
                mediaType: "text/csv", body: Bytes(repeating: 1, count: 1000), state: Self.tag)
            try await Self.store(cache, metrics, fits)
            #expect(await Self.find(cache) == fits)
            let large = CachedAnswer(
                mediaType: "text/csv", body: Bytes(repeating: 2, count: 1001), state: Self.tag)
            cache.store(large, under: Self.key, chainId: 1)
            #expect(Self.count(metrics, "writes", "too-large") == 1)
            #expect(await Self.find(cache) == fits)
        }
    }

    @Test func `a copy is gone after its time`() async throws {
        try await Self.withCache(RedisServer(), change: { $0.limits.seconds = 1 }) {
            cache, metrics in
            try await Self.store(cache, metrics)
            while await Self.find(cache) != nil { try await Task.sleep(for: .milliseconds(50)) }
        }
    }

    @Test func `a Redis that is away fails nothing, says so, and is used when it is back`()
        async throws
    {
        let server = try RedisServer()
        try await Self.withCache(server) { cache, metrics in
            try await Self.store(cache, metrics)
            server.stop()
            #expect(await Self.find(cache) == nil)
            #expect(cache.health.health.status == .degraded)
            #expect(cache.health.health.facts["reason"]?.contains("Redis") == true)
            #expect(Self.count(metrics, "lookups", "error") == 1)
            // After some failures nobody asks any more.
            while Self.count(metrics, "lookups", "skipped") == 0 { _ = await Self.find(cache) }
            try server.start()
            while Self.count(metrics, "lookups", "miss") == 0 { _ = await Self.find(cache) }
            #expect(cache.health.health.status == .ok)
            try await Self.store(cache, metrics)
            #expect(await Self.find(cache) == Self.answer)
        }
    }

    @Test func `what somebody else has written under a key is no answer`() async throws {
        let server = try RedisServer()
        try await Self.withCache(server) { cache, metrics in
            let client = RedisClient(
                try RedisAddress("unix://\(server.socket)"), limits: try Self.options(server).redis)
            let name = "apus:1:1:\(Self.tag):"
            try await Self.store(cache, metrics)
            // The last part of the key is the hash of the target.
            let whole = Bytes(name.utf8) + Self.targetHash
            #expect(try await client.value(whole, upTo: 10_000) == SharedCache.encode(Self.answer))
            try await client.set(whole, Bytes("nonsense".utf8), forMilliseconds: 60_000)
            #expect(await Self.find(cache) == nil)
            await client.close()
        }
    }

    /// Keccak-256 of the target, as text.
    static let targetHash = Bytes(
        keccak256(utf8: key.target).description.dropFirst(2).utf8)

    @Test func `a value that is cut or longer is none`() {
        let value = SharedCache.encode(Self.answer)
        #expect(SharedCache.decode(value) == Self.answer)
        for count in 0..<value.count {
            #expect(SharedCache.decode(Bytes(value.prefix(count))) == nil)
        }
        #expect(SharedCache.decode(value + [0]) == nil)
        #expect(SharedCache.decode(value + [0, 0, 0, 0]) == nil)
        #expect(SharedCache.decode(Bytes(repeating: 0xff, count: 100)) == nil)
    }

    // MARK: - In gateways

    /// A gateway before a node, and what it asks Redis.
    static func gateway(
        _ backend: UpstreamBackend, _ server: RedisServer
    ) throws -> (gateway: Gateway, metrics: MetricsRegistry) {
        var options = GatewayOptions(host: "127.0.0.1", port: 0)
        options.anonymous = [.reader, .probe, .monitor]
        options.audit = .off
        options.addressRate = 0
        options.cacheBytes = 0
        options.shared = try Self.options(server)
        let metrics = MetricsRegistry()
        let gateway = try Gateway(
            backend: backend, options: options,
            admission: Admission(
                options, policy: RolePolicy(),
                verifier: TokenVerifier(
                    keys: TokenKeyRing([TokenSigningKey]()), audience: "apus", clockSkew: 30,
                    longestLife: 60), logger: GatewayFixture.quiet, now: { 0 }),
            metrics: metrics, version: "1", logger: GatewayFixture.quiet, now: { 0 })
        return (gateway, metrics)
    }

    static func get(_ gateway: Gateway, _ target: String) async throws -> Reply {
        let head = HTTPRequest(method: .get, scheme: nil, authority: "localhost", path: target)
        return Reply(
            response: await gateway.respond(
                to: IncomingRequest(head: head, peer: NetworkAddress("127.0.0.1")) { _ in [] }))
    }

    @Test func `a node is asked once by two gateways, and again after its next block`()
        async throws
    {
        let server = try RedisServer()
        let node = try await FakeNode()
        node.state.withLock { state in
            state.react = { [unowned node] request in
                let tag = node.state.withLock { node.tag($0) }
                return .answer(
                    200, "answer to \(request.target)", headers: [("ETag", "\"\(tag)\"")])
            }
        }
        try await UpstreamBackendTests.withFleet([node]) { backend in
            while backend.tags(for: .view).isEmpty { try await Task.sleep(for: .milliseconds(5)) }
            let one = try Self.gateway(backend, server)
            let two = try Self.gateway(backend, server)
            let running = [one, two].map { pair in Task { await pair.gateway.shared?.run() } }
            let first = try await Self.get(one.gateway, "/api/balance/1")
            #expect(first.status == 200)
            while Self.count(one.metrics, "writes", "stored") == 0 {
                try await Task.sleep(for: .milliseconds(2))
            }
            let second = try await Self.get(two.gateway, "/api/balance/1")
            let bytes = (try await first.bytes(), try await second.bytes())
            #expect(bytes.0 == bytes.1)
            #expect(second.header("ETag") == first.header("ETag"))
            #expect(node.requests.count == 1)
            #expect(Self.count(two.metrics, "lookups", "hit") == 1)
            // The next block: the old copy is still there, and is not found.
            node.state.withLock { $0.number += 1 }
            try await node.kill()
            try await node.start()
            while backend.tags(for: .view).first?.counter != 11 {
                try await Task.sleep(for: .milliseconds(5))
            }
            let third = try await Self.get(two.gateway, "/api/balance/1")
            #expect(third.status == 200)
            #expect(node.requests.count == 2)
            // Without Redis everything is answered as before.
            server.stop()
            for key in 0..<10 {
                let answer = try await Self.get(one.gateway, "/api/balance/\(key)")
                #expect(answer.status == 200)
            }
            let reply = try await Self.get(one.gateway, "/health/redis")
            let health = try await reply.json
            #expect(health["status"] == "degraded")
            for task in running {
                task.cancel()
                await task.value
            }
        }
    }
}
