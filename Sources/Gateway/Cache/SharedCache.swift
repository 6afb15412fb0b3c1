import Cryptography
import Foundation
public import Logging
public import PluginAPI
import Primitives
import Redis
import Synchronization

/// Copies of answers that several gateways share, in Redis: what one has worked out, none of the
/// others has to.
///
/// It is a second place to look, behind the copies in memory, and never a reason for a request to
/// fail or to wait for long: a Redis that does not answer is left alone for a while
/// (`CircuitBreaker`), and a value that is not whole is none. Answers stand under the chain, the
/// state that they follow from, and what was asked for, so that nothing is ever invalidated; a time
/// to live clears them away.
///
///     apus:1:<chain id>:<entity tag>:<Keccak-256 of the target>
///         →  mediaType‖state‖body, each after its length[4]
public final class SharedCache: Sendable {
    /// Limits of what is kept.
    public struct Limits: Sendable, Hashable {
        /// Seconds that a copy is kept: longer than a block, so that a quiet chain profits.
        public var seconds: UInt64 = 60
        /// Bytes of a copy. Larger ones are dearer to fetch than worth.
        public var bytes = 256 << 10
        /// Bytes of copies that wait to be written; further ones are not.
        public var waitingBytes = 16 << 20

        /// The usual limits.
        public init() {}
    }

    private struct State {
        var breaker = CircuitBreaker()
        /// What went wrong last; nil after a success.
        var failure: RedisError?
        /// Bytes that wait to be written.
        var waitingBytes = 0
    }

    private let client: RedisClient
    private let limits: Limits
    private let lookups: Counter
    private let writes: Counter
    private let logger: Logger
    private let state = Mutex(State())
    private let queue: (stream: AsyncStream<Write>, continuation: AsyncStream<Write>.Continuation)

    private struct Write: Sendable {
        let key: Bytes
        let value: Bytes
    }

    /// A cache; `run` writes what is to be kept. Nothing is asked of the server yet.
    ///
    /// - Throws: `GatewayError` if the file with the password cannot be read, or others can.
    public convenience init(
        _ options: SharedCacheOptions, metrics: MetricsRegistry, logger: Logger
    ) throws(GatewayError) {
        let password = try options.passwordFile.map { path throws(GatewayError) in
            try TokenKeyFile.text(of: path).trimmingCharacters(in: .whitespacesAndNewlines)
        }
        self.init(
            RedisClient(options.address, password: password, limits: options.redis),
            limits: options.limits, metrics: metrics, logger: logger)
    }

    /// A cache in a server that a client reaches.
    package init(
        _ client: RedisClient, limits: Limits, metrics: MetricsRegistry, logger: Logger
    ) {
        self.client = client
        self.limits = limits
        self.logger = logger
        lookups = metrics.counter(
            "apus_gateway_shared_cache_lookups_total", "Looks for copies in the shared cache.",
            label: MetricLabel("result", ["hit", "miss", "error", "skipped"]))
        writes = metrics.counter(
            "apus_gateway_shared_cache_writes_total", "Copies for the shared cache.",
            label: MetricLabel("result", ["stored", "too-large", "error", "skipped"]))
        queue = AsyncStream.makeStream(of: Write.self)
    }

    /// Writes what is to be kept until its task is cancelled, and ends the connections.
    public func run() async {
        for await write in queue.stream {
            state.withLock { $0.waitingBytes -= write.value.count }
            guard admits() else {
                writes.add(1, "skipped")
                continue
            }
            do throws(RedisError) {
                try await client.set(
                    write.key, write.value, forMilliseconds: Int(limits.seconds) * 1000)
                succeeded()
                writes.add(1, "stored")
            } catch {
                failed(error)
                writes.add(1, error == .busy ? "skipped" : "error")
            }
        }
        await client.close()
    }

