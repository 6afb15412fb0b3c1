import Foundation
import JWTKit
package import Primitives
import RPC
import Synchronization

/// How tokens are signed (RFC 7518, RFC 8037). No other way is known here, least of all `none`.
public enum TokenAlgorithm: String, CaseIterable, Sendable {
    /// HMAC with SHA-256: whoever can check a token can make one.
    case hs256 = "HS256"
    /// ECDSA over P-256 with SHA-256.
    case es256 = "ES256"
    /// Ed25519.
    case edDSA = "EdDSA"
}

/// A key that signs or checks tokens.
public struct TokenSigningKey: Sendable {
    /// What tokens call it: `kid`.
    public let id: String
    /// The one algorithm that it is for.
    public let algorithm: TokenAlgorithm
    /// Whether it can sign.
    public let canSign: Bool
    private let jwt: any JWTAlgorithm

    /// The shortest secret, in bytes (RFC 7518, section 3.2).
    private static let shortestSecret = 32

    /// Reads a key: at least 64 hexadecimal digits are a secret for HS256, PEM is a key for ES256
    /// or EdDSA, of either half.
    ///
    /// - Throws: `GatewayError` for anything else.
    public init(id: String, text: String) async throws(GatewayError) {
        guard TokenText.isName(id) else {
            throw GatewayError(
                "'\(id)' is no name for a key: letters, digits, '.', '_' and '-', up to 64")
        }
        self.id = id
        let kid = JWKIdentifier(string: id)
        let keys = JWTKeyCollection()
        let text = text.trimmingCharacters(in: .whitespacesAndNewlines)
        if text.hasPrefix("-----BEGIN") {
            if let key = try? ES256PrivateKey(pem: text) {
                await keys.add(ecdsa: key, kid: kid)
                (algorithm, canSign) = (.es256, true)
            } else if let key = try? EdDSA.PrivateKey(pem: text) {
                await keys.add(eddsa: key, kid: kid)
                (algorithm, canSign) = (.edDSA, true)
            } else if let key = try? ES256PublicKey(pem: text) {
                await keys.add(ecdsa: key, kid: kid)
                (algorithm, canSign) = (.es256, false)
            } else if let key = try? EdDSA.PublicKey(pem: text) {
                await keys.add(eddsa: key, kid: kid)
                (algorithm, canSign) = (.edDSA, false)
            } else {
                throw GatewayError("the key '\(id)' is neither of P-256 nor of Ed25519")
            }
        } else {
            guard let secret = Hex.decode(text), secret.count >= Self.shortestSecret else {
                throw GatewayError(
                    "the key '\(id)' is neither PEM nor a secret of at least 64 hexadecimal digits")
            }
            await keys.add(hmac: HMACKey(from: secret), digestAlgorithm: .sha256, kid: kid)
            (algorithm, canSign) = (.hs256, true)
        }
        do {
            jwt = try await keys.getKey(for: kid)
        } catch {
            throw GatewayError("the key '\(id)' cannot be used")
        }
    }

    /// A new key as the text of a file.
    public static func generate(_ algorithm: TokenAlgorithm) throws(GatewayError) -> String {
        switch algorithm {
        case .hs256:
            var generator = SystemRandomNumberGenerator()
            let bytes = (0..<shortestSecret).map { _ in
                UInt8.random(in: 0...255, using: &generator)
            }
            return String(Hex.encode(bytes).dropFirst(2))
        case .es256: return ES256PrivateKey().pemRepresentation
        case .edDSA:
            do {
                return try EdDSA.PrivateKey().pemRepresentation
            } catch {
                throw GatewayError("no key of Ed25519 could be made")
            }
        }
    }

    func isValid(_ signature: Bytes, of message: Bytes) -> Bool {
        (try? jwt.verify(signature, signs: message)) ?? false
    }

    package func sign(_ message: Bytes) throws(GatewayError) -> Bytes {
        guard canSign else { throw GatewayError("the key '\(id)' is public and cannot sign") }
        do {
            return try jwt.sign(message)
        } catch {
            throw GatewayError("the key '\(id)' could not sign")
        }
    }
}

