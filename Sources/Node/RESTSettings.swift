public import Gateway
import PluginAPI
import RPC

/// What a daemon can be told about REST and about tokens.
public struct RESTSettings: Sendable {
    /// What holds where the settings say nothing.
    public enum Defaults: Sendable {
        /// A devnet: whoever is on this machine may do everything but what is for operators.
        case devnet
        /// A node: tokens, and limits.
        case node
    }

    /// Whether there is REST.
    public var isEnabled: Bool
    /// The gateway.
    public var gateway: GatewayOptions
    /// Whether its port was asked for, and so must be had.
    public var isPortAsked: Bool
    /// Whether JSON-RPC over HTTP and WebSocket takes tokens too.
    public var guardsRPC: Bool
    /// The room that the disk must have for the node to be ready, in bytes.
    public var leastFreeBytes: UInt64
    /// The age that the head may have for the node to be ready, in seconds; nil for what follows
    /// from the time between blocks.
    public var oldestHead: UInt64?

    /// The port that is taken where nobody says another.
    public static let defaultPort = 8080

    /// Reads `rest`, `rest-host`, `rest-port`, `rpc-jwt` and the section `gateway`.
    ///
    /// - Parameters:
    ///   - host: of JSON-RPC, which is also that of REST if there is no other.
    ///   - port: of JSON-RPC: with a free one REST takes a free one too.
    init(
        from settings: inout Settings, defaults: Defaults, host: String, port: Int
    ) throws(StartupError) {
        isEnabled = try settings.value("rest", expecting: "true or false") { Bool($0) } ?? true
        let asked = try settings.integer("rest-port", in: 0...65535)
        isPortAsked = asked != nil
        guardsRPC = try settings.flag("rpc-jwt")
        gateway = GatewayOptions(
            host: settings.text("rest-host") ?? host,
            port: asked.map { Int($0) } ?? (port == 0 ? 0 : Self.defaultPort))
        switch defaults {
        case .devnet:
            gateway.anonymousLocal = [.reader, .writer, .monitor, .probe]
            gateway.serviceRate = 0
            gateway.addressRate = 0
        case .node: break
        }
        var section = PluginConfiguration(
            section: "gateway", values: settings.section("gateway"))
        do throws(PluginError) {
            try gateway.read(&section)
            leastFreeBytes = (try section.integer("min-free-disk", in: 0...1 << 30) ?? 256) << 20
            oldestHead = try section.integer("max-head-age", in: 1...1 << 32)
            try section.refuseUnknown()
        } catch {
            throw StartupError(.configuration, error.description)
        }
    }
}
