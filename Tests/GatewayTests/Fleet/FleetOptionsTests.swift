import Gateway
import PluginAPI
import Testing

@Suite struct FleetOptionsTests {
    @Test(arguments: [
        ("http://a", "http://a"), ("HTTP://A:8080/", "http://a:8080"),
        ("https://node.example:443", "https://node.example:443"),
        ("http://[::1]:8080", "http://[::1]:8080"), ("http://[::1]", "http://[::1]"),
    ])
    func `an upstream is a scheme, a host and a port`(url: String, origin: String) throws {
        #expect(try FleetOptions(upstreams: [url]).upstreams == [origin])
    }

    @Test(arguments: [
        "", "a", "ftp://a", "http://", "http://a/path", "http://a?x", "http://u:p@a",
        "http://a:0", "http://a:65536", "http://a:", "http://:80", "http://[::1", "http://a b",
        "http://a:+80", "http://a:-0",
    ])
    func `anything else is refused`(url: String) {
        #expect(throws: PluginError.self) { try FleetOptions(upstreams: [url]) }
    }

    @Test func `there is at least one, and none twice`() {
        #expect(throws: PluginError.self) { try FleetOptions(upstreams: []) }
        #expect(throws: PluginError.self) {
            try FleetOptions(upstreams: ["http://a", "http://A/"])
        }
    }
}
