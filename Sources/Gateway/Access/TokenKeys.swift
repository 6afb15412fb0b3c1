import Foundation
import JWTKit
public import Logging
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
/// files in it but hidden ones and the backups of editors (`key~`). Keys are changed by changing
/// files: a new one is put beside the old, signers turn to it, and the old one is removed when the
/// last of its tokens has expired. The files are looked at again while the gateway runs, each by
/// itself: a key counts as long as its file is there and is one.
public final class TokenKeyRing: Sendable {
    /// The key in a file, with what changes when the file does.
    private struct Entry {
        var stamp: String
        var key: TokenSigningKey
    }

    private struct State {
        var entries: [String: Entry] = [:]
        var keys: [String: TokenSigningKey] = [:]
        /// Why files hold no key.
        var problems: [String] = []
        /// Goes up when the keys change.
        var generation: UInt64 = 0
    }

    /// What a look at the files has found that was not known.
    package enum Finding: Hashable, Sendable {
        /// The keys are others now.
        case changed
        /// A file holds no key, for this reason.
        case problem(String)
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
        let start = await Self.read(paths, after: State())
        if let problem = start.problems.first { throw GatewayError(problem) }
        state = Mutex(start)
    }

    /// Keys that stand in no file, for tests.
    package init(_ keys: [TokenSigningKey]) {
        paths = []
        state = Mutex(State(keys: Dictionary(keys.map { ($0.id, $0) }, uniquingKeysWith: { $1 })))
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

    // MARK: - Changes

    /// Looks at the files again and again until the task is cancelled, and logs what it finds.
    public func run(every seconds: UInt64, logger: Logger) async {
        while !Task.isCancelled {
            try? await Task.sleep(for: .seconds(seconds))
            for finding in await refresh() {
                switch finding {
                case .changed:
                    logger.notice(
                        "the keys of tokens have changed",
                        metadata: ["key.ids": "\(names.joined(separator: ","))"])
                case .problem(let reason):
                    logger.error(
                        "a file of gateway.keys holds no key of tokens",
                        metadata: ["error": "\(reason)"])
                }
            }
        }
    }

    /// Reads the files again that have changed. A key whose file is gone, or is none any more, is
    /// dropped; what is wrong with one file changes nothing about the others.
    ///
    /// - Returns: what is new. A file that still holds no key is read each time, and told of once.
    @discardableResult
    package func refresh() async -> [Finding] {
        guard !paths.isEmpty else { return [] }
        let before = state.withLock { $0 }
        var after = await Self.read(paths, after: before)
        var findings = after.problems.filter { !before.problems.contains($0) }
            .map { Finding.problem($0) }
        if after.entries.mapValues(\.stamp) != before.entries.mapValues(\.stamp) {
            after.generation += 1
            findings.append(.changed)
        }
        state.withLock { $0 = after }
        return findings
    }

    /// The keys in the files behind some paths. Those of files that are as they were are taken over.
    private static func read(_ paths: [String], after known: State) async -> State {
        var result = State(generation: known.generation)
        for path in paths {
            do throws(GatewayError) {
                for file in try files(path) {
                    let stamp = stamp(file)
                    if let entry = known.entries[file], entry.stamp == stamp {
                        result.entries[file] = entry
                        continue
                    }
                    do throws(GatewayError) {
                        result.entries[file] = Entry(
                            stamp: stamp, key: try await TokenKeyFile.read(file))
                    } catch {
                        result.problems.append(error.description)
                    }
                }
            } catch {
                result.problems.append(error.description)
            }
        }
        for (id, entries) in Dictionary(grouping: result.entries.values, by: \.key.id) {
            // Which of two is meant nobody can tell: the one may have been put there to replace the
            // other.
            if entries.count == 1 {
                result.keys[id] = entries[0].key
            } else {
                result.problems.append("\(entries.count) files hold a key '\(id)', so none counts")
            }
        }
        return result
    }

    /// The files that a path stands for.
    private static func files(_ path: String) throws(GatewayError) -> [String] {
        guard let facts = TokenKeyFile.facts(path) else {
            throw GatewayError("there is no key \(path)")
        }
        guard facts[.type] as? FileAttributeType == .typeDirectory else { return [path] }
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else {
            throw GatewayError("cannot read the folder of keys \(path)")
        }
        return names.filter { !$0.hasPrefix(".") && !$0.hasSuffix("~") }.sorted()
            .map { path + "/" + $0 }
    }

    /// What changes when a file does, or when others can read it.
    private static func stamp(_ file: String) -> String {
        let facts = TokenKeyFile.facts(file)
        let date = (facts?[.modificationDate] as? Date)?.timeIntervalSince1970 ?? 0
        let node = (facts?[.systemFileNumber] as? NSNumber)?.uint64Value ?? 0
        let size = (facts?[.size] as? NSNumber)?.uint64Value ?? 0
        let mode = (facts?[.posixPermissions] as? NSNumber)?.uint64Value ?? 0
        return "\(date) \(node) \(size) \(mode)"
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
