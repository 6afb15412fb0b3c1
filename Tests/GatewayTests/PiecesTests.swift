import Gateway
import PluginAPI
import Primitives
import RPC
import Storage
import TestSupport
import Testing

@Suite struct RequestTargetTests {
    @Test func `a target has segments and parameters, decoded`() throws {
        let target = try RequestTarget("/api/a%20b/%E2%82%AC?x=1&y=a+b%2B&z")
        #expect(target.segments == ["api", "a b", "€"])
        #expect(target.query == ["x": "1", "y": "a b+", "z": ""])
        #expect(try RequestTarget("/").segments == [""])
        #expect(try RequestTarget("/a/").segments == ["a", ""])
        #expect(try RequestTarget("/a%2Fb").segments == ["a/b"])
        #expect(try RequestTarget("/a?").query.isEmpty)
    }

    @Test func `what asks for the same has one form`() throws {
        let first = try RequestTarget("/api/%61?b=2&a=%31")
        let second = try RequestTarget("/api/a?a=1&b=2")
        #expect(first.canonical == second.canonical)
        let others = ["/api/a?a=1&b=3", "/api/a%3Fa=1&b=2", "/api/a", "/api/a/"]
        for other in others {
            #expect(try RequestTarget(other).canonical != second.canonical)
        }
    }

    @Test(arguments: [
        ("", 400), ("*", 400), ("a/b", 400), ("/%", 400), ("/%4", 400), ("/%zz", 400),
        ("/%ff", 400), ("/a b", 400), ("/a\u{7f}", 400), ("/é", 400), ("/?a=1&a=2", 400),
        ("/?=1", 400), ("/?&", 400), ("/?a=%ff", 400), ("/?a=%C3%28", 400), ("/%0x", 400),
        ("/" + String(repeating: "a/", count: 16), 400),
        ("/?" + (0..<33).map { "a\($0)" }.joined(separator: "&"), 400),
        ("/" + String(repeating: "a", count: 4_096), 414), ("http://h/a", 400),
    ])
    func `what cannot be read is a problem`(text: String, status: Int) {
        #expect {
            try RequestTarget(text)
        } throws: { ($0 as? Problem)?.status == status }
    }
}

@Suite struct RateLimiterTests {
    private let start = ContinuousClock.now

