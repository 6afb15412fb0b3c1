import Foundation
public import Gateway
public import Logging
import PluginAPI
import RPC

/// What `apus gateway` can be told.
public struct FleetSettings: Sendable {
    /// The gateway.
    public var gateway: GatewayOptions
    /// The nodes behind it.
    public var fleet: FleetOptions
    /// How log lines look.
    public var logFormat: LogFormat
    /// The lowest level that is logged.
    public var logLevel: Logger.Level

    /// Reads every setting of `apus gateway`: those of a node that are about REST, with the same
    /// names, and `upstream`.
    ///
    /// - Throws: `StartupError` for the first value that does not parse, or an unknown key.
    public init(from settings: inout Settings) throws(StartupError) {
        gateway = GatewayOptions(
            host: settings.text("rest-host") ?? "127.0.0.1",
            port: Int(try settings.integer("rest-port", in: 0...65535) ?? 8080))
        gateway.virtualHosts = settings.list("allow-host")
        gateway.allowedOrigins = settings.list("allow-origin")
        gateway.certificate = try NodeSettings.certificate(&settings)
        logFormat = try LogFormat.setting(&settings)
        logLevel = try LogFormat.level(&settings)
        let upstreams = settings.list("upstream")
        var section = PluginConfiguration(
            section: "gateway", values: settings.section("gateway"))
        do throws(PluginError) {
            fleet = try FleetOptions(upstreams: upstreams)
            try fleet.read(&section)
            try gateway.read(&section)
            try section.refuseUnknown()
        } catch {
            throw StartupError(.configuration, error.description)
        }
        try settings.refuseUnknown()
    }
}
