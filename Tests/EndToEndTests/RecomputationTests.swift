import Foundation
import TestSupport
import Testing

/// The analytics of a real daemon against figures that a program in Python computes from blocks,
/// receipts and traces.
@Suite struct RecomputationTests {
    @Test(arguments: [1, 2, 3])
    func `every figure is what an independent computation finds`(seed: Int) throws {
        let daemon = try Daemon(["dev", "--port", "0"])
        try recompute(on: daemon, [String(seed), "40"])
        #expect(daemon.stop() == 0)
    }

    /// Chains that others made: withdrawals, blobs, delegations, rewards and uncles of proof of work.
    @Test(
        .enabled(if: Fixtures.areAvailable, Fixtures.hint),
        arguments: ["chain-rpc-compat", "chain-ethtest"])
    func `every figure of an official chain is what an independent computation finds`(
        archive: String
    ) throws {
        let folder = try TemporaryFolder()
        let data = folder.path + "/data"
        let genesis = try Fixtures.file(archive, "genesis.json").path
        let imported = try Daemon.run([
            "import", "--datadir", data, "--genesis", genesis,
            Fixtures.file(archive, "chain.rlp").path,
        ])
        #expect(imported.status == 0, "\(imported)")
        let daemon = try Daemon([
            "node", "--datadir", data, "--port", "0", "--no-rest", "--http-api", "all",
        ])
        try recompute(on: daemon, [genesis])
        #expect(daemon.stop() == 0)
    }

    private func recompute(on daemon: Daemon, _ arguments: [String]) throws {
        let script = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../Recomputation/recompute.py")
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments =
            ["python3", script.path, "http://127.0.0.1:\(daemon.port)"] + arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        let text = String(decoding: data, as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(text)")
    }
}
