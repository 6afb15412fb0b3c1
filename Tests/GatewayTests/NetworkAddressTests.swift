import Gateway
import Testing

@Suite struct NetworkAddressTests {
    @Test(arguments: [
        ("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "0.0.0.0"),
        ("255.255.255.255", "255.255.255.255"), ("::1", "0:0:0:0:0:0:0:1"),
        ("::", "0:0:0:0:0:0:0:0"), ("2001:db8::8:800:200c:417a", "2001:db8:0:0:8:800:200c:417a"),
        ("::ffff:10.1.2.3", "10.1.2.3"), ("64:ff9b::192.0.2.33", "64:ff9b:0:0:0:0:c000:221"),
        ("fe80::1%eth0", "fe80:0:0:0:0:0:0:1"), ("1::", "1:0:0:0:0:0:0:0"),
        ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"), ("ABCD::", "abcd:0:0:0:0:0:0:0"),
    ])
    func `an address is read as it is written`(text: String, written: String) {
        #expect(NetworkAddress(text)?.description == written)
    }

    @Test(arguments: [
        "", ".", "1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.04", "1.2.3.-4",
        "+1.2.3.4", "1.2.3.4 ", " 1.2.3.4", "a.b.c.d", ":", ":::", "1:2:3:4:5:6:7", "1:2",
        "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "g::", "::1.2.3", "1.2.3.4:80", "[::1]",
        "1:2:3:4:5:6:7::8", "::+1", "::1:", "localhost",
        "127.-0.0.1", "127.0.0.+1", "::-0", "::ffff:127.-0.0.1",
    ])
    func `what is no address is none`(text: String) {
        #expect(NetworkAddress(text) == nil)
    }

    @Test(arguments: [
        ("127.0.0.1", true), ("127.255.0.9", true), ("::1", true), ("::ffff:127.0.0.1", true),
        ("128.0.0.1", false), ("::2", false), ("10.0.0.1", false), ("::ffff:1.0.0.127", false),
    ])
    func `loopback is what only this machine has`(text: String, isLoopback: Bool) {
        #expect(NetworkAddress(text)?.isLoopback == isLoopback)
    }

    @Test func `a customer of version 6 has sixty-four bits`() {
        #expect(
            NetworkAddress("2001:db8:1:2:3:4:5:6")?.customer
                == NetworkAddress("2001:db8:1:2:9:9:9:9")?.customer)
        #expect(
            NetworkAddress("2001:db8:1:2::")?.customer
                != NetworkAddress("2001:db8:1:3::")?.customer)
        #expect(NetworkAddress("10.0.0.1")?.customer != NetworkAddress("10.0.0.2")?.customer)
    }

    @Test(arguments: [
        ("10.0.0.0/8", "10.255.1.2", true), ("10.0.0.0/8", "11.0.0.1", false),
        ("10.1.2.3", "10.1.2.3", true), ("10.1.2.3", "10.1.2.4", false),
        ("10.1.2.3/32", "10.1.2.3", true), ("0.0.0.0/0", "9.9.9.9", true),
        ("0.0.0.0/0", "2001:db8::1", false), ("2001:db8::/32", "2001:db8:ffff::1", true),
        ("2001:db8::/32", "2001:db9::", false), ("2001:db8::/65", "2001:db8:0:0:7fff::", true),
        ("2001:db8::/65", "2001:db8:0:0:8000::", false), ("::/0", "1.2.3.4", true),
        ("fd00::/64", "fd00::1:0:0:0", true), ("fd00::/64", "fd00:0:0:1::", false),
    ])
    func `a network has the addresses with its beginning`(
        network: String, address: String, isIn: Bool
    ) throws {
        let network = try #require(Network(network))
        #expect(network.contains(try #require(NetworkAddress(address))) == isIn)
    }

    @Test(arguments: [
        "", "/8", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/8/8", "10.0.0.0/-1",
        "10.0.0.0/-0", "10.0.0.0/+8",
    ])
    func `what is no network is none`(text: String) {
        #expect(Network(text) == nil)
    }

    @Test(arguments: [
        // Nobody may speak for others unless trusted.
        ("9.9.9.9", ["1.1.1.1"], "9.9.9.9"),
        ("10.0.0.1", ["1.1.1.1"], "1.1.1.1"),
        // The last that is not trusted counts, whatever the client has written before it.
        ("10.0.0.1", ["6.6.6.6, 1.1.1.1"], "1.1.1.1"),
        ("10.0.0.1", ["6.6.6.6, 1.1.1.1, 10.0.0.2"], "1.1.1.1"),
        ("10.0.0.1", ["6.6.6.6", "1.1.1.1", "10.0.0.2"], "1.1.1.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        // What cannot be read was not written by a trusted one.
        ("10.0.0.1", ["1.1.1.1, nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["1.1.1.1, nonsense, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", [], "10.0.0.1"), ("10.0.0.1", [""], "10.0.0.1"),
    ])
    func `a client is believed as far as its proxies are trusted`(
        peer: String, headers: [String], client: String
    ) throws {
        let clients = ClientAddress(proxies: [try #require(Network("10.0.0.0/8"))])
        let found = clients.client(peer: NetworkAddress(peer), forwardedFor: headers)
        #expect(found?.description == client)
    }
}
