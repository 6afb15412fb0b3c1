import Chain
import Foundation
import Primitives
import Storage
import TestSupport
import Testing

/// A process of its own writes to a chain and is killed, or finds no more room on the disk.
@Suite(.serialized) struct CrashTests {
    let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
    }

    private func writer(_ arguments: String...) throws -> (Process, Pipe) {
        // The helper stands beside the program that runs the tests.
        let executable = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
            .deletingLastPathComponent().appending(path: "CrashWriter")
        let process = Process()
        process.executableURL = executable
        process.arguments = [directory.path + "/chain"] + arguments
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        return (process, output)
    }

    @Test(arguments: ["interval", "block"])
    func `a killed writer leaves whole blocks`(mode: String) throws {
        var random = SeededRandom(seed: 6)
        var highest: BlockNumber = 0
        for _ in 0..<5 {
            let (process, output) = try writer("write", mode)
            // Let it commit its first block, and then kill it anywhere in its work.
            var printed = output.fileHandleForReading.availableData
            usleep(UInt32(20_000 + random.index(below: 250_000)))
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            printed += output.fileHandleForReading.readDataToEndOfFile()
            let lines = String(decoding: printed, as: UTF8.self).split(separator: "\n")
            let last = lines.dropLast().last.flatMap { UInt64($0) } ?? 0

            let database = try Database(DatabaseOptions(path: directory.path + "/chain"))
            let view = try Blockchain.open(database: database, genesis: nil).head.view
            // A rollback of five blocks may have come after the last line.
            #expect(view.number + 6 >= last)
            highest = max(highest, view.number)
            _ = try view.verifyState()
            var parent = view.hash
            for number in (0...view.number).reversed().prefix(50) {
                let block = try #require(try view.block(number))
                #expect(block.hash == parent)
                #expect(try view.receipts(number)?.count == block.block.transactions.count)
                parent = block.block.header.parentHash
            }
            #expect(try view.block(view.number + 1) == nil)
        }
        #expect(highest > 10)
    }

    @Test func `a full disk stops writing and not reading`() throws {
        let (process, output) = try writer("fill", "600000")
        let text = String(
            decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        #expect(text.hasPrefix("read-only at "), "\(text)")
        let database = try Database(DatabaseOptions(path: directory.path + "/chain"))
        let view = try Blockchain.open(database: database, genesis: nil).head.view
        _ = try view.verifyState()
        #expect(text.contains("read-only at \(view.number):"), "\(text), reopened \(view.number)")
    }
}