/// The keys of a gateway, in files.
///
/// A file's name without its ending is the key's `kid`. An entry that is a folder stands for all
/// files in it. Keys are changed by changing files: a new one is put beside the old, signers turn to
/// it, and the old one is removed when the last of its tokens has expired. The files are looked at
/// again while the gateway runs.
public final class TokenKeyRing: Sendable {
    private struct State {
        var keys: [String: TokenSigningKey]
        var stamps: [String: String]
        /// Goes up when they change.
        var generation: UInt64 = 0
    }

    private let paths: [String]
    private let state: Mutex<State>

    /// Reads the keys.
    ///
    /// - Parameter paths: files and folders.
    /// - Throws: `GatewayError` for a file that is not there, is no key, or can be read by others
    ///   although it holds a secret.
    public init(_ paths: [String]) async throws(GatewayError) {
        self.paths = paths
        let stamps = try Self.stamps(paths)
        state = Mutex(State(keys: try await Self.load(stamps.keys.sorted()), stamps: stamps))
    }

    /// Keys that stand in no file, for tests.
    package init(_ keys: [TokenSigningKey]) {
        paths = []
        state = Mutex(
            State(
                keys: Dictionary(keys.map { ($0.id, $0) }, uniquingKeysWith: { $1 }), stamps: [:]))
    }

    /// The key of a name; without a name the only key, if there is but one.
    func key(_ id: String?) -> TokenSigningKey? {
        state.withLock { state in
            if let id { return state.keys[id] }
            return state.keys.count == 1 ? state.keys.values.first : nil
        }
    }

    /// How often the keys have changed.
    var generation: UInt64 { state.withLock { $0.generation } }

    /// A key that signs, the first by name; `nil` if all are for checking alone.
    public var signer: TokenSigningKey? {
        state.withLock { state in
            state.keys.values.filter(\.canSign).min { $0.id < $1.id }
        }
    }

    /// The names of the keys.
    public var names: [String] { state.withLock { $0.keys.keys.sorted() } }

    /// Reads the keys again if a file has changed.
    ///
    /// - Returns: whether one had.
    /// - Throws: `GatewayError` if they cannot be read; the keys then stay as they were.
    @discardableResult
    package func refresh() async throws(GatewayError) -> Bool {
        guard !paths.isEmpty else { return false }
        let stamps = try Self.stamps(paths)
        guard state.withLock({ $0.stamps != stamps }) else { return false }
        let keys = try await Self.load(stamps.keys.sorted())
        state.withLock { state in
            state.keys = keys
            state.stamps = stamps
            state.generation += 1
        }
        return true
    }

    /// The files behind some paths, each with what changes when it does.
    private static func stamps(_ paths: [String]) throws(GatewayError) -> [String: String] {
        var stamps: [String: String] = [:]
        for path in paths {
            guard let facts = try? FileManager.default.attributesOfItem(atPath: path) else {
                throw GatewayError("there is no key \(path)")
            }
            var files = [path]
            if facts[.type] as? FileAttributeType == .typeDirectory {
                let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
                files = names.filter { !$0.hasPrefix(".") }.map { path + "/" + $0 }
            }
            for file in files {
                let facts = try? FileManager.default.attributesOfItem(atPath: file)
                let date = (facts?[.modificationDate] as? Date)?.timeIntervalSince1970 ?? 0
                let node = (facts?[.systemFileNumber] as? NSNumber)?.uint64Value ?? 0
                let size = (facts?[.size] as? NSNumber)?.uint64Value ?? 0
                stamps[file] = "\(date) \(node) \(size)"
            }
        }
        return stamps
    }

    private static func load(_ files: [String]) async throws(GatewayError)
        -> [String: TokenSigningKey]
    {
        var keys: [String: TokenSigningKey] = [:]
        for file in files {
            let key = try await TokenKeyFile.read(file)
            guard keys.updateValue(key, forKey: key.id) == nil else {
                throw GatewayError("two files hold a key '\(key.id)'")
            }
        }
        return keys
    }
}

/// What names of services, roles and keys may look like.
enum TokenText {
    /// Letters, digits, `.`, `_` and `-`, 1 to 64 of them.
    static func isName(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
                    UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }
}
