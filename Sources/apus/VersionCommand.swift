import ArgumentParser
import Node

/// `apus version`: which build this is.
struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version", abstract: "Print the version.")

    func run() {
        print("apus \(apusVersion)")
    }
}
