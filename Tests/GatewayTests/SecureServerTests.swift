import AsyncHTTPClient
import Foundation
import Gateway
import NIOSSL
import RPC
import TestSupport
import Testing

/// The gateway behind TLS, with the node's certificate option.
@Suite struct SecureServerTests {
    private func files(_ folder: TemporaryDirectory) throws -> TLSCertificate {
        let (chain, key) = try LocalhostCertificate.write(to: folder)
        return TLSCertificate(chainFile: chain, keyFile: key)
    }

    @Test func `a request is answered behind TLS and not without it`() async throws {
        let folder = try TemporaryDirectory()
        let certificate = try files(folder)
        let test = try await GatewayFixture(plugins: []) {
            $0.anonymous = [.probe]
            $0.certificate = certificate
        }
        let server = GatewayServer(test.gateway, eventLoops: 1)
        let port = try await server.start()
        var security = TLSConfiguration.makeClientConfiguration()
        security.trustRoots = .certificates(
            try NIOSSLCertificate.fromPEMFile(certificate.chainFile))
        security.certificateVerification = .noHostnameVerification
        let client = HTTPClient(
            configuration: HTTPClient.Configuration(tlsConfiguration: security))
        let answer = try await client.execute(
            HTTPClientRequest(url: "https://127.0.0.1:\(port)/livez"), timeout: .seconds(20))
        #expect(answer.status == .ok)
        await #expect(throws: (any Error).self) {
            try await client.execute(
                HTTPClientRequest(url: "http://127.0.0.1:\(port)/livez"), timeout: .seconds(20))
        }
        try await client.shutdown()
        await server.stop()
    }

    @Test func `a certificate that is not there is an error at the start`() async throws {
        let test = try await GatewayFixture(plugins: []) {
            $0.certificate = TLSCertificate(chainFile: "/nothing.pem", keyFile: "/nothing.key")
        }
        let server = GatewayServer(test.gateway, eventLoops: 1)
        await #expect(throws: (any Error).self) { try await server.start() }
        await server.stop()
    }
}
