import Foundation
import Testing

/// The analytics of a real daemon against figures that a program in Python computes from blocks,
/// receipts and traces.
@Suite struct RecomputationTests {
    @Test(arguments: [1, 2, 3])
    func `every figure is what an independent computation finds`(seed: Int) throws {
        let daemon = try Daemon(["dev", "--port", "0"])
        let script = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../Recomputation/recompute.py")
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [
            "python3", script.path, "http://127.0.0.1:\(daemon.port)", String(seed), "40",
        ]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        let text = String(decoding: data, as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(text)")
        #expect(daemon.stop() == 0)
    }
}
