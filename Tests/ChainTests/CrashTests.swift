import Chain
import Foundation
import Primitives
import Storage
import TestSupport
import Testing

/// A process of its own works on a chain and is killed at a random moment, or finds no more room on
/// the disk. APUS_CRASH_KILLS says how often at least in all; `make test-crash` does it hundreds of times.
@Suite(.serialized) struct CrashTests {
    /// How often each of the works is interrupted.
    static let kills: Int = {
        let text = ProcessInfo.processInfo.environment["APUS_CRASH_KILLS"]
        return max(3, (text.flatMap { Int($0) } ?? 0) / 8)
    }()
    static let seed: UInt64 =
        ProcessInfo.processInfo.environment["APUS_TEST_SEED"].flatMap { UInt64($0) } ?? 6
    /// Kills of one chain; then a new one is begun, which keeps verification short.
    static let killsOfOneChain = 6

    @Test(arguments: [
        ("write", "interval"), ("write", "block"), ("prune", "interval"), ("retain", "interval"),
        ("checkpoint", "interval"), ("reorganise", "interval"),
    ])
    func `a killed process loses nothing that it has acknowledged`(
        work: String, mode: String
    ) async throws {
        print("crash test '\(work)', seed \(Self.seed) (set APUS_TEST_SEED to change it)")
        var random = SeededRandom(seed: Self.seed)
        var directory = try TemporaryDirectory()
        var highest: BlockNumber = 0
        for kill in 0..<Self.kills {
            if kill % Self.killsOfOneChain == 0 { directory = try TemporaryDirectory() }
            let told = try CrashWriter(directory.path, work, mode)
                .kill(afterMicroseconds: 20_000 + random.index(below: 250_000))
            let head = try await Self.verify(directory.path + "/chain", told)
            highest = max(highest, head)
            for copy in told.checkpoints {
                let path = directory.path + "/" + copy.name
                #expect(try await Self.verify(path, Told(head: copy.head)) == copy.head.number)
                try FileManager.default.removeItem(atPath: path)
            }
        }
        #expect(highest > 10)
    }

    @Test func `a killed migration goes on where it stopped`() throws {
        var random = SeededRandom(seed: Self.seed)
        var interrupted = 0
        for _ in 0..<Self.kills {
            let directory = try TemporaryDirectory()
            let told = try CrashWriter(directory.path, "migrate", "-")
                .kill(afterMicroseconds: random.index(below: 120_000))
            if !told.lines.contains("migrated") { interrupted += 1 }
            // Sometimes the second run is killed as well.
            _ = try CrashWriter(directory.path, "migrate", "-")
                .kill(afterMicroseconds: random.index(below: 60_000))
            let last = try CrashWriter(directory.path, "migrate", "-").finish()
            #expect(last.lines.last == "migrated", "\(last.lines)")
        }
        #expect(interrupted > 0, "every migration was over before its kill")
    }

    /// Opens what a process left, does its work again, and compares it with what the process told.
    ///
    /// - Returns: the number of the head.
    static func verify(_ path: String, _ told: Told) async throws -> BlockNumber {
        let database = try Database(DatabaseOptions(path: path, cacheBytes: 8 << 20))
        let view = try Blockchain.open(database: database, genesis: nil).head.view
        if let head = told.head {
            // What was acknowledged, what was to come next, or the block after it.
            let isExpected =
                view.hash == head.hash || view.hash == told.intent?.hash
                || view.header.parentHash == head.hash
            #expect(isExpected, "told \(head), \(told.intent as Any); found \(view.number)")
        }
        let scratch = try TemporaryDirectory()
        let verified = try await ChainVerification(
            of: view, blocks: 0...view.number,
            scratch: Database(DatabaseOptions(path: scratch.path, cacheBytes: 8 << 20))
        ).run()
        #expect(verified.blocks == view.number + 1)
        #expect(try view.block(view.number + 1) == nil)
        return view.number
    }

    @Test func `a full disk stops writing and not reading, and the chain goes on later`()
        async throws
    {
        let directory = try TemporaryDirectory()
        let text = try CrashWriter(directory.path, "fill", "600000").finish().lines.joined()
        #expect(text.hasPrefix("read-only at "), "\(text)")
        let number = try await Self.verify(directory.path + "/chain", Told())
        #expect(text.contains("read-only at \(number):"), "\(text), reopened \(number)")
        // There is room again.
        let told = try CrashWriter(directory.path, "write", "interval")
            .kill(afterMicroseconds: 200_000)
        let later = try await Self.verify(directory.path + "/chain", told)
        #expect(later != number)
    }
}

/// What a process printed before it was killed.
struct Told {
    struct Head {
        let number: BlockNumber
        let hash: Hash256
    }

    var lines: [Substring] = []
    /// The last head that it acknowledged.
    var head: Head?
    /// What it then set out to make the head.
    var intent: Head?
    /// Copies that it acknowledged.
    var checkpoints: [(head: Head, name: String)] = []

    init(head: Head? = nil) {
        self.head = head
    }

    /// - Parameter output: its last line may be cut short.
    init(_ output: Data) {
        let text = String(decoding: output, as: UTF8.self)
        lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
        for line in lines {
            let words = line.split(separator: " ")
            guard words.count > 2, let number = UInt64(words[1]), let hash = Hash256(hex: words[2])
            else { continue }
            let head = Head(number: number, hash: hash)
            switch words[0] {
            case "head":
                self.head = head
                intent = nil
            case "intent": intent = head
            case "checkpoint": checkpoints.append((head, String(words[3])))
            default: break
            }
        }
    }
}

/// The program that works and is killed.
struct CrashWriter {
    private let process = Process()
    private let output = Pipe()

    /// Starts it.
    init(_ arguments: String..., environment: [String: String] = [:]) throws {
        // The program stands beside the one that runs the tests.
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
            .deletingLastPathComponent().appending(path: "CrashWriter")
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardOutput = output
        try process.run()
    }

    /// Lets it print its first line, and kills it so much later, anywhere in its work.
    func kill(afterMicroseconds delay: Int) throws -> Told {
        var printed = output.fileHandleForReading.availableData
        usleep(UInt32(delay))
        Foundation.kill(process.processIdentifier, SIGKILL)
        printed += output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        // A migration may be over before; anything else ends by the kill and by nothing else.
        #expect([0, SIGKILL].contains(process.terminationStatus))
        return Told(printed)
    }

    /// Waits for its end.
    func finish() throws -> Told {
        let printed = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        return Told(printed)
    }
}
