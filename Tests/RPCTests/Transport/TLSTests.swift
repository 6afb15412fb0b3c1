import Foundation
import NIOSSL
import Primitives
import TestSupport
import Testing

import RPC

/// HTTP behind TLS.
@Suite struct TLSTests {
    /// A certificate for localhost that vouches for itself, and its key: of no worth elsewhere.
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

    private func files() throws -> (folder: TemporaryDirectory, certificate: TLSCertificate) {
        let folder = try TemporaryDirectory()
        let chain = folder.path + "/chain.pem"
        let key = folder.path + "/key.pem"
        try Self.certificate.write(toFile: chain, atomically: true, encoding: .utf8)
        try Self.key.write(toFile: key, atomically: true, encoding: .utf8)
        return (folder, TLSCertificate(chainFile: chain, keyFile: key))
    }

    @Test func `a call is answered behind TLS and not without it`() async throws {
        let (folder, certificate) = try files()
        try await withServer(configure: { $0.certificate = certificate }) { _, port in
            var configuration = TLSConfiguration.makeClientConfiguration()
            configuration.trustRoots = .certificates(
                try NIOSSLCertificate.fromPEMFile(certificate.chainFile))
            let client = try await RawClient(
                port: port, security: NIOSSLContext(configuration: configuration))
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
        let (folder, certificate) = try files()
        let wrong = TLSCertificate(
            chainFile: certificate.chainFile, keyFile: certificate.chainFile)
        await #expect(throws: (any Error).self) {
            try await withServer(configure: { $0.certificate = wrong }) { _, _ in }
        }
        withExtendedLifetime(folder) {}
    }
}
