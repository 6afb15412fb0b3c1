import Chain
import EthereumTypes
import Execution
import Foundation
import Primitives
import SpecRunner
import Storage
import TestSupport
import Testing

/// Official chains and blocks, imported into a database as a node would.
@Suite(.serialized, .enabled(if: Fixtures.areAvailable, Fixtures.hint))
struct OfficialChainTests {
    /// The chains that clients are tested with: hundreds of blocks across all forks since the merge,
    /// or since Frontier.
    @Test(arguments: ["chain-ethtest", "chain-rpc-compat", "chain-sync"])
    func `a chain is imported to its head and undone to its genesis`(name: String) async throws {
        let genesis = try Genesis(json: Fixtures.bytes(Fixtures.file(name, "genesis.json")))
        let test = try TestChain(genesis: genesis)
        let chain = test.chain
        let before = try contents(of: chain.database)
        let blocks = try Self.blocks(in: Fixtures.file(name, "chain.rlp"))
        for block in blocks { try await chain.importBlock(block) }

        let choice = try Fixtures.json(Fixtures.file(name, "headfcu.json"))
        #expect(choice["params"]?[0]?["headBlockHash"]?.stringValue == chain.head.hash.description)
        try checkState(of: chain.head.view, name)
        let verified = try chain.head.view.verifyState()
        #expect(verified.accounts > 0)
        let after = try contents(of: chain.database)

        let middle = BlockNumber(blocks.count / 2)
        try await chain.rollback(to: middle)
        _ = try chain.head.view.verifyState()
        for block in blocks where block.header.number > middle {
            try await chain.importBlock(block)
        }
        #expect(try contents(of: chain.database) == after)
        try await chain.rollback(to: 0)
        #expect(try contents(of: chain.database) == before)
    }

    private static func blocks(in file: URL) throws -> [Block] {
        var decoder = RLPDecoder(try Fixtures.bytes(file))
        var blocks: [Block] = []
        while !decoder.isAtEnd { blocks.append(try decoder.block()) }
        // Some of the files begin with the genesis block.
        return blocks.filter { $0.header.number > 0 }
    }

    private func checkState(of view: ChainView, _ name: String) throws {
        let file = try Fixtures.file(name, "headstate.json")
        guard FileManager.default.fileExists(atPath: file.path) else { return }
        let state = try Fixtures.json(file)
        let accounts = try #require(state["accounts"]?.objectValue)
        var count = 0
        try view.forEachAccount { _ in
            count += 1
            return true
        }
        #expect(count == accounts.count)
        for (key, value) in accounts {
            let account = try view.state.account(try #require(Address(hex: key)))
            #expect(account?.balance.description == value["balance"]?.stringValue)
            #expect(account?.storageRoot.description == value["root"]?.stringValue)
            #expect(account?.codeHash.description == value["codeHash"]?.stringValue)
        }
    }

    /// A sample of the blockchain tests, or all of them with a stride of 1 in APUS_FIXTURE_STRIDE:
    /// the database must come to the same roots as the fixtures, and back.
    @Test(arguments: [
        ("eest-blockchain-tests", 120), ("legacy-blockchain-tests-istanbul-cancun", 120),
        ("legacy-blockchain-tests-frontier-constantinople", 120),
        ("legacy-blockchain-state-istanbul-cancun", 800),
    ])
    func `blockchain tests leave a sound database`(archive: String, stride: Int) async throws {
        let wanted = ProcessInfo.processInfo.environment["APUS_FIXTURE_STRIDE"]
        let stride = wanted.flatMap { Int($0) } ?? stride
        let files = try Fixtures.files(archive).enumerated()
            .filter { $0.offset % stride == stride / 2 }.map(\.element)
        // On one core, whole corpora would go on long after all other tests.
        let lanes = ProcessInfo.processInfo.activeProcessorCount
        let imported = try await withThrowingTaskGroup(of: Int.self) { group in
            for lane in 0..<lanes {
                group.addTask {
                    var imported = 0
                    for index in Swift.stride(from: lane, to: files.count, by: lanes) {
                        imported += try await run(casesOf: files[index])
                    }
                    return imported
                }
            }
            return try await group.reduce(0, +)
        }
        #expect(imported > 0)
    }

    /// Cases of a file are much alike: the first of each fork.
    private func run(casesOf file: URL) async throws -> Int {
        var imported = 0
        var seen: Set<String> = []
        for test in try BlockTestCase.cases(in: Fixtures.json(file))
        where seen.insert(test.network).inserted {
            imported += try await run(test)
        }
        return imported
    }

    /// Imports a case's blocks as far as they follow each other, and undoes them.
    private func run(_ test: BlockTestCase) async throws -> Int {
        let fixture = try TestChain(genesis: test.asGenesis)
        let chain = fixture.chain
        guard chain.genesisHash == test.genesisHash else {
            Issue.record("\(test.name): genesis \(chain.genesisHash), not \(test.genesisHash)")
            return 0
        }
        var before = [try contents(of: chain.database)]
        for block in test.blocks {
            let unchanged = before[before.count - 1]
            switch block.expectation {
            case .accepted(let hash):
                let decoded = try Block(encoded: block.encoding)
                // Side chains are not the subject here.
                guard decoded.header.parentHash == chain.head.hash else { break }
                let head = try await chain.importBlock(decoded)
                #expect(head.hash == hash, "\(test.name)")
                before.append(try contents(of: chain.database))
            case .refused:
                guard let decoded = try? Block(encoded: block.encoding),
                    // A seal is what the chain does not look at.
                    !test.checksSeals
                else { continue }
                await #expect(throws: ChainError.self, "\(test.name)") {
                    try await chain.importBlock(decoded)
                }
                #expect(try contents(of: chain.database) == unchanged, "\(test.name)")
            }
        }
        _ = try chain.head.view.verifyState()
        for number in (0..<BlockNumber(before.count - 1)).reversed() {
            try await chain.rollback(to: number)
            #expect(try contents(of: chain.database) == before[Int(number)], "\(test.name)")
        }
        return before.count - 1
    }
}

extension BlockTestCase {
    /// The genesis block and its state as a genesis file would have them.
    fileprivate var asGenesis: Genesis {
        var file = Genesis(config: config)
        file.nonce = genesis.nonce
        file.timestamp = genesis.timestamp
        file.extraData = genesis.extraData
        file.gasLimit = genesis.gasLimit
        file.difficulty = genesis.difficulty
        file.prevRandao = genesis.prevRandao
        file.coinbase = genesis.coinbase
        file.alloc = pre
        file.number = genesis.number
        file.gasUsed = genesis.gasUsed
        file.parentHash = genesis.parentHash
        file.baseFeePerGas = genesis.baseFeePerGas
        file.excessBlobGas = genesis.excessBlobGas
        file.blobGasUsed = genesis.blobGasUsed
        return file
    }
}
