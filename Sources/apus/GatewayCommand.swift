import ArgumentParser
import Foundation
import Node

/// `apus gateway`: one gateway before several nodes.
struct GatewayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gateway",
        abstract: "Serve the REST of several nodes as one.",
        discussion: """
            Requests go to the least busy of the nodes that are ready and not behind; a read that \
            a node does not answer is asked of another. What is served is what all of them serve.

              apus gateway --upstream http://10.0.0.1:8080 --upstream http://10.0.0.2:8080 \\
                  --listen 0.0.0.0:80 --set gateway.keys=/etc/apus/keys

            The nodes check each token again, so they have the same keys (a public half is \
            enough), and they name the gateway among their 'trusted-proxies'.
            """)

    @Option(
        help: "A node's REST: http://HOST[:PORT] or https://HOST[:PORT]. May be repeated.")
    var upstream: [String] = []

    @Option(help: "Address and port to listen on (default 127.0.0.1:8080; port 0: a free one).")
    var listen: String?

    @OptionGroup var serving: ServingOptions

    func validate() throws {
        for setting in serving.sectionSettings where !setting.hasPrefix("gateway.") {
            throw ValidationError("--set takes gateway.key=value, not '\(setting)'")
        }
        if let listen, Self.address(listen) == nil {
            throw ValidationError("--listen takes HOST:PORT, not '\(listen)'")
        }
    }

    func run() async throws {
        let address = listen.flatMap { Self.address($0) }
        let own: [String: String?] = [
            "upstream": upstream.isEmpty ? nil : upstream.joined(separator: ","),
            "rest-host": address?.host, "rest-port": address?.port,
        ]
        let flags = serving.flags.merging(own.compactMapValues { $0 }) { $1 }
        await runToEnd {
            var settings = try Settings(
                flags: flags, environment: ProcessInfo.processInfo.environment,
                file: serving.config)
            try await runGateway(FleetSettings(from: &settings))
        }
    }

    /// The host and the port of `HOST:PORT` or `[HOST]:PORT`.
    private static func address(_ text: String) -> (host: String, port: String)? {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        let port = text[text.index(after: colon)...]
        guard !host.isEmpty, UInt16(port) != nil else { return nil }
        return (String(host), String(port))
    }
}
