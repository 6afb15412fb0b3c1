import Redis
import Testing

@Suite struct RedisAddressTests {
    @Test(arguments: [
        ("redis://localhost", RedisAddress.Endpoint.tcp(host: "localhost", port: 6379), 0),
        ("redis://10.0.0.7:7000/3", .tcp(host: "10.0.0.7", port: 7000), 3),
        ("redis://[::1]:7000", .tcp(host: "::1", port: 7000), 0),
        ("redis://[::1]/2", .tcp(host: "::1", port: 6379), 2),
        ("unix:///run/redis.sock", .unix(path: "/run/redis.sock"), 0),
        ("unix:///run/redis.sock?db=4", .unix(path: "/run/redis.sock"), 4),
    ])
    func `an address names an endpoint and a database`(
        text: String, endpoint: RedisAddress.Endpoint, database: Int
    ) throws {
        let address = try RedisAddress(text)
        #expect(address.endpoint == endpoint)
        #expect(address.database == database)
        #expect(address.user == nil)
        #expect(try RedisAddress(address.description) == address)
    }

    @Test func `a user may stand in the address`() throws {
        #expect(try RedisAddress("redis://apus@cache:6379").user == "apus")
    }

    @Test(arguments: [
        "", "localhost", "http://localhost", "redis://", "redis://:6379", "redis://host:0",
        "redis://host:65536", "redis://host:x", "redis://host/x", "redis://host/-1",
        "redis://host:+80", "redis://host/-0", "redis://host/+1", "unix:///a?db=-0",
        "redis://host/10001", "redis://[::1]x", "unix://relative", "unix://", "unix:///a?x=1",
        "unix:///a?db=", "unix:///" + String(repeating: "a", count: 107),
    ])
    func `what is no address is refused`(text: String) {
        #expect(throws: RedisError.self) { try RedisAddress(text) }
    }

    @Test func `a password in the address is refused, and not repeated`() {
        let error = #expect(throws: RedisError.self) {
            try RedisAddress("redis://apus:secret@cache")
        }
        #expect(error?.description.contains("secret") == false)
    }
}
