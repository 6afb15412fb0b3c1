import Chain
import Foundation
import Primitives
import Storage
import TestSupport
import Testing

/// The power fails: of what a process wrote, only that is left which it had synced.
///
/// `Tests/PowerLoss/durable.c` stands between the process and the operating system and keeps a copy
/// that gets a file's content when the file is synced and its name when its folder is. When the
/// process is killed, the copy is what the worst of disks would have.
@Suite(.serialized) struct PowerLossTests {
    private static let shim: Result<TemporaryDirectory, any Error> = Result {
        let directory = try TemporaryDirectory()
        let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "PowerLoss/durable.c")
        let compiler = Process()
        compiler.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        compiler.arguments = [
            "clang", "-shared", "-fPIC", "-O1", "-o", directory.path + "/durable.so", source.path,
        ]
        try compiler.run()
        compiler.waitUntilExit()
        #expect(compiler.terminationStatus == 0, "durable.c was not compiled")
        return directory
    }

    /// Runs a work until it is killed, and gives what the disk then has beside what it told.
    private func powerFails(
        _ work: String, _ mode: String, afterMicroseconds delay: Int
    ) throws -> (disk: TemporaryDirectory, told: Told) {
        let directory = try TemporaryDirectory()
        let disk = try TemporaryDirectory()
        try FileManager.default.createDirectory(
            atPath: disk.path + "/.content", withIntermediateDirectories: false)
        // The folder as the process sees it, without links on the way.
        let root = directory.url.resolvingSymlinksInPath().path
        let told = try CrashWriter(
            root, work, mode,
            environment: [
                "LD_PRELOAD": try Self.shim.get().path + "/durable.so", "DURABLE_ROOT": root,
                "DURABLE_MIRROR": disk.path,
            ]
        ).kill(afterMicroseconds: delay)
        return (disk, told)
    }

    @Test(arguments: ["write", "prune", "reorganise"])
    func `with sync mode block nothing acknowledged is lost`(work: String) async throws {
        var random = SeededRandom(seed: CrashTests.seed)
        var highest: BlockNumber = 0
        for _ in 0..<CrashTests.kills {
            let (disk, told) = try powerFails(
                work, "block", afterMicroseconds: 20_000 + random.index(below: 300_000))
            let head = try await CrashTests.verify(disk.path + "/chain", told)
            highest = max(highest, head)
        }
        #expect(highest > 10)
    }

    /// What the daemon promises for this mode: a whole chain, that may end earlier. It also shows
    /// that what was not synced is really lost here.
    @Test func `with sync mode interval the chain ends earlier and is whole`() async throws {
        var random = SeededRandom(seed: CrashTests.seed)
        var lost = 0
        for _ in 0..<CrashTests.kills {
            let (disk, told) = try powerFails(
                "write", "interval", afterMicroseconds: 50_000 + random.index(below: 200_000))
            let head = try await CrashTests.verify(disk.path + "/chain", Told())
            if let last = told.head, head < last.number { lost += 1 }
        }
        #expect(lost > 0, "what was not synced was there all the same")
    }
}
