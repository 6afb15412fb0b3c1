import Foundation

/// A certificate for localhost that vouches for itself, and its key: of no worth elsewhere.
public enum LocalhostCertificate {
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

    /// Writes both, as PEM, into a folder.
    ///
    /// - Returns: the files with the certificate and with the key.
    public static func write(
        to folder: TemporaryDirectory
    ) throws -> (chainFile: String, keyFile: String) {
        let files = (chainFile: folder.path + "/chain.pem", keyFile: folder.path + "/key.pem")
        try certificate.write(toFile: files.chainFile, atomically: true, encoding: .utf8)
        try key.write(toFile: files.keyFile, atomically: true, encoding: .utf8)
        return files
    }
}
