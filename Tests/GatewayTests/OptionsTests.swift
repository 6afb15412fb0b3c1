import Foundation
import Gateway
import PluginAPI
import Primitives
import TestSupport
import Testing

/// The section `gateway` of the settings.
@Suite struct GatewayOptionsTests {
    private func read(_ values: [String: String]) throws -> GatewayOptions {
        var options = GatewayOptions(host: "127.0.0.1", port: 0)
        var section = PluginConfiguration(section: "gateway", values: values)
        try options.read(&section)
        try section.refuseUnknown()
        return options
    }

    @Test func `without settings nobody but probes comes in without a token`() throws {
        let options = try read([:])
        #expect(options.anonymous == [.probe])
        #expect(options.anonymousLocal.isEmpty)
        #expect(options.keys.isEmpty)
        #expect(options.serviceRate > 0 && options.addressRate > 0)
        #expect(options.audit == .log)
    }

    @Test func `every setting is read`() throws {
        let options = try read([
            "keys": "a.pem, b", "audience": "x", "clock-skew": "5", "max-token-lifetime": "60",
            "anonymous": "", "anonymous-local": "reader,monitor", "audit": "off",
            "trusted-proxies": "10.0.0.0/8, ::1", "rate-service": "1", "rate-address": "0",
            "cache": "1", "body-limit": "1024", "timeout": "1", "max-connections": "2",
            "max-requests": "3", "max-streams": "4",
            "max-streams-per-caller": "5", "role-analyst": "reader, rpc:trace",
        ])
        #expect(options.keys == ["a.pem", "b"])
        #expect(options.audience == "x")
        #expect(options.clockSkew == 5)
        #expect(options.longestLife == 60)
        #expect(options.anonymous.isEmpty)
        #expect(options.anonymousLocal == [.reader, .monitor])
        #expect(options.audit == .off)
        #expect(options.trustedProxies == ["10.0.0.0/8", "::1"])
        #expect(options.serviceRate == 1)
        #expect(options.addressRate == 0)
        #expect(options.cacheBytes == 1 << 20)
        #expect(options.limits.bodyBytes == 1_024)
        #expect(options.limits.requestSeconds == 1)
        #expect(options.limits.connections == 2)
        #expect(options.limits.requests == 3)
        #expect(options.limits.streams == 4)
        #expect(options.limits.streamsPerCaller == 5)
        #expect(
            options.roles == ["analyst": RolePolicy.Grant(routes: [.reader], methods: ["trace"])])
    }

    @Test(arguments: [
        ["clock-skew": "-1"], ["clock-skew": "601"], ["max-token-lifetime": "0"],
        ["anonymous": "a b"], ["anonymous-local": "reader,<"], ["trusted-proxies": "host"],
        ["trusted-proxies": "10.0.0.0/33"], ["rate-service": "x"], ["cache": "-1"],
        ["body-limit": "1"], ["timeout": "0"], ["role-x": "a b"], ["role-": "reader"],
        ["role-a b": "reader"], ["nothing": "1"], ["key": "x"],
    ])
    func `what does not fit is refused`(values: [String: String]) {
        #expect(throws: PluginError.self) { try read(values) }
    }
}

/// Keys in files, and what is written down about calls.
@Suite struct GatewayFileTests {
    private func write(_ text: String, _ path: String, mode: Int = 0o600) throws {
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }

