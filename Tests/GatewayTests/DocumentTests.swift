import Foundation
import Gateway
import PluginAPI
import Primitives
import Testing

/// What the gateway says about itself: the OpenAPI document, the page, the figures.
@Suite struct DocumentTests {
    // MARK: - OpenAPI

    @Test func `the document has every route with what it needs`() async throws {
        let test = try await GatewayFixture()
        let document = try await test.get("/openapi.json").json
        #expect(document["openapi"] == "3.1.0")
        #expect(document["info"]?["version"] == "1.2.3")
        var identifiers: Set<String> = []
        for route in test.gateway.routes {
            let method = route.method.rawValue.lowercased()
            let operation = try #require(document["paths"]?[route.path]?[method])
            #expect(operation["x-apus-role"]?.stringValue == route.role.description)
            #expect(operation["x-apus-cost"]?.stringValue == route.cost.rawValue)
            #expect(operation["x-apus-cache"]?.stringValue == route.cache.rawValue)
            #expect(operation["x-apus-idempotent"]?.boolValue == route.isIdempotent)
            #expect((operation["requestBody"] != nil) == route.takesBody)
            #expect(operation["summary"]?.stringValue?.isEmpty == false)
            let identifier = operation["operationId"]?.stringValue ?? ""
            let isNew = identifiers.insert(identifier).inserted
            #expect(isNew, "an operation has its own id: \(route.name)")
            let declared = (operation["parameters"]?.arrayValue ?? [])
                .filter { $0["in"] == "path" }.compactMap { $0["name"]?.stringValue }
            let inPath = route.path.split(separator: "/").filter { $0.hasPrefix("{") }
                .map { String($0.dropFirst().dropLast()) }
            #expect(declared == inPath)
            #expect(operation["responses"]?["200"]?["content"]?.objectValue?.keys.isEmpty == false)
            #expect(operation["responses"]?["default"] != nil)
        }
        let paths = try #require(document["paths"]?.objectValue)
        let count = paths.keys.reduce(0) { $0 + (paths[$1]?.objectValue?.keys.count ?? 0) }
        #expect(count == test.gateway.routes.count)
    }

    @Test func `only what changes the node is not to be asked twice`() async throws {
        let test = try await GatewayFixture()
        let changing = test.gateway.routes.filter { !$0.isIdempotent }.map(\.name)
        #expect(changing == ["POST /api/transaction"])
    }