    /// The copy of the answer to a target, if there is one that follows from one of these states and
    /// Redis answers in time.
    public func find(
        _ target: String, entityTags: [String], chainId: UInt64
    ) async -> (entityTag: String, answer: CachedAnswer)? {
        for entityTag in entityTags.prefix(Self.mostLooks) {
            guard admits() else {
                lookups.add(1, "skipped")
                return nil
            }
            do throws(RedisError) {
                let key = CacheKey(target: target, entityTag: entityTag)
                let value = try await client.value(
                    Self.name(key, chainId), upTo: limits.bytes + Self.overhead)
                succeeded()
                if let answer = value.flatMap({ Self.decode($0) }) {
                    lookups.add(1, "hit")
                    return (entityTag, answer)
                }
            } catch {
                failed(error)
                lookups.add(1, error == .busy ? "skipped" : "error")
                return nil
            }
        }
        lookups.add(1, "miss")
        return nil
    }

    /// Has a copy kept, some time soon. Never waits.
    public func store(_ answer: CachedAnswer, under key: CacheKey, chainId: UInt64) {
        guard answer.body.count <= limits.bytes else { return writes.add(1, "too-large") }
        let write = Write(key: Self.name(key, chainId), value: Self.encode(answer))
        let hasRoom = state.withLock { state in
            guard state.waitingBytes + write.value.count <= limits.waitingBytes else {
                return false
            }
            state.waitingBytes += write.value.count
            return true
        }
        guard hasRoom else { return writes.add(1, "skipped") }
        queue.continuation.yield(write)
    }

    /// How it is: never worse than degraded, because nothing fails without it.
    public var health: ModuleHealth {
        let (condition, failure) = state.withLock {
            ($0.breaker.condition(at: .now), $0.failure)
        }
        var facts = ["address": client.address.description, "circuit": condition.rawValue]
        if let failure { facts["reason"] = failure.description }
        return ModuleHealth("redis", PluginHealth(failure == nil ? .ok : .degraded, facts))
    }

    // MARK: - Failures

    private func admits() -> Bool {
        let now = ContinuousClock.now
        return state.withLock { state in
            guard state.breaker.admits(at: now) else { return false }
            state.breaker.begin(at: now, deadline: now + .seconds(2))
            return true
        }
    }

    private func succeeded() {
        let wasFailing = state.withLock { state in
            defer { state.failure = nil }
            state.breaker.succeeded()
            return state.failure != nil
        }
        if wasFailing { logger.notice("the shared cache answers again") }
    }

    private func failed(_ error: RedisError) {
        // Nothing was asked, so nothing is known.
        if error == .busy { return state.withLock { $0.breaker.abandoned() } }
        let wasWell = state.withLock { state in
            defer { state.failure = error }
            state.breaker.failed(at: .now)
            return state.failure == nil
        }
        if wasWell {
            logger.warning(
                "the shared cache does not answer; requests are answered without it",
                metadata: ["reason": "\(error)"])
        }
    }

    // MARK: - Keys and values

    static func name(_ key: CacheKey, _ chainId: UInt64) -> Bytes {
        let tag = key.entityTag.filter { $0 != "\"" }
        let target = keccak256(Bytes(key.target.utf8))
        return Bytes("apus:1:\(chainId):\(tag):\(Hex.encode(target.bytes).dropFirst(2))".utf8)
    }

    package static func encode(_ answer: CachedAnswer) -> Bytes {
        var value: Bytes = []
        for part in [
            Bytes(answer.mediaType.utf8), Bytes(answer.state.description.utf8), answer.body,
        ] {
            value += withBytes(of: UInt32(part.count)) + part
        }
        return value
    }

    package static func decode(_ value: Bytes) -> CachedAnswer? {
        var parts: [ArraySlice<UInt8>] = []
        var rest = value[...]
        while !rest.isEmpty {
            guard rest.count >= 4, parts.count < 3 else { return nil }
            let count = rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
            rest = rest.dropFirst(4)
            guard rest.count >= count else { return nil }
            parts.append(rest.prefix(count))
            rest = rest.dropFirst(count)
        }
        guard parts.count == 3, let mediaType = String(validating: parts[0], as: UTF8.self),
            let state = StateTag(String(decoding: parts[1], as: UTF8.self))
        else { return nil }
        return CachedAnswer(mediaType: mediaType, body: Bytes(parts[2]), state: state)
    }

    private static func withBytes(of number: UInt32) -> Bytes {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: number >> $0) }
    }

    /// Bytes of a value beside the body, at most.
    private static let overhead = 512
    /// States that are looked under for one request: each look is a round trip.
    private static let mostLooks = 4
}
