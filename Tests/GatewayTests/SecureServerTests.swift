import AsyncHTTPClient
import Foundation
import Gateway
import NIOSSL
import RPC
import TestSupport
import Testing

/// The gateway behind TLS, with the node's certificate option.
@Suite struct SecureServerTests {
    private static let certificate = """
        -----BEGIN CERTIFICATE-----
        MIIBZjCCAQ2gAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhv
        c3QwIBcNMDAwMTAxMDAwMDAwWhgPMjA5OTEyMzEyMzU5NTlaMBQxEjAQBgNVBAMM
        CWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABOpHFRuYmpGIuFM8
        nLyXz1GKCOgjl9ihi8nCnHdnyQ+322YeHD29+J+phIlJJHIWvfdwQ8TncSMwNlGg
        hRNI48WjTjBMMA8GA1UdEwEB/wQFMAMBAf8wHQYDVR0OBBYEFJCxALVtWR7CiSra
        tz+eGZHmmzRfMBoGA1UdEQQTMBGCCWxvY2FsaG9zdIcEfwAAATAKBggqhkjOPQQD
        AgNHADBEAiAkoH0odmkg8ilaQpCGOZQb/euNOdis1/ndUfdFnf3jpwIgdB52beKJ
        tnJhXg4BXkFPTHOpIQqBjtWO91PyM7Z+JY8=
        -----END CERTIFICATE-----
        """
    private static let key = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgqj2bjeG05vTNp4oi
        IbGWkXd+CO75ztQZzR20SJNEuJGhRANCAATqRxUbmJqRiLhTPJy8l89RigjoI5fY
        oYvJwpx3Z8kPt9tmHhw9vfifqYSJSSRyFr33cEPE53EjMDZRoIUTSOPF
        -----END PRIVATE KEY-----
        """

    private func files(_ folder: TemporaryDirectory) throws -> TLSCertificate {
        let chain = folder.path + "/chain.pem"
        let key = folder.path + "/key.pem"
        try Self.certificate.write(toFile: chain, atomically: true, encoding: .utf8)
        try Self.key.write(toFile: key, atomically: true, encoding: .utf8)
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
