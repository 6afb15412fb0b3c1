import ArgumentParser

/// Flags of whatever serves: a node and the gateway before several. Their values stay text here: the
/// settings parse flags, variables and file keys in one place.
struct ServingOptions: ParsableArguments {
    @Option(name: .long, help: "A TOML file with settings.")
    var config: String?

    @Option(
        name: .customLong("tls-cert"),
        help: "PEM file with a certificate: the ports then speak TLS.")
    var tlsCertificate: String?

    @Option(name: .customLong("tls-key"), help: "PEM file with the certificate's key.")
    var tlsKey: String?

    @Option(
        name: .customLong("allow-origin"),
        help: "Web origins that may call, separated by commas, or '*'.")
    var allowOrigin: String?

    @Option(
        name: .customLong("allow-host"),
        help: "Host names, besides localhost, that requests may name.")
    var allowHost: String?

    @Option(name: .customLong("log-format"), help: "'text' or 'json'.")
    var logFormat: String?

    @Option(name: .customLong("log-level"), help: "trace, debug, info, notice, warning or error.")
    var logLevel: String?

    @Option(
        name: .customLong("set"),
        help: ArgumentHelp(
            "A setting of a section: of a plugin, or 'gateway.audit=off'. May be repeated.",
            valueName: "section.key=value"))
    var sectionSettings: [String] = []

    /// What was given, by the names of the settings. A section's setting may be empty.
    var flags: [String: String] {
        var flags = [
            "tls-cert": tlsCertificate, "tls-key": tlsKey, "allow-origin": allowOrigin,
            "allow-host": allowHost, "log-format": logFormat, "log-level": logLevel,
        ].compactMapValues { $0 }
        for setting in sectionSettings {
            guard let sign = setting.firstIndex(of: "=") else { continue }
            flags[String(setting[..<sign])] = String(setting[setting.index(after: sign)...])
        }
        return flags
    }

    func validate() throws {
        for setting in sectionSettings
        where setting.firstMatch(of: /^[a-z0-9_]+\.[a-z0-9-]+=/) == nil {
            throw ValidationError("--set takes section.key=value, not '\(setting)'")
        }
    }
}