    @Test func `an answer is what the document says of it`() async throws {
        let test = try await GatewayFixture()
        let document = try await test.get("/openapi.json").json
        let alice = GatewayFixture.alice.address
        for (path, target) in [
            ("/api/balance/{address}", "/api/balance/\(alice)"),
            ("/api/block/{id}", "/api/block/0"),
            ("/api/analytics/{address}", "/api/analytics/\(alice)"),
            ("/api/analytics/network", "/api/analytics/network"), ("/api/ai/fees", "/api/ai/fees"),
        ] {
            let schema = try #require(
                document["paths"]?[path]?["get"]?["responses"]?["200"]?["content"]?[
                    "application/json"]?["schema"])
            let answer = try await test.get(target).json
            for name in schema["required"]?.arrayValue ?? [] {
                #expect(answer[name.stringValue ?? ""] != nil, "\(target) has no \(name)")
            }
        }
    }

    // MARK: - The page

    @Test func `the page shows every route, and takes nothing from elsewhere`() async throws {
        let test = try await GatewayFixture()
        for path in ["/", "/docs"] {
            let reply = try await test.get(path)
            #expect(reply.header("Content-Type") == "text/html; charset=utf-8")
            #expect(
                reply.header("Content-Security-Policy")
                    == "default-src 'self'; frame-ancestors 'none'")
            let text = String(decoding: try await reply.bytes(), as: UTF8.self)
            for route in test.gateway.routes {
                #expect(text.contains("<code>\(route.path)</code>"))
            }
            // What the policy would stop: scripts and styles in the page, anything from elsewhere.
            for stopped in ["<script", "style=", "<style", "http://", "https://", "//cdn"] {
                #expect(!text.contains(stopped))
            }
            let links = text.matches(of: /(?:href|src)="([^"]*)"/).map { String($0.output.1) }
            #expect(Set(links) == ["/docs/style.css", "/openapi.json"])
        }
        let style = try await test.get("/docs/style.css")
        #expect(style.header("Content-Type") == "text/css; charset=utf-8")
        #expect(
            try await test.get("/livez").header("Content-Security-Policy")?.contains("'none'")
                == true)
    }

    @Test func `a plugin's words are text on the page and nothing else`() async throws {
        let test = try await GatewayFixture(plugins: [MarkupPlugin.self])
        let text = String(decoding: try await test.get("/").bytes(), as: UTF8.self)
        #expect(
            text.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;more&quot;"))
        #expect(!text.contains("<script"))
    }

    // MARK: - Figures

    @Test func `the figures are text that Prometheus reads`() async throws {
        let test = try await GatewayFixture()
        _ = try await test.get("/api/block/0")
        _ = try await test.get("/api/block/x")
        _ = try await test.get("/nothing")
        _ = try await test.rpc.dispatcher.call("eth_blockNumber", [])
        let reply = try await test.get("/metrics")
        #expect(reply.header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8")
        let text = String(decoding: try await reply.bytes(), as: UTF8.self)
        let page = try PrometheusPage(text)
        #expect(page.problems == [])
        for name in [
            "apus_build_info", "apus_chain_head_number", "apus_chain_head_timestamp_seconds",
            "apus_pool_pending_transactions", "apus_database_table_bytes", "apus_rpc_calls_total",
            "apus_plugin_commit_seconds", "apus_gateway_requests_total",
            "apus_gateway_cache_hits_total", "apus_gateway_request_seconds",
            "apus_resident_memory_bytes", "apus_prediction_trainings_total",
        ] {
            #expect(page.types[name] != nil, "\(name) is missing")
        }
        #expect(
            page.samples[
                "apus_gateway_requests_total{route=\"GET /api/block/{id}\",status=\"200\"}"] == 1)
        #expect(
            page.samples[
                "apus_gateway_requests_total{route=\"GET /api/block/{id}\",status=\"400\"}"] == 1)
        #expect(
            page.samples["apus_gateway_requests_total{route=\"other\",status=\"404\"}"] == 1)
        #expect(page.samples["apus_rpc_calls_total{namespace=\"eth\"}"] == 1)
        #expect(page.samples["apus_build_info{version=\"1.2.3\"}"] == 1)
    }

    @Test func `a route of the gateway's own that nodes serve as well has one series`()
        async throws
    {
        let node = try await FakeNode {
            $0.operations["GET /metrics"] = FakeNode.operation("monitor", "instant", "none", true)
        }
        try await UpstreamBackendTests.withFleet([node]) { backend in
            #expect(backend.routes.routes.contains { $0.name == "GET /metrics" })
            var options = GatewayOptions(host: "127.0.0.1", port: 0)
            options.anonymous = [.monitor]
            options.audit = .off
            options.addressRate = 0
            let gateway = try Gateway(
                backend: backend, options: options,
                admission: Admission(
                    options, policy: RolePolicy(),
                    verifier: TokenVerifier(
                        keys: TokenKeyRing([TokenSigningKey]()), audience: "apus", clockSkew: 30,
                        longestLife: 60), logger: GatewayFixture.quiet, now: { 0 }),
                metrics: MetricsRegistry(), version: "1", logger: GatewayFixture.quiet, now: { 0 })
            let same = gateway.routes.filter { $0.name == "GET /metrics" }
            #expect(same.count == 1)
            let reply = try await SharedCacheTests.get(gateway, "/metrics")
            let page = try PrometheusPage(String(decoding: try await reply.bytes(), as: UTF8.self))
            #expect(page.problems == [])
            #expect(page.types["apus_gateway_request_seconds"] == "histogram")
        }
    }

    @Test func `junk makes no new series`() async throws {
        let test = try await GatewayFixture(plugins: [])
        func count() async throws -> Int {
            _ = try await test.get("/nothing")
            let text = String(decoding: try await test.get("/metrics").bytes(), as: UTF8.self)
            return text.split(separator: "\n").count
        }
        _ = try await count()
        let before = try await count()
        for index in 0..<200 {
            _ = await test.send(
                "/junk/\(index)", token: try test.bearer("admin", service: "s\(index)"))
            _ = try? await test.rpc.dispatcher.call("junk_\(index)", [])
        }
        #expect(try await count() == before)
    }

    @Test func `labels and numbers are written as the format wants them`() {
        let registry = MetricsRegistry()
        registry.counter(
            "apus_test_total", "A \"test\"\nof \\ text.", label: MetricLabel("kind", ["a\"b\\c\nd"])
        ).add(1, "a\"b\\c\nd")
        registry.gauge("apus_test_nan_ratio", "Nothing.") { .nan }
        registry.gauge("apus_test_large_bytes", "Large.") { 1e20 }
        registry.gauge("apus_test_small_ratio", "Small.") { -0.25 }
        let text = String(decoding: Prometheus.text(registry.snapshot()), as: UTF8.self)
        #expect(
            text == #"""
                # HELP apus_test_large_bytes Large.
                # TYPE apus_test_large_bytes gauge
                apus_test_large_bytes 1e+20
                # HELP apus_test_nan_ratio Nothing.
                # TYPE apus_test_nan_ratio gauge
                apus_test_nan_ratio NaN
                # HELP apus_test_small_ratio Small.
                # TYPE apus_test_small_ratio gauge
                apus_test_small_ratio -0.25
                # HELP apus_test_total A "test"\nof \\ text.
                # TYPE apus_test_total counter
                apus_test_total{kind="a\"b\\c\nd"} 1

                """#)
    }
}

/// Reads the text format and looks for what `promtool check metrics` would complain about.
struct PrometheusPage {
    var types: [String: String] = [:]
    var helps: Set<String> = []
    var samples: [String: Double] = [:]
    var problems: [String] = []

    init(_ text: String) throws {
        if !text.hasSuffix("\n") { problems.append("the last line has no end") }
        var current = ""
        var seen: Set<String> = []
        for line in text.split(separator: "\n") {
            if let match = line.wholeMatch(of: /# HELP ([a-z_][a-z0-9_]*) (.+)/) {
                if !helps.insert(String(match.output.1)).inserted {
                    problems.append("help twice: \(line)")
                }
            } else if let match = line.wholeMatch(
                of: /# TYPE ([a-z_][a-z0-9_]*) (counter|gauge|histogram)/)
            {
                current = String(match.output.1)
                if !seen.insert(current).inserted { problems.append("family twice: \(current)") }
                types[current] = String(match.output.2)
                if !helps.contains(current) { problems.append("no help: \(current)") }
            } else if let sample = Self.sample(line) {
                if sample.name != current,
                    !["_bucket", "_sum", "_count"].contains(where: { current + $0 == sample.name })
                {
                    problems.append("outside of its family: \(line)")
                }
                let key = sample.name + sample.labels
                if samples.updateValue(sample.value, forKey: key) != nil {
                    problems.append("series twice: \(line)")
                }
            } else {
                problems.append("no line of the format: \(line)")
            }
        }
        checkNames()
        checkHistograms()
    }

    /// A line `name{label="value",…} number`.
    private static func sample(
        _ line: Substring
    ) -> (name: String, labels: String, value: Double)? {
        func isName(_ text: Substring) -> Bool {
            !text.isEmpty
                && text.allSatisfy { $0 == "_" || $0.isASCII && ($0.isNumber || $0.isLowercase) }
        }
        let name = line.prefix { $0 != "{" && $0 != " " }
        guard isName(name) else { return nil }
        var rest = line.dropFirst(name.count)
        var labels = ""
        if rest.first == "{" {
            let start = rest
            repeat {
                rest = rest.dropFirst()
                let label = rest.prefix { $0 != "=" }
                guard isName(label) else { return nil }
                rest = rest.dropFirst(label.count)
                guard rest.hasPrefix("=\"") else { return nil }
                rest = rest.dropFirst(2)
                while let character = rest.first, character != "\"" {
                    rest = rest.dropFirst(character == "\\" ? 2 : 1)
                }
                guard rest.first == "\"" else { return nil }
                rest = rest.dropFirst()
            } while rest.first == ","
            guard rest.first == "}" else { return nil }
            rest = rest.dropFirst()
            labels = String(start.prefix(start.count - rest.count))
        }
        guard rest.first == " " else { return nil }
        let text = rest.dropFirst()
        let special: [Substring: Double] = ["NaN": .nan, "+Inf": .infinity, "-Inf": -.infinity]
        guard
            let value = special[text]
                ?? (text.allSatisfy { "0123456789.e+-".contains($0) } ? Double(text) : nil)
        else { return nil }
        return (String(name), labels, value)
    }

    private mutating func checkNames() {
        for (name, type) in types {
            if (type == "counter") != name.hasSuffix("_total") {
                problems.append("\(name) is a \(type)")
            }
            for unit in ["milliseconds", "minutes", "kilobytes", "percent"]
            where name.contains(unit) {
                problems.append("\(name) has no base unit")
            }
            if !samples.keys.contains(where: { $0.hasPrefix(name) }) {
                problems.append("\(name) has no samples")
            }
        }
    }

    private mutating func checkHistograms() {
        for (name, type) in types where type == "histogram" {
            let buckets = samples.filter { $0.key.hasPrefix(name + "_bucket{") }
            let ends = buckets.filter { $0.key.contains("le=\"+Inf\"") }
            for (key, value) in ends {
                let count = key.replacing("_bucket", with: "_count")
                    .replacing(",le=\"+Inf\"", with: "").replacing("le=\"+Inf\"", with: "")
                    .replacing("{}", with: "")
                if samples[count] != value { problems.append("\(count) is not \(value)") }
            }
            if ends.isEmpty { problems.append("\(name) has no end") }
        }
    }
}

/// Has words that would mean something in HTML.
final class MarkupPlugin: NodePlugin {
    static let manifest = PluginManifest(name: "markup", summary: "Writes.")

    init(_: inout PluginConfiguration) throws(PluginError) {}

    func open(_: PluginHandle) throws -> PluginOffer {
        PluginOffer(routes: [
            RESTRoute(
                .get, "/markup", "<script>alert('x')</script> & \"more\"", role: .reader
            ) { _ in "x" }
        ])
    }
}
