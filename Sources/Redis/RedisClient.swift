import Glibc
import NIOPosix
public import Primitives
import Synchronization

/// What a client of Redis takes at most.
public struct RedisLimits: Hashable, Sendable {
    /// Time for a connection: a server that needs longer is of no use to a cache.
    public var connectMilliseconds = 250
    /// Time for each read and write of a command.
    public var commandMilliseconds = 100
    /// Time that a call waits for a thread; after that nothing is asked.
    public var waitMilliseconds = 100
    /// Calls that wait or run at once.
    public var calls = 1_024
    /// Threads, and so connections: calls block, and each takes some 15 µs.
    public var threads = 4

    /// The usual limits.
    public init() {}
}

/// Keeps and finds values in a Redis server, for several processes.
///
/// Calls of hiredis block, so they run on threads of the client's own: neither the event loops nor
/// Swift's pool wait for Redis.
///
/// What bounds a call: one that gets no thread within `waitMilliseconds` asks nothing, and hears so
/// when a thread is free. After that each write to the socket and each read from it may take
/// `commandMilliseconds`: mostly there is one of each. Without an idle connection a new one comes
/// first, which has `connectMilliseconds`, and a write and a read for signing in and for selecting
/// the database; if the server has closed an idle one, what that took comes on top. A long value
/// that the server sends in small pieces may take longer: each piece has its own time.
public final class RedisClient: Sendable {
    /// Where the server is.
    public let address: RedisAddress
    private let password: String?
    private let limits: RedisLimits
    private let threads: NIOThreadPool
    private let state = Mutex(State())

    private struct State {
        /// Connections nobody uses now, the last used at the end.
        var idle: [RedisConnection] = []
        var calls = 0
        var isClosed = false
    }

    /// A client; it connects when it is first used.
    ///
    /// - Parameter password: what the server asks for; never logged.
    public init(_ address: RedisAddress, password: String? = nil, limits: RedisLimits = .init()) {
        self.address = address
        self.password = password
        self.limits = limits
        // hiredis writes with `write`: the end of a connection must be an error, not a signal.
        signal(SIGPIPE, SIG_IGN)
        threads = NIOThreadPool(numberOfThreads: limits.threads)
        threads.start()
    }

    /// Ends the connections. Calls after that are refused as busy.
    public func close() async {
        state.withLock { $0.isClosed = true }
        try? await threads.shutdownGracefully()
        state.withLock { $0.idle = [] }
    }

    /// The value of a key; `nil` if there is none.
    ///
    /// - Parameter limit: bytes that are read at most. A longer value is cut, so that nobody else's
    ///   can fill the memory here.
    public func value(_ key: Bytes, upTo limit: Int) async throws(RedisError) -> Bytes? {
        let reply = try await run([Self.getRange, key, Self.zero, Bytes(String(limit - 1).utf8)])
        guard case .bytes(let bytes) = reply else { throw .unexpectedReply }
        return bytes.isEmpty ? nil : bytes
    }

    /// Keeps a value for a time.
    public func set(
        _ key: Bytes, _ value: Bytes, forMilliseconds milliseconds: Int
    ) async throws(RedisError) {
        let time = Bytes(String(max(1, milliseconds)).utf8)
        guard case .status = try await run([Self.set, key, value, Self.expiry, time]) else {
            throw .unexpectedReply
        }
    }

    /// Asks whether the server is there.
    public func ping() async throws(RedisError) {
        _ = try await run([Bytes("PING".utf8)])
    }

    private func run(_ command: [Bytes]) async throws(RedisError) -> RedisReply {
        let isAdmitted = state.withLock { state in
            guard !state.isClosed, state.calls < limits.calls else { return false }
            state.calls += 1
            return true
        }
        guard isAdmitted else { throw .busy }
        defer { state.withLock { $0.calls -= 1 } }
        let deadline = ContinuousClock.now + .milliseconds(limits.waitMilliseconds)
        let result: Result<RedisReply, RedisError>
        do {
            result = try await threads.runIfActive {
                guard ContinuousClock.now < deadline else { return .failure(.busy) }
                return self.perform(command)
            }
        } catch {
            // The pool has been shut down.
            throw .busy
        }
        return try result.get()
    }

    /// On a thread of the pool. A connection that has been idle may have been closed by the server,
    /// so its failure counts only if a new one fails as well.
    private func perform(_ command: [Bytes]) -> Result<RedisReply, RedisError> {
        if let connection = state.withLock({ $0.idle.popLast() }) {
            switch attempt(command, connection) {
            case .failure(.lost): state.withLock { $0.idle = [] }
            case let result: return result
            }
        }
        do throws(RedisError) {
            return attempt(
                command, try RedisConnection(address, password: password, limits: limits))
        } catch {
            return .failure(error)
        }
    }

    private func attempt(
        _ command: [Bytes], _ connection: RedisConnection
    ) -> Result<RedisReply, RedisError> {
        do throws(RedisError) {
            let reply = try connection.run(command)
            giveBack(connection)
            return .success(reply)
        } catch {
            if case .refused = error { giveBack(connection) }
            return .failure(error)
        }
    }

    private func giveBack(_ connection: RedisConnection) {
        state.withLock { state in
            if !state.isClosed, state.idle.count < limits.threads { state.idle.append(connection) }
        }
    }

    private static let getRange = Bytes("GETRANGE".utf8)
    private static let set = Bytes("SET".utf8)
    private static let expiry = Bytes("PX".utf8)
    private static let zero = Bytes("0".utf8)
}
