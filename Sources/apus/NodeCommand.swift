import ArgumentParser
import Foundation
import Node

/// `apus node`: a private chain's daemon.
struct NodeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "node",
        abstract: "Run a node of a private chain.",
        discussion: """
            The data folder is made once with 'apus init'. With --block-time the node makes blocks
            itself; without it, it serves what is there. Under systemd it reports readiness and
            feeds the watchdog.
            """)

    @OptionGroup(title: "Daemon") var shared: SharedOptions

    @Option(name: .long, help: "Folder that keeps the chain.")
    var datadir: String?

    func run() async throws {
        var flags = shared.flags
        if let datadir { flags["datadir"] = datadir }
        await runToEnd {
            var settings = try Settings(
                flags: flags, environment: ProcessInfo.processInfo.environment,
                file: shared.config)
            try await runNode(NodeSettings(from: &settings, plugins: plugins))
        }
    }
}
