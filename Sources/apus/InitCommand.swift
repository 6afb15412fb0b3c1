import ArgumentParser
import Node

/// `apus init`: writes the genesis block into a new data folder.
struct InitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Make a data folder from a genesis file in geth's or Besu's format.",
        discussion: """
            Running it again with the same genesis changes nothing; a different genesis is refused.
            """)

    @Option(name: .long, help: "The data folder; made if it is not there.")
    var datadir: String

    @Argument(help: "The genesis file.")
    var genesis: String

    func run() async throws {
        await runToEnd {
            let result = try initializeDataDirectory(datadir, genesisFile: genesis)
            for note in result.notes { printError("note: \(note)") }
            print("genesis \(result.genesisHash)")
            print("chain id \(result.chainId)")
        }
    }
}