    @Test func `keys are found again when their files change`() async throws {
        let folder = try TemporaryDirectory()
        let path = folder.path + "/keys"
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true)
        try write(try TokenSigningKey.generate(.hs256), path + "/old.key")
        let ring = try await TokenKeyRing([path])
        #expect(ring.names == ["old"])
        #expect(await ring.refresh() == [])
        try write(try TokenSigningKey.generate(.es256), path + "/new.pem")
        #expect(await ring.refresh() == [.changed])
        #expect(ring.names == ["new", "old"])
        try FileManager.default.removeItem(atPath: path + "/old.key")
        #expect(await ring.refresh() == [.changed])
        #expect(ring.names == ["new"])
    }

    @Test func `a file that is no key keeps no other from being removed or added`() async throws {
        let folder = try TemporaryDirectory()
        for name in ["a", "b"] {
            try write(try TokenSigningKey.generate(.hs256), folder.path + "/\(name).key")
        }
        let ring = try await TokenKeyRing([folder.path])
        // What an editor leaves, and what is hidden, is none of the keys.
        for name in ["/a.key~", "/.a.key.swp"] { try write("nonsense", folder.path + name) }
        #expect(await ring.refresh() == [])
        try write("See the handbook.", folder.path + "/README", mode: 0o644)
        let findings = await ring.refresh()
        #expect(findings.count == 1)
        guard case .problem(let reason) = findings.first else { return }
        #expect(reason.contains("/README"))
        try FileManager.default.removeItem(atPath: folder.path + "/a.key")
        try write(try TokenSigningKey.generate(.edDSA), folder.path + "/c.pem")
        #expect(await ring.refresh() == [.changed])
        #expect(ring.names == ["b", "c"])
        // It is told of once, and counts as soon as it is one.
        #expect(await ring.refresh() == [])
        try write(try TokenSigningKey.generate(.hs256), folder.path + "/README")
        #expect(await ring.refresh() == [.changed])
        #expect(ring.names == ["README", "b", "c"])
    }

    @Test func `a key that is gone, no key any more, or readable by others is dropped`()
        async throws
    {
        let folder = try TemporaryDirectory()
        let paths = ["gone", "broken", "open", "kept"].map { folder.path + "/\($0).key" }
        for path in paths { try write(try TokenSigningKey.generate(.hs256), path) }
        let ring = try await TokenKeyRing(paths)
        try FileManager.default.removeItem(atPath: paths[0])
        try write("nonsense", paths[1])
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o644], ofItemAtPath: paths[2])
        let findings = await ring.refresh()
        #expect(findings.count == 4)
        #expect(findings.last == .changed)
        #expect(ring.names == ["kept"])
        // With the folder all are gone.
        try FileManager.default.removeItem(atPath: folder.path)
        #expect(await ring.refresh().last == .changed)
        #expect(ring.names == [])
    }

    @Test func `of two files with one name neither counts while both are there`() async throws {
        let folder = try TemporaryDirectory()
        try write(try TokenSigningKey.generate(.hs256), folder.path + "/k.key")
        let ring = try await TokenKeyRing([folder.path])
        try write(try TokenSigningKey.generate(.es256), folder.path + "/k.pem")
        #expect(await ring.refresh().last == .changed)
        #expect(ring.names == [])
        try FileManager.default.removeItem(atPath: folder.path + "/k.key")
        #expect(await ring.refresh() == [.changed])
        #expect(ring.names == ["k"])
    }

    @Test func `a key behind a symbolic link is that of the file which it leads to`()
        async throws
    {
        let folder = try TemporaryDirectory()
        for name in ["1", "2"] {
            try write(try TokenSigningKey.generate(.hs256), folder.path + "/\(name)")
        }
        let link = folder.path + "/k.key"
        try FileManager.default.createSymbolicLink(
            atPath: link, withDestinationPath: folder.path + "/1")
        let ring = try await TokenKeyRing([link])
        #expect(await ring.refresh() == [])
        try FileManager.default.removeItem(atPath: link)
        try FileManager.default.createSymbolicLink(
            atPath: link, withDestinationPath: folder.path + "/2")
        #expect(await ring.refresh() == [.changed])
    }

    @Test(arguments: [0o600, 0o400])
    func `a secret is for its owner`(mode: Int) async throws {
        let folder = try TemporaryDirectory()
        let path = folder.path + "/k.key"
        try write(try TokenSigningKey.generate(.hs256), path, mode: mode)
        #expect(try await TokenKeyRing([path]).names == ["k"])
    }

    @Test(arguments: [0o640, 0o604, 0o644, 0o660, 0o777])
    func `a secret that others can get at is none`(mode: Int) async throws {
        let folder = try TemporaryDirectory()
        for algorithm in TokenAlgorithm.allCases {
            let path = folder.path + "/\(algorithm).key"
            try write(try TokenSigningKey.generate(algorithm), path, mode: mode)
            await #expect(throws: GatewayError.self) { try await TokenKeyRing([path]) }
        }
        // The public half may be read by everyone.
        let path = folder.path + "/public.pem"
        try write(TokenTests.pem[1].2, path, mode: mode)
        #expect(try await TokenKeyRing([path]).names == ["public"])
    }

    @Test func `two keys of one name are refused, and so is one that is not there`() async throws {
        let folder = try TemporaryDirectory()
        try write(try TokenSigningKey.generate(.hs256), folder.path + "/k.key")
        try write(try TokenSigningKey.generate(.es256), folder.path + "/k.pem")
        await #expect(throws: GatewayError.self) {
            try await TokenKeyRing([folder.path + "/k.key", folder.path + "/k.pem"])
        }
        await #expect(throws: GatewayError.self) {
            try await TokenKeyRing([folder.path + "/nothing"])
        }
    }

    @Test func `a key is made once, for its owner`() async throws {
        let folder = try TemporaryDirectory()
        let path = folder.path + "/k.pem"
        try await TokenKeyFile.write(.es256, to: path)
        let facts = try FileManager.default.attributesOfItem(atPath: path)
        #expect((facts[.posixPermissions] as? NSNumber)?.intValue == 0o600)
        #expect(try await TokenKeyFile.read(path).algorithm == .es256)
        await #expect(throws: GatewayError.self) {
            try await TokenKeyFile.write(.es256, to: path)
        }
    }

    @Test func `each call with a token and each refused one is written down, and no secret`()
        async throws
    {
        let folder = try TemporaryDirectory()
        let path = folder.path + "/audit.log"
        let test = try await GatewayFixture(plugins: []) {
            $0.audit = .file(path)
            $0.anonymous = [.probe]
        }
        let token = try test.bearer("reader", service: "dashboard")
        _ = await test.send("/livez")
        _ = await test.send(
            "/api/block/0?x=private", token: token, headers: ["X-Forwarded-For": "1.1.1.1"])
        _ = await test.send("GET", "/api/block/0", token: token, peer: "10.0.0.9")
        _ = await test.send("/metrics", token: token)
        _ = await test.send("/api/block/0", token: token + "x")
        _ = await test.send("/livez", headers: ["Origin": "https://evil.example"])
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let lines = try text.split(separator: "\n").map { try JSONValue(parsing: String($0)) }
        #expect(lines.map { $0["status"]?.intValue } == [400, 200, 403, 401, 403])
        #expect(lines[1]["service"] == "dashboard")
        #expect(lines[1]["roles"] == ["reader"])
        #expect(lines[1]["key_id"] == "test")
        #expect(lines[1]["client"] == "10.0.0.9")
        #expect(lines[1]["route"] == "GET /api/block/{id}")
        #expect(lines[1]["reason"] == nil)
        #expect(lines[2]["reason"] == "the route needs the role monitor")
        #expect(lines[3]["reason"] == "the token's signature is wrong")
        #expect(lines[3]["service"] == nil)
        #expect(lines[4]["reason"] == "another origin")
        for secret in [token, String(token.suffix(20)), "private", GatewayFixture.secret] {
            #expect(!text.contains(secret))
        }
        let facts = try FileManager.default.attributesOfItem(atPath: path)
        #expect((facts[.posixPermissions] as? NSNumber)?.intValue == 0o600)
    }

    @Test func `the audit log is written after what others have written to its file`()
        async throws
    {
        let folder = try TemporaryDirectory()
        let path = folder.path + "/audit.log"
        try "before\n".write(toFile: path, atomically: true, encoding: .utf8)
        let one = try await GatewayFixture(plugins: []) { $0.audit = .file(path) }
        let two = try await GatewayFixture(plugins: []) { $0.audit = .file(path) }
        for test in [one, two, one] { _ = await test.send("/livez") }
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
        #expect(lines.first == "before")
        let statuses = try lines.dropFirst().map { try JSONValue(parsing: String($0))["status"] }
        #expect(statuses == [401, 401, 401])
    }
}
