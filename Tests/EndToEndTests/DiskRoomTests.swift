import Foundation
import Primitives
import Testing

/// A disk that becomes full under the daemon, and has room again: a file system of some megabytes.
@Suite(.serialized, .enabled(if: SmallFileSystem.isPossible, SmallFileSystem.hint))
struct DiskRoomTests {
    @Test(.timeLimit(.minutes(5)))
    func `a devnet refuses blocks before the disk is full, and goes on when there is room`() throws
    {
        let folder = try TemporaryFolder()
        let disk = try SmallFileSystem(at: folder.path, mebibytes: 80)
        defer { disk.unmount() }
        let data = folder.path + "/data"
        let daemon = try Daemon(["dev", "--port", "0", "--datadir", data])
        let connection = try daemon.connect()
        let payload = String(repeating: "ab", count: 20_000)
        func send() throws {
            let parameters =
                #"[{"from":"\#(CrashTests.alice)","to":"\#(CrashTests.bob)","gas":"0xf4240","#
                + #""data":"0x\#(payload)"}]"#
            _ = try connection.call("eth_sendTransaction", parameters)
        }
        func head() throws -> UInt64? {
            try connection.call("eth_blockNumber").stringValue.flatMap {
                UInt256(hex: $0)?.asUInt64
            }
        }
        var acknowledged: UInt64 = 0
        var refusal: Connection.RPCFailure?
        while refusal == nil, acknowledged < 10_000 {
            do {
                try send()
                acknowledged += 1
            } catch let error as Connection.RPCFailure {
                refusal = error
            }
        }
        #expect("\(try #require(refusal))".contains("nearly full"), "\(refusal as Any)")
        #expect(acknowledged > 0)
        // Reads go on, and so does the node when there is room: without a new start.
        #expect(try head() == acknowledged)
        try disk.grow(mebibytes: 256)
        try send()
        #expect(try #require(try head()) > acknowledged)
        #expect(daemon.stop() == 0)
        #expect(try Daemon.run(["verify", "--datadir", data]).status == 0)
    }

    @Test(.timeLimit(.minutes(5)))
    func `a sealer and its replica wait for room, and go on`() throws {
        let folder = try TemporaryFolder()
        let disk = try SmallFileSystem(at: folder.path, mebibytes: 96)
        defer { disk.unmount() }
        let genesis = try folder.write(ReplicationTests.genesis, to: "genesis.json")
        for name in ["sealer", "replica"] {
            #expect(
                try Daemon.run(["init", "--datadir", folder.path + "/" + name, genesis]).status == 0
            )
        }
        let sealer = try Daemon([
            "node", "--datadir", folder.path + "/sealer", "--port", "0", "--sealer", "--period",
            "1",
        ])
        let replica = try Daemon([
            "node", "--datadir", folder.path + "/replica", "--port", "0", "--follow",
            "http://127.0.0.1:\(sealer.port)",
        ])
        let connections = try [sealer, replica].map { try $0.connect() }
        func heads() throws -> [UInt64] {
            try connections.map {
                try $0.call("eth_blockNumber").stringValue.flatMap { UInt256(hex: $0)?.asUInt64 }
                    ?? 0
            }
        }
        /// Asks until both heads are beyond these, a minute at most.
        func expectProgress(beyond: [UInt64]) throws {
            for _ in 0..<600 {
                if try zip(heads(), beyond).allSatisfy({ $0 > $1 }) { return }
                Thread.sleep(forTimeInterval: 0.1)
            }
            Issue.record("no progress beyond \(beyond): \(try heads())")
        }
        try expectProgress(beyond: [1, 1])
        // Another program takes the room.
        let filler = folder.path + "/filler"
        #expect(
            FileManager.default.createFile(
                atPath: filler, contents: Data(repeating: 1, count: 40 << 20)))
        // What is under way may still be written.
        Thread.sleep(forTimeInterval: 1)
        let stopped = try heads()
        Thread.sleep(forTimeInterval: 1)
        #expect(try heads() == stopped)
        try FileManager.default.removeItem(atPath: filler)
        try expectProgress(beyond: stopped)
        #expect(replica.stop() == 0)
        #expect(sealer.stop() == 0)
        for name in ["sealer", "replica"] {
            #expect(try Daemon.run(["verify", "--datadir", folder.path + "/" + name]).status == 0)
        }
    }
}

/// A file system of a few megabytes in memory.
struct SmallFileSystem {
    /// Mounting is for the superuser, in a process that may.
    static let isPossible: Bool = {
        guard geteuid() == 0, let folder = try? TemporaryFolder(),
            let disk = try? SmallFileSystem(at: folder.path, mebibytes: 1)
        else { return false }
        disk.unmount()
        return true
    }()
    static let hint: Comment = "needs the right to mount a file system: run as root"

    private let path: String

    init(at path: String, mebibytes: Int) throws {
        self.path = path
        try Self.run("mount", "-t", "tmpfs", "-o", "size=\(mebibytes)m", "apus-test", path)
    }

    /// Makes room.
    func grow(mebibytes: Int) throws {
        try Self.run("mount", "-o", "remount,size=\(mebibytes)m", path)
    }

    func unmount() { try? Self.run("umount", "--lazy", path) }

    private static func run(_ tool: String, _ arguments: String...) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [tool] + arguments
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw CocoaError(.executableLoad) }
    }
}
