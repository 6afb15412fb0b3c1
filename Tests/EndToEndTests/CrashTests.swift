import Foundation
import Primitives
import TestSupport
import Testing

/// `kill -9` at random moments under load: what was acknowledged is there after a restart.
@Suite(.serialized) struct CrashTests {
    static let alice = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
    static let bob = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8"
    /// How often the daemon is killed: APUS_CRASH_KILLS says how often at least in all.
    static let kills: Int = {
        let text = ProcessInfo.processInfo.environment["APUS_CRASH_KILLS"]
        return max(6, (text.flatMap { Int($0) } ?? 0) / 8)
    }()

    @Test(.timeLimit(.minutes(5)), arguments: ["interval", "block"])
    func `the last acknowledged block survives kill -9`(syncMode: String) throws {
        let folder = try TemporaryFolder()
        let arguments = [
            "dev", "--port", "0", "--datadir", folder.path + "/data", "--sync-mode", syncMode,
        ]
        var generator = SeededRandom(seed: 7)
        print("crash test, seed \(generator.seed) (set APUS_TEST_SEED to change it)")
        var acknowledged: [JSONValue] = []

        for _ in 0..<Self.kills {
            let daemon = try Daemon(arguments)
            let connection = try daemon.connect()
            for block in acknowledged.suffix(3) {
                guard let number = block["number"]?.stringValue else { continue }
                let found = try connection.call("eth_getBlockByNumber", #"["\#(number)", false]"#)
                #expect(found["hash"] == block["hash"])
                #expect(found["stateRoot"] == block["stateRoot"])
            }
            let head = try connection.call("eth_getBlockByNumber", #"["latest", true]"#)
            #expect(
                Int(acknowledged.count) <= hexNumber(head["number"]),
                "an acknowledged block is gone")
            try expectStateMatchesRoot(connection, head)

            let moment = Double(generator.next() % 400) / 1000 + 0.02
            let killer = Thread {
                Thread.sleep(forTimeInterval: moment)
                kill(daemon.process.processIdentifier, SIGKILL)
            }
            killer.start()
            do {
                acknowledged.removeAll()
                while true {
                    let sent = try connection.call(
                        "eth_sendTransaction",
                        #"[{"from":"\#(Self.alice)","to":"\#(Self.bob)","value":"0x1","gas":"0x5208"}]"#
                    )
                    let receipt = try connection.call(
                        "eth_getTransactionReceipt", "[\(sent.description)]")
                    let number = receipt["blockNumber"]?.stringValue ?? ""
                    let block = try connection.call(
                        "eth_getBlockByNumber", #"["\#(number)", false]"#)
                    acknowledged.append(block)
                }
            } catch is Connection.Lost {
                // The kill.
            }
            daemon.process.waitUntilExit()
        }
    }

    /// Copies are made one after the other, so that most kills fall into one.
    @Test(.timeLimit(.minutes(5)))
    func `a copy of the chain is whole or not there, whenever the node is killed`() throws {
        let folder = try TemporaryFolder()
        let data = folder.path + "/data"
        let copies = folder.path + "/copies"
        var generator = SeededRandom(seed: 17)
        print("checkpoint test, seed \(generator.seed) (set APUS_TEST_SEED to change it)")
        var acknowledged: Set<String> = []
        for round in 0..<(Self.kills / 2) {
            let daemon = try Daemon([
                "dev", "--port", "0", "--datadir", data, "--checkpoint-dir", copies,
            ])
            let connection = try daemon.connect()
            let moment = Double(generator.next() % 300) / 1000 + 0.02
            let killer = Thread {
                Thread.sleep(forTimeInterval: moment)
                kill(daemon.process.processIdentifier, SIGKILL)
            }
            killer.start()
            do {
                for step in 0... {
                    _ = try connection.call("evm_mine")
                    let name = "copy-\(round)-\(step)"
                    _ = try connection.call("admin_checkpoint", #"["\#(name)"]"#)
                    acknowledged.insert(name)
                }
            } catch is Connection.Lost {
                // The kill.
            }
            daemon.process.waitUntilExit()
            #expect(try Daemon.run(["verify", "--datadir", data]).status == 0)
            let names = (try? FileManager.default.contentsOfDirectory(atPath: copies)) ?? []
            #expect(acknowledged.isSubset(of: names))
            // What a kill leaves of a copy has another name.
            for name in names where !name.hasSuffix(".tmp") {
                let verified = try Daemon.run(["verify", "--datadir", copies + "/" + name])
                #expect(verified.status == 0, "\(name): \(verified)")
            }
            try? FileManager.default.removeItem(atPath: copies)
            acknowledged.removeAll()
        }
    }

    /// Each kill falls anywhere in an import, which is started again until it reaches the end.
    @Test(.enabled(if: Fixtures.areAvailable, Fixtures.hint), .timeLimit(.minutes(10)))
    func `an import that is killed again and again reaches the same head`() throws {
        let folder = try TemporaryFolder()
        var generator = SeededRandom(seed: 11)
        print("import test, seed \(generator.seed) (set APUS_TEST_SEED to change it)")
        let genesis = try Fixtures.file("chain-ethtest", "genesis.json").path
        let chain = try Fixtures.file("chain-ethtest", "chain.rlp").path
        var interrupted = 0
        for number in 0..<(Self.kills / 3 * 3) {
            // One chain is killed three times, and then finished.
            let data = folder.path + "/data-\(number / 3)"
            let arguments = [
                "import", "--datadir", data, "--genesis", genesis, chain,
            ]
            let process = Process()
            process.executableURL = Daemon.binary
            process.arguments = arguments
            process.standardOutput = FileHandle.nullDevice
            process.standardError = FileHandle.nullDevice
            process.environment = [:]
            try process.run()
            usleep(UInt32(generator.next() % 500_000) + 50_000)
            if process.isRunning { interrupted += 1 }
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            if FileManager.default.fileExists(atPath: data + "/CURRENT") {
                let verified = try Daemon.run(["verify", "--datadir", data])
                // It may have been killed before it had a genesis block.
                #expect(
                    verified.status == 0 || verified.error.contains("holds no chain"),
                    "\(verified)")
            }
            guard number % 3 == 2 else { continue }
            let last = try Daemon.run(arguments)
            #expect(last.status == 0, "\(last)")
            #expect(last.output.contains("the head is block 600,"), "\(last.output)")
            #expect(try Daemon.run(["verify", "--datadir", data]).status == 0)
            try FileManager.default.removeItem(atPath: data)
        }
        #expect(interrupted > 0)
    }

    /// The proof of an account against the head's root, and the balances against the count of
    /// transfers: whole blocks or nothing.
    private func expectStateMatchesRoot(_ connection: Connection, _ head: JSONValue) throws {
        let transfers = hexNumber(head["number"])
        // At the head's number: a transfer that was in the pool when the process was killed may
        // become the next block at any moment.
        let number = head["number"]?.stringValue ?? ""
        let nonce = try connection.call(
            "eth_getTransactionCount", #"["\#(Self.alice)", "\#(number)"]"#)
        #expect(hexNumber(nonce) == transfers, "each block holds one transfer of Alice")
        let proof = try connection.call("eth_getProof", #"["\#(Self.alice)", [], "\#(number)"]"#)
        let root = proof["accountProof"]?[0]?.stringValue.flatMap { Hex.decode($0) } ?? []
        let answered = try connection.call("web3_sha3", #"["\#(Hex.encode(root))"]"#)
        #expect(answered == head["stateRoot"], "the proof's first node hashes to the state root")
    }

    private func hexNumber(_ value: JSONValue?) -> Int {
        value?.stringValue.flatMap { UInt256(hex: $0)?.asUInt64 }.map { Int($0) } ?? -1
    }
}
