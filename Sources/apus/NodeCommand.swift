import ArgumentParser
import Foundation
import Node

/// `apus node`: a private chain's daemon.
struct NodeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "node",
        abstract: "Run a node of a private chain.",
        discussion: """
            The data folder is made once with 'apus init'. Who makes the blocks is one of:

              --sealer                 this node, which signs each block with its key
              --follow URL             another node: this one verifies and replicates it
              --engine                 a consensus client, over the Engine API
              --block-time SECONDS     this node, unsigned

            Without any of them the node serves what is there. Under systemd it reports readiness
            and feeds the watchdog.

            A private chain of one sealer and a replica:

              apus node --datadir a --sealer --period 2
              apus node --datadir b --port 8546 --follow http://127.0.0.1:8545 --sealers 0x…

            (the sealer logs its address when it starts).
            """)

    @OptionGroup(title: "Daemon") var shared: SharedOptions

    @Option(name: .long, help: "Folder that keeps the chain.")
    var datadir: String?

    @OptionGroup(title: "Who makes the blocks") var role: RoleOptions

    func run() async throws {
        var flags = shared.flags
        if let datadir { flags["datadir"] = datadir }
        flags.merge(role.flags) { $1 }
        await runToEnd {
            var settings = try Settings(
                flags: flags, environment: ProcessInfo.processInfo.environment,
                file: shared.serving.config)
            try await runNode(NodeSettings(from: &settings, plugins: plugins))
        }
    }
}

/// Flags that say who makes the blocks of `apus node`.
struct RoleOptions: ParsableArguments {
    @Flag(help: "Make blocks, and seal each with the key in --sealer-key.")
    var sealer = false

    @Option(help: "Seconds between the sealer's blocks (default 2, at least 1).")
    var period: String?

    @Option(
        name: .customLong("empty-blocks"),
        help: """
            Whether the sealer makes blocks without transactions (default true). With false there \
            is a block when there is a transaction, at most one in each --period.
            """)
    var emptyBlocks: String?

    @Option(
        name: .customLong("sealer-key"),
        help: """
            File with the sealer's private key, 64 hex digits, mode 0600; made if it is not there \
            (default: sealer.key in the data folder).
            """)
    var sealerKey: String?

    @Option(
        name: .customLong("extra-data"),
        help: "What the headers of blocks made here carry: text or 0x…, at most 32 bytes.")
    var extraData: String?

    @Option(
        help: """
            Replicate the node at this JSON-RPC address: verify and execute each of its blocks, \
            follow its reorganisations, and pass transactions on to it.
            """)
    var follow: String?

    @Option(
        help: """
            Addresses whose seals --follow accepts, separated by commas. Without them the blocks \
            are verified, but not who made them.
            """)
    var sealers: String?

    @Flag(
        help: """
            Follow a chain before the merge that has no real proof of work, without --sealers.
            """)
    var unsealed = false

    @Flag(help: "Let a consensus client drive the node over the Engine API.")
    var engine = false

    @Option(
        name: .customLong("engine-host"),
        help: "Address of the Engine API's port (default 127.0.0.1).")
    var engineHost: String?

    @Option(
        name: .customLong("engine-port"), help: "Port of the Engine API (default 8551).")
    var enginePort: String?

    @Option(
        name: .customLong("engine-jwt-secret"),
        help: """
            File with the secret shared with the consensus client, 64 hex digits, not readable by \
            others; made with mode 0600 if it is not there (default: jwt.hex in the data folder).
            """)
    var engineSecret: String?

    var flags: [String: String] {
        [
            "sealer": sealer ? "true" : nil, "period": period, "empty-blocks": emptyBlocks,
            "sealer-key": sealerKey, "extra-data": extraData, "follow": follow,
            "sealers": sealers, "unsealed": unsealed ? "true" : nil,
            "engine": engine ? "true" : nil, "engine-host": engineHost,
            "engine-port": enginePort, "engine-jwt-secret": engineSecret,
        ].compactMapValues { $0 }
    }
}
