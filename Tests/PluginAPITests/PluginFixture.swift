import Chain
import Cryptography
import EthereumTypes
import Execution
import Logging
import PluginAPI
import Primitives
import RPC
import Storage
import Synchronization
import TestSupport
import Testing

/// Counts the transactions of each sender, and keeps the last block of each.
final class CountingPlugin: NodePlugin {
    static let counts = PluginTable(0, "counts", .point)
    static let log = PluginTable(1, "log", .ordered)
    static let manifest = PluginManifest(
        name: "counting", summary: "Counts.", version: 3, tables: [counts, log])

    let start: String
    let failsAt = Mutex<BlockNumber?>(nil)
    let reverted = Mutex<[BlockNumber]>([])
    let begun = Mutex<[BlockNumber]>([])

    init(_ configuration: inout PluginConfiguration) throws(PluginError) {
        start = configuration.text("start") ?? ""
        _ = try configuration.integer("size", in: 1...9)
    }

    func open(_ handle: PluginHandle) throws -> PluginOffer {
        PluginOffer(
            methods: [
                RPCMethod(
                    "counting_count", ["address"],
                    instant: { (_: RPCContext, address: Address) in
                        try handle.view.value(Self.counts, address.bytes).map { UInt64($0[0]) }
                    })
            ])
    }

    func indexBegins(_ start: IndexStart, _ batch: PluginBatch) throws {
        begun.withLock { $0.append(start.block.number) }
        var count: UInt8 = 0
        try start.forEachAccount { _, _ in count += 1 }
        try batch.put(Self.counts, [], [count])
    }

    func blockCommitted(_ block: CommittingBlock, _ batch: PluginBatch) throws {
        if block.stored.number == failsAt.withLock({ $0 }) { throw PluginError("cannot count") }
        for (index, sender) in block.stored.senders.enumerated() {
            let before = try batch.value(Self.counts, sender.bytes)?.first ?? 0
            try batch.put(Self.counts, sender.bytes, [before &+ 1])
            batch.insert(Self.log, [UInt8(block.stored.number), UInt8(index)], sender.bytes)
        }
        // A value that is changed twice by one who knows what stands there.
        let number = UInt8(block.stored.number)
        let isFirst = block.stored.number == (begun.withLock { $0.last } ?? 0) + 1
        batch.replace(Self.log, [0xfe], isFirst ? nil : [number - 1], with: [0xfd])
        batch.replace(Self.log, [0xfe], [0xfd], with: [number])
        // A value that goes and comes.
        if block.stored.number % 2 == 0 {
            try batch.delete(Self.counts, [0xff])
        } else {
            try batch.put(Self.counts, [0xff], [UInt8(block.stored.number)])
        }
    }

    func blockReverted(_ block: BlockReference, _ batch: PluginBatch) throws {
        reverted.withLock { $0.append(block.number) }
    }
}

/// The next version of the counting plugin, with one of its tables.
final class LaterCountingPlugin: NodePlugin {
    static let counts = PluginTable(0, "counts", .point)
    static let manifest = PluginManifest(
        name: "counting", summary: "Counts blocks.", version: 4, tables: [counts])

    init(_ configuration: inout PluginConfiguration) throws(PluginError) {}

    func blockCommitted(_ block: CommittingBlock, _ batch: PluginBatch) throws {
        try batch.put(Self.counts, [UInt8(block.stored.number)], [1])
    }
}

/// Fails where its settings say, and keeps nothing.
final class FailingPlugin: NodePlugin {
    static let manifest = PluginManifest(name: "failing", summary: "Fails.")

    private let phase: String?

    init(_ configuration: inout PluginConfiguration) throws(PluginError) {
        phase = configuration.text("phase")
    }

    func open(_ handle: PluginHandle) throws -> PluginOffer {
        if phase == "open" { throw PluginError("cannot open") }
        return PluginOffer()
    }

    func run(_ handle: PluginHandle) async throws {
        if phase == "run" { throw PluginError("cannot run") }
    }
}

