import Foundation
public import Primitives
import RPC

/// A file with a key for tokens.
public enum TokenKeyFile {
    /// The key in a file, whose name without the ending is its id.
    ///
    /// - Throws: `GatewayError` if there is none that can be used, or others can read its secret.
    public static func read(_ path: String) async throws(GatewayError) -> TokenSigningKey {
        try await TokenSigningKey(id: id(of: path), text: try text(of: path))
    }

    /// Makes a key and a file that only its owner can read.
    ///
    /// - Throws: `GatewayError` if there is such a file already, or it cannot be written.
    public static func write(
        _ algorithm: TokenAlgorithm, to path: String
    ) async throws(GatewayError) {
        let text = try TokenSigningKey.generate(algorithm)
        _ = try await TokenSigningKey(id: id(of: path), text: text)
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw GatewayError("cannot make \(path): it is there already, or may not be written")
        }
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        do {
            try file.write(contentsOf: Data((text + "\n").utf8))
            try file.close()
        } catch {
            throw GatewayError("cannot write \(path)")
        }
    }

    /// The name of a file without its ending.
    static func id(of path: String) -> String {
        URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
    }

    /// What the file system says of a file, or of what a symbolic link leads to; nil if there is none.
    static func facts(_ path: String) -> [FileAttributeKey: Any]? {
        let file = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
        return try? FileManager.default.attributesOfItem(atPath: file)
    }

    /// The text of a file, which must not be readable by others unless the key is public.
    static func text(of path: String) throws(GatewayError) -> String {
        guard let data = FileManager.default.contents(atPath: path), data.count <= 65_536 else {
            throw GatewayError("cannot read the key \(path)")
        }
        let text = String(decoding: data, as: UTF8.self)
        let isPublic = text.contains("-----BEGIN PUBLIC KEY-----") && !text.contains("PRIVATE")
        let mode = (facts(path)?[.posixPermissions] as? NSNumber)?.intValue ?? 0o777
        guard isPublic || mode & 0o077 == 0 else {
            throw GatewayError(
                "\(path) holds a secret, but has mode 0\(String(mode, radix: 8)), so others can get "
                    + "at it; chmod it to 0600, and make a new key if someone has")
        }
        return text
    }
}

/// What stands in a token, for a person to read; whether it is true is not asked.
public struct TokenInspection: Sendable {
    /// The header.
    public let header: JSONValue
    /// The claims.
    public let claims: JSONValue

    /// Takes a token apart; `nil` if it is none.
    public init?(_ token: String) {
        let parts = Bytes(token.utf8).split(
            separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 3, let header = Base64URL.decode(parts[0]),
            let claims = Base64URL.decode(parts[1]),
            let headerValue = try? JSONValue(parsing: header),
            let claimsValue = try? JSONValue(parsing: claims)
        else { return nil }
        self.header = headerValue
        self.claims = claimsValue
    }
}
