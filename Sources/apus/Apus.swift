import ArgumentParser
import Foundation
import Node

/// The `apus` command.
@main
struct Apus: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apus",
        abstract:
            "An Ethereum-compatible node: a durable devnet and a private chain in one binary.",
        discussion: """
            Start a devnet on 127.0.0.1:8545, with ten funded accounts:

              apus dev                          kept nowhere, gone at exit
              apus dev --datadir ./devnet       kept, and found again at the next start

            Run a private chain from a genesis file:

              apus init --datadir /var/lib/apus genesis.json
              apus node --datadir /var/lib/apus --block-time 2

            Each setting is a flag, a variable (--block-time is APUS_BLOCK_TIME) and a key of the
            configuration file (block-time = 2). Flags win over variables, variables over the file.

            Exit status: 0 stopped cleanly; 64 wrong usage; 65 wrong data in a file; 66 file not
            found; 69 the port is taken; 74 disk trouble; 75 the data folder is in use; 78 wrong
            configuration.
            """,
        version: apusVersion,
        subcommands: [
            DevCommand.self, NodeCommand.self, GatewayCommand.self, InitCommand.self,
            ImportCommand.self,
            ExportCommand.self, VerifyCommand.self, DatabaseCommand.self, EVMCommand.self,
            DataCommand.self, PredictCommand.self, JWTCommand.self, VersionCommand.self,
        ])
}

/// Runs a command's work and ends the process with the status that fits.
///
/// The process ends without running the static destructors of C++ libraries: threads of the
/// database and the event loops may still be winding down, and would meet destroyed objects. By
/// then everything is on disk.
func runToEnd(_ work: () async throws -> Void) async -> Never {
    var status: Int32 = 0
    do {
        try await work()
    } catch let error as StartupError {
        printError("apus: \(error.description)")
        status = error.status.rawValue
    } catch {
        printError("apus: \(error)")
        status = ExitStatus.software.rawValue
    }
    fflush(nil)
    _exit(status)
}