    @Test func `a key has two seconds' worth at once, and then its rate`() {
        let limiter = RateLimiter<String>(rate: 10)
        for _ in 0..<20 { #expect(limiter.take(1, for: "a", at: start) == nil) }
        #expect(limiter.take(1, for: "a", at: start) == 1)
        #expect(limiter.take(1, for: "b", at: start) == nil)
        #expect(limiter.take(1, for: "a", at: start + .milliseconds(99)) == 1)
        #expect(limiter.take(1, for: "a", at: start + .milliseconds(101)) == nil)
        #expect(limiter.take(1, for: "a", at: start + .milliseconds(101)) == 1)
    }

    @Test func `who must wait is told how long`() {
        let limiter = RateLimiter<String>(rate: 2)
        #expect(limiter.take(4, for: "a", at: start) == nil)
        #expect(limiter.take(4, for: "a", at: start) == 2)
        #expect(limiter.take(1, for: "a", at: start) == 1)
    }

    @Test func `what costs more than a bucket holds waits for a full one`() {
        let limiter = RateLimiter<String>(rate: 1)
        #expect(limiter.take(10, for: "a", at: start) == nil)
        // Ten units are owed, and two must be there again.
        #expect(limiter.take(10, for: "a", at: start) == 10)
        #expect(limiter.take(10, for: "a", at: start + .seconds(10)) == nil)
    }

    @Test func `time that goes backwards fills nothing`() {
        let limiter = RateLimiter<String>(rate: 1)
        #expect(limiter.take(2, for: "a", at: start + .seconds(5)) == nil)
        #expect(limiter.take(1, for: "a", at: start) == 1)
        #expect(limiter.take(1, for: "a", at: start + .seconds(5)) == 1)
    }

    @Test func `the table is bounded, and newcomers to a full one share`() {
        let limiter = RateLimiter<Int>(rate: 1, limit: 100)
        for key in 0..<100 { #expect(limiter.take(1, for: key, at: start) == nil) }
        #expect(limiter.take(1, for: 1_000, at: start) == nil)
        #expect(limiter.take(1, for: 1_001, at: start) == nil)
        #expect(limiter.take(1, for: 1_002, at: start) == 1)
        #expect(limiter.count == 100)
        // Buckets that are full again are forgotten.
        #expect(limiter.take(1, for: 1_003, at: start + .seconds(2)) == nil)
        #expect(limiter.count == 1)
    }
}

@Suite struct AnswerCacheTests {
    private func answer(_ size: Int, _ counter: UInt64 = 1) -> CachedAnswer {
        CachedAnswer(
            mediaType: "application/json", body: Bytes(repeating: 1, count: size),
            state: StateTag(
                instance: 1, counter: counter, block: BlockReference(number: 1, hash: .zero)))
    }

    @Test func `an answer is found for what it follows from alone`() {
        let cache = AnswerCache(limit: 1 << 20)
        cache.store(answer(10), under: CacheKey(target: "/a", entityTag: "1"))
        #expect(cache.find(CacheKey(target: "/a", entityTag: "1")) == answer(10))
        #expect(cache.find(CacheKey(target: "/a", entityTag: "2")) == nil)
        #expect(cache.find(CacheKey(target: "/b", entityTag: "1")) == nil)
        #expect(cache.figures.hits == 1)
        #expect(cache.figures.misses == 2)
    }

    @Test func `a later answer takes the place of the earlier`() {
        let cache = AnswerCache(limit: 1 << 20)
        cache.store(answer(10), under: CacheKey(target: "/a", entityTag: "1"))
        cache.store(answer(20, 2), under: CacheKey(target: "/a", entityTag: "2"))
        #expect(cache.find(CacheKey(target: "/a", entityTag: "1")) == nil)
        #expect(cache.find(CacheKey(target: "/a", entityTag: "2")) == answer(20, 2))
        #expect(cache.figures.entries == 1)
    }

    @Test func `what was not used for the longest time goes first`() {
        let cache = AnswerCache(limit: 16 << 10)
        for name in ["/a", "/b", "/c"] {
            cache.store(answer(1_700), under: CacheKey(target: name, entityTag: "1"))
        }
        _ = cache.find(CacheKey(target: "/a", entityTag: "1"))
        var next = 0
        while cache.figures.entries == 3 + next {
            cache.store(answer(1_700), under: CacheKey(target: "/n\(next)", entityTag: "1"))
            next += 1
        }
        #expect(cache.find(CacheKey(target: "/b", entityTag: "1")) == nil)
        #expect(cache.find(CacheKey(target: "/a", entityTag: "1")) != nil)
        #expect(cache.find(CacheKey(target: "/c", entityTag: "1")) != nil)
    }

    @Test func `it never holds more than it may`() {
        let limit = 64 << 10
        let cache = AnswerCache(limit: limit)
        var generator = SeededRandom(seed: 7)
        for index in 0..<2_000 {
            let size = Int.random(in: 0...9_000, using: &generator)
            let target = "/\(Int.random(in: 0...50, using: &generator))"
            cache.store(answer(size), under: CacheKey(target: target, entityTag: "\(index % 3)"))
            #expect(cache.figures.bytes <= limit)
        }
        #expect(cache.figures.entries > 1)
        cache.store(answer(limit), under: CacheKey(target: "/large", entityTag: "1"))
        #expect(cache.find(CacheKey(target: "/large", entityTag: "1")) == nil)
    }

    @Test func `one without room keeps nothing`() {
        let cache = AnswerCache(limit: 0)
        cache.store(answer(0), under: CacheKey(target: "/a", entityTag: "1"))
        #expect(cache.figures.entries == 0)
    }
}

@Suite struct RouteTableTests {
    private func route(_ method: RESTRoute.Method, _ path: String) -> GatewayRoute {
        GatewayRoute(
            method: method, path: path, role: .reader, cost: .instant, cache: .none,
            isIdempotent: true, takesBody: false, operation: [:])
    }

    private func find(
        _ table: RouteTable, _ method: RESTRoute.Method?, _ path: String
    ) throws -> String {
        switch table.match(method, try RequestTarget(path).segments) {
        case .found(let route, let values):
            let list = values.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            return ([route.name] + list).joined(separator: " ")
        case .otherMethods(let methods): return methods.map(\.rawValue).joined(separator: ",")
        case .nothing: return "-"
        }
    }

    @Test func `a segment that is written out wins over a parameter`() throws {
        let table = RouteTable([
            route(.get, "/a/{x}"), route(.get, "/a/b"), route(.get, "/a/{x}/c"),
            route(.get, "/a/b/d"), route(.post, "/a/{x}"), route(.get, "/"),
            route(.get, "/a/{y}/e/{z}"),
        ])
        #expect(try find(table, .get, "/a/b") == "GET /a/b")
        #expect(try find(table, .get, "/a/q") == "GET /a/{x} x=q")
        #expect(try find(table, .post, "/a/b") == "POST /a/{x} x=b")
        #expect(try find(table, .get, "/a/b/c") == "GET /a/{x}/c x=b")
        #expect(try find(table, .get, "/a/b/d") == "GET /a/b/d")
        #expect(try find(table, .get, "/a/q/d") == "-")
        #expect(try find(table, .get, "/a/1/e/2") == "GET /a/{y}/e/{z} y=1 z=2")
        #expect(try find(table, .get, "/") == "GET /")
        #expect(try find(table, .post, "/") == "GET")
        #expect(try find(table, nil, "/a/b") == "GET")
        #expect(try find(table, .get, "/a") == "-")
        #expect(try find(table, .get, "/a/q/") == "-")
        #expect(try find(table, .get, "/a/") == "GET /a/{x} x=")
    }
}

@Suite struct TagTests {
    private let tag = StateTag(
        instance: 0xab, counter: 7, block: BlockReference(number: 12, hash: .zero))

    @Test func `a state is written and read`() {
        let text = "00000000000000ab.7.12.0x" + String(repeating: "0", count: 64)
        #expect(tag.description == text)
        #expect(StateTag(text) == tag)
        #expect(tag.entityTag == "\"\(text)\"")
    }

    @Test func `an event's place is written and read`() {
        let cursor = EventCursor(sequence: 3, head: BlockReference(number: 9, hash: .zero))
        #expect(cursor.description == "3.9.0x" + String(repeating: "0", count: 64))
        #expect(EventCursor(cursor.description) == cursor)
    }

    @Test(arguments: [
        "", ".", "...", "1.2", "1.2.3", "ab.7.12.0x00", "00000000000000AB.7.12.0x00",
        "+0000000000000ab.7.12.0x" + String(repeating: "0", count: 64),
        "00000000000000ab.-0.12.0x" + String(repeating: "0", count: 64),
        "-0.12.0x" + String(repeating: "0", count: 64),
        "00000000000000ab.-7.12.0x" + String(repeating: "0", count: 64),
        "00000000000000ab.7.+12.0x" + String(repeating: "0", count: 64),
        "00000000000000ab.7.12.0x" + String(repeating: "0", count: 63),
        "00000000000000ab.7.12.0x" + String(repeating: "0", count: 64) + ".1",
        "99999999999999999999.1.0x" + String(repeating: "0", count: 64),
    ])
    func `what is neither is refused`(text: String) {
        #expect(StateTag(text) == nil)
        #expect(EventCursor(text) == nil)
    }

    @Test func `events are text as the standard has it`() {
        let block = BlockReference(number: 2, hash: .zero)
        let zeros = "0x" + String(repeating: "0", count: 64)
        let text = EventText.encode([
            .block(
                .reverted, block, parentHash: .zero,
                cursor: EventCursor(sequence: 5, head: BlockReference(number: 1, hash: .zero))),
            .state(tag),
        ])
        #expect(
            String(decoding: text, as: UTF8.self) == """
                id: 5.1.\(zeros)
                event: reverted
                data: {"number":2,"hash":"\(zeros)","parent_hash":"\(zeros)"}

                event: state
                data: \(tag)


                """)
        #expect(String(decoding: EventText.encode([]), as: UTF8.self) == ": nothing new\n\n")
    }
}