/// Takes part after the plugins, and refuses batches with a block of two transactions.
final class PairRefusal: CommitParticipant {
    let needsCalls = false

    func prepare(_ change: HeadChange) -> CommitStep {
        { (_) throws(ChainError) in
            if change.committed.contains(where: { $0.stored.senders.count == 2 }) {
                throw .participantFailed("not two")
            }
        }
    }
}

/// A chain with plugins, in a directory of its own.
struct PluginFixture {
    let host: PluginHost
    let chain: Blockchain
    /// Kept as long as the chain.
    let directory: TemporaryDirectory

    init(
        _ directory: TemporaryDirectory, plugins: [any NodePlugin.Type] = [CountingPlugin.self],
        settings: [String: [String: String]] = [:], policy: PluginFailurePolicy = .disable,
        history: HistoryRetention = .all, participants: [any CommitParticipant] = []
    ) throws {
        self.directory = directory
        host = try PluginHost(
            plugins,
            configuration: { PluginConfiguration(section: $0, values: settings[$0] ?? [:]) },
            policy: policy, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        var options = DatabaseOptions(path: directory.path + "/chain", cacheBytes: 8 << 20)
        options.pluginFamilies = host.families
        var chainOptions = ChainOptions(sync: .interval(milliseconds: 1000), history: history)
        chainOptions.participants = host.participants + participants
        var genesis = Genesis(config: .single(.shanghai, chainId: 1337))
        genesis.gasLimit = 30_000_000
        genesis.difficulty = .zero
        genesis.baseFeePerGas = 1_000_000_000
        genesis.alloc = [FixedKeys.alice.address: GenesisAccount(balance: UInt256(10).power(24))]
        chain = try Blockchain.open(
            database: try Database.reopening(options), genesis: genesis, options: chainOptions)
        try host.open(chain)
    }

    /// Produces a block with so many transfers.
    @discardableResult
    func produce(_ count: Int = 1, value: Wei = 1) async throws -> CommittedBlock {
        let nonce = try chain.head.view.state.account(FixedKeys.alice.address)?.nonce ?? 0
        let transactions = (0..<count).map { index in
            RecoveredTransaction(
                Transaction.legacy(
                    chainId: 1337, nonce: nonce + UInt64(index), gasPrice: 10_000_000_000,
                    gasLimit: 21_000, to: FixedKeys.bob.address, value: value, data: []
                ).signed(with: FixedKeys.alice), sender: FixedKeys.alice.address)
        }
        let block = try await chain.produce { (head) throws(ChainError) in
            let builder = BlockBuilder(
                on: try head.view.parentBlock(),
                attributes: PayloadAttributes(
                    timestamp: head.header.timestamp + 1, coinbase: .zero, prevRandao: .zero,
                    gasLimit: head.header.gasLimit), config: head.view.config)
            do {
                for transaction in transactions { try builder.add(transaction) }
            } catch {
                Issue.record("a transaction was refused: \(error)")
            }
            do throws(BlockExecutionError) {
                return try builder.finish()
            } catch {
                throw ChainError(error)
            }
        }
        return try #require(block)
    }

    /// Runs the host until a condition holds, at most ten seconds.
    func run(until condition: @escaping @Sendable () throws -> Bool) async throws {
        let task = Task { [host] in await host.run() }
        let end = ContinuousClock.now + .seconds(60)
        while try !condition(), ContinuousClock.now < end {
            try await Task.sleep(for: .milliseconds(2))
        }
        task.cancel()
        await task.value
    }

    /// Every entry of the plugin's families.
    func contents() throws -> [String: [Bytes: Bytes]] {
        var all: [String: [Bytes: Bytes]] = [:]
        for family in host.families where family.plugin != "feed" {
            let column = try #require(chain.database.column(family))
            let cursor = chain.database.snapshot().cursor(column)
            try cursor.seek([])
            while cursor.isValid {
                all[family.family, default: [:]][cursor.key] = cursor.value
                try cursor.advance()
            }
        }
        return all
    }
}
