import ArgumentParser
import Foundation
import Gateway
import Node

/// `apus jwt`: tokens for the gateway and for JSON-RPC.
struct JWTCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "jwt",
        abstract: "Make and look at tokens for REST and JSON-RPC.",
        discussion: """
            A token says which service calls and which roles it has. A devnet signs with the key \
            gateway.key in its data folder:

              apus jwt new --key devnet/gateway.key --service dashboard --role reader
            """,
        subcommands: [NewTokenCommand.self, InspectTokenCommand.self, NewKeyCommand.self])
}

/// Signs a token.
struct NewTokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "new", abstract: "Sign a token and write it to standard output.")

    @Option(help: "File with the key that signs; its name without the ending is the key's id.")
    var key: String

    @Option(help: "The service that will call.")
    var service: String

    @Option(help: "Its roles, separated by commas: reader, writer, admin, monitor, or others.")
    var role: String

    @Option(help: "Seconds for which the token is valid.")
    var ttl: UInt64 = 3_600

    @Option(help: "Whom the token is for: the gateway's setting 'audience'.")
    var audience = "apus"

    func run() async throws {
        await runToEnd {
            let signing = try await readKey(key)
            let now = UInt64(max(0, Date.now.timeIntervalSince1970))
            let (end, isTooLong) = now.addingReportingOverflow(ttl)
            guard !isTooLong, ttl > 0 else {
                throw StartupError(.usage, "--ttl \(ttl) is no time for which a token is valid")
            }
            let roles = role.split(separator: ",").map(String.init)
            do throws(GatewayError) {
                print(
                    try signing.token(
                        service: service, roles: roles, audience: audience, issued: now,
                        expires: end))
            } catch {
                throw StartupError(.usage, error.description)
            }
        }
    }
}

/// Shows what a token says, and whether it is good.
struct InspectTokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Show what a token says, and whether its signature and its claims are good.",
        discussion: """
            The token is read from standard input, where no list of processes shows it; one may \
            also be given as an argument. Without --key nothing is checked.
            """)

    @Argument(help: "The token, instead of standard input.")
    var token: String?

    @Option(help: "File or folder with keys. May be repeated.")
    var key: [String] = []

    @Option(help: "Whom the token must be for.")
    var audience = "apus"

    func run() async throws {
        await runToEnd {
            let text =
                token
                ?? String(
                    decoding: FileHandle.standardInput.readData(ofLength: 65_536), as: UTF8.self)
            let trimmed = text.trimmingCharacters(in: .whitespacesAndNewlines)
            guard let parts = TokenInspection(trimmed) else {
                throw StartupError(.data, "this is no token: three parts of base64url are wanted")
            }
            print("header  \(parts.header)")
            print("claims  \(parts.claims)")
            guard !key.isEmpty else {
                print("check   not done: give --key")
                return
            }
            do {
                let verifier = TokenVerifier(
                    keys: try await TokenKeyRing(key), audience: audience, clockSkew: 30,
                    longestLife: .infinity)
                let claims = try verifier.verify(trimmed, now: Date.now.timeIntervalSince1970)
                print("check   good, signed with the key \(claims.keyId)")
            } catch let error as TokenRefusal {
                throw StartupError(.data, error.description)
            } catch let error as GatewayError {
                throw StartupError(.configuration, error.description)
            }
        }
    }
}

/// Makes a key.
struct NewKeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key", abstract: "Make a key that signs tokens, in a file of mode 0600.")

    @Argument(help: "The file to make; its name without the ending is the key's id.")
    var file: String

    @Option(help: "HS256, ES256 or EdDSA.")
    var algorithm = "ES256"

    func run() async throws {
        await runToEnd {
            guard let chosen = TokenAlgorithm(rawValue: algorithm) else {
                throw StartupError(.usage, "--algorithm takes HS256, ES256 or EdDSA")
            }
            do throws(GatewayError) {
                try await TokenKeyFile.write(chosen, to: file)
            } catch {
                throw StartupError(.io, error.description)
            }
            print("made \(file), a key for \(algorithm)")
        }
    }
}

/// The key in a file.
private func readKey(_ path: String) async throws(StartupError) -> TokenSigningKey {
    do throws(GatewayError) {
        return try await TokenKeyFile.read(path)
    } catch {
        throw StartupError(.configuration, error.description)
    }
}
