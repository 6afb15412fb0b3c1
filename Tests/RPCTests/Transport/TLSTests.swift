import Foundation
import NIOSSL
import Primitives
import TestSupport
import Testing

import RPC

/// HTTP behind TLS.
@Suite struct TLSTests {
    static func files() throws -> (folder: TemporaryDirectory, certificate: TLSCertificate) {
        let folder = try TemporaryDirectory()
        let (chain, key) = try LocalhostCertificate.write(to: folder)
        return (folder, TLSCertificate(chainFile: chain, keyFile: key))
    }

    /// What a client needs that trusts the certificate.
    static func client(of certificate: TLSCertificate) throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.trustRoots = .certificates(
            try NIOSSLCertificate.fromPEMFile(certificate.chainFile))
        return try NIOSSLContext(configuration: configuration)
    }

    @Test func `a call is answered behind TLS and not without it`() async throws {
        let (folder, certificate) = try Self.files()
        try await withServer(configure: { $0.certificate = certificate }) { _, port in
            let client = try await RawClient(
                port: port, security: try Self.client(of: certificate))
            let answer = try await client.post(
                #"{"jsonrpc":"2.0","id":1,"method":"test_echo","params":[1]}"#)
            #expect(answer.status == 200)
            #expect(answer.body.contains(#""result":1"#))
            try await client.close()

            let plain = try await RawClient(port: port)
            try await plain.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            #expect(try await plain.waitUntilClosed())
        }
        withExtendedLifetime(folder) {}
    }

    @Test func `a certificate without its key is no certificate`() async throws {
        let (folder, certificate) = try Self.files()
        let wrong = TLSCertificate(
            chainFile: certificate.chainFile, keyFile: certificate.chainFile)
        await #expect(throws: (any Error).self) {
            try await withServer(configure: { $0.certificate = wrong }) { _, _ in }
        }
        withExtendedLifetime(folder) {}
    }
}
