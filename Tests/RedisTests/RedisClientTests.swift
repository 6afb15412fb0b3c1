import Primitives
import Redis
import TestSupport
import Testing

/// Against a real server.
@Suite(.enabled(if: RedisServer.binary != nil, "\(RedisServer.isMissing)"))
struct RedisClientTests {
    /// Runs something with a server and a client of it, and ends both.
    static func withClient(
        limits: RedisLimits = patient,
        _ body: (RedisClient, RedisServer) async throws -> Void
    ) async throws {
        let server = try RedisServer()
        let client = try Self.client(server, limits: limits)
        try await body(client, server)
        await client.close()
        server.stop()
    }

    static func client(
        _ server: RedisServer, password: String? = nil, limits: RedisLimits = .init()
    ) throws -> RedisClient {
        try RedisClient(
            RedisAddress("unix://\(server.socket)"), password: password, limits: limits)
    }

    /// A generous time for commands: the machine may be busy.
    static var patient: RedisLimits {
        var limits = RedisLimits()
        limits.connectMilliseconds = 10_000
        limits.commandMilliseconds = 10_000
        limits.waitMilliseconds = 10_000
        return limits
    }

    @Test func `a value is found again, whatever bytes it has`() async throws {
        try await Self.withClient { client, _ in
            let key: Bytes = [0, 1, 255, 10, 13]
            let value = Bytes((0..<70_000).map { UInt8(truncatingIfNeeded: $0 &* 7) })
            #expect(try await client.value(key, upTo: 100_000) == nil)
            try await client.set(key, value, forMilliseconds: 60_000)
            #expect(try await client.value(key, upTo: 100_000) == value)
        }
    }

    @Test func `a value longer than asked for is cut`() async throws {
        try await Self.withClient { client, _ in
            try await client.set([1], Bytes(repeating: 7, count: 1000), forMilliseconds: 60_000)
            #expect(try await client.value([1], upTo: 10) == Bytes(repeating: 7, count: 10))
        }
    }

    @Test func `a value is gone after its time`() async throws {
        try await Self.withClient { client, _ in
            try await client.set([1], [2], forMilliseconds: 1)
            while try await client.value([1], upTo: 10) != nil { await Task.yield() }
        }
    }

    @Test func `a server on a port is reached, and its database selected`() async throws {
        let port = RedisServer.freePort()
        let server = try RedisServer(port: port)
        let third = try RedisClient(
            RedisAddress("redis://127.0.0.1:\(port)/3"), limits: Self.patient)
        try await third.set([1], [2], forMilliseconds: 60_000)
        #expect(try await third.value([1], upTo: 10) == [2])
        let first = try RedisClient(RedisAddress("redis://127.0.0.1:\(port)"), limits: Self.patient)
        #expect(try await first.value([1], upTo: 10) == nil)
        await third.close()
        await first.close()
        server.stop()
    }

    @Test func `the right password opens the server, no other`() async throws {
        let server = try RedisServer(password: "right")
        let right = try Self.client(server, password: "right", limits: Self.patient)
        try await right.ping()
        for password in ["wrong", nil] {
            let client = try Self.client(server, password: password, limits: Self.patient)
            let error = await #expect(throws: RedisError.self) { try await client.ping() }
            guard case .refused = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            await client.close()
        }
        await right.close()
        server.stop()
    }

    @Test func `what a server says to a password is not told`() async throws {
        // A command that it does not have is refused with all that was sent.
        let server = try RedisServer(settings: ["--rename-command", "AUTH", ""])
        let client = try Self.client(server, password: "the-secret", limits: Self.patient)
        let error = await #expect(throws: RedisError.self) { try await client.ping() }
        guard case .refused(let reason) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(!reason.contains("the-secret"))
        await client.close()
        server.stop()
    }

    @Test func `a server that is not there is an error`() async throws {
        let client = try RedisClient(RedisAddress("unix:///nowhere/redis.sock"))
        let error = await #expect(throws: RedisError.self) { try await client.ping() }
        guard case .unreachable = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        await client.close()
    }

    @Test func `a server that has been started again is used again`() async throws {
        try await Self.withClient { client, server in
            try await client.set([1], [2], forMilliseconds: 60_000)
            server.stop()
            await #expect(throws: RedisError.self) { try await client.ping() }
            try server.start()
            #expect(try await client.value([1], upTo: 10) == nil)
        }
    }

    @Test func `an idle connection that the server has closed costs no call`() async throws {
        try await Self.withClient { client, server in
            try await client.ping()
            server.stop()
            try server.start()
            try await client.ping()
        }
    }

    @Test func `a server that answers nothing is given up`() async throws {
        var limits = Self.patient
        limits.commandMilliseconds = 50
        try await Self.withClient(limits: limits) { client, server in
            server.freeze()
            await #expect(throws: RedisError.timedOut) { try await client.ping() }
        }
    }

    @Test func `calls beyond the limit are refused without asking`() async throws {
        var limits = Self.patient
        limits.commandMilliseconds = 500
        limits.calls = 2
        limits.threads = 1
        try await Self.withClient(limits: limits) { client, server in
            server.freeze()
            let errors = await withTaskGroup(of: RedisError?.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        do throws(RedisError) {
                            try await client.ping()
                            return nil
                        } catch {
                            return error
                        }
                    }
                }
                return await group.reduce(into: []) { $0.append($1) }
            }
            #expect(errors.contains(.busy))
        }
    }

    @Test func `a closed client refuses`() async throws {
        try await Self.withClient { client, _ in
            await client.close()
            await #expect(throws: RedisError.busy) { try await client.ping() }
        }
    }

    @Test func `many at once get each its own value`() async throws {
        try await Self.withClient { client, _ in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<200 {
                    group.addTask {
                        let key = Bytes("k\(index)".utf8)
                        let value = Bytes("v\(index)".utf8)
                        try await client.set(key, value, forMilliseconds: 60_000)
                        #expect(try await client.value(key, upTo: 100) == value)
                    }
                }
                try await group.waitForAll()
            }
        }
    }
}
