import Analytics
import Chain
import Cryptography
import EthereumTypes
import Execution
import Foundation
import Logging
import Node
import PluginAPI
import Primitives
import Storage

//      apus-bench chain import [TRANSFERS]     200,000 of each kind where no number is given
//      apus-bench chain index [TRANSFERS]      the same without and with the analytics, three times
//      apus-bench chain answers [TRANSFERS]    answers about an address with that many transactions
//      apus-bench chain length [BLOCKS]        what a block costs as the chain grows
//      apus-bench chain state [ACCOUNTS]       what a block costs over a large state
//      apus-bench chain reorg [DEPTH]          how long another branch takes to become the head

/// Measures the chain as an importing node uses it: every root is verified, the store is a real one
/// in a temporary folder, senders of the blocks to come are recovered while the writer works.
func chainBenchmark(_ mode: String, count: Int?) async throws {
    switch mode {
    case "import":
        try await fixtureImports()
        for kind in [Workload.plain, .token] {
            let chain = try await generate(kind, transfers: count ?? 200_000)
            for sync in [SyncMode.interval(milliseconds: 200), .everyBlock] {
                try await report(chain, sync: sync)
            }
        }
    case "index":
        for kind in [Workload.plain, .token] {
            let chain = try await generate(kind, transfers: count ?? 200_000)
            // By turns, so that what else the machine does meets both.
            var (without, with): ([ImportTime], [ImportTime]) = ([], [])
            for _ in 0..<3 {
                let sync = SyncMode.interval(milliseconds: 200)
                without.append(try await report(chain, sync: sync))
                with.append(
                    try await report(chain, sync: sync, plugins: [AnalyticsPlugin.self]))
            }
            for (name, time) in [
                ("processor time", \ImportTime.processor), ("time by the clock", \.clock),
            ] {
                let base = median(without.map { $0[keyPath: time] }[...])
                let all = median(with.map { $0[keyPath: time] }[...])
                line(
                    "the index of \(kind.rawValue)",
                    String(
                        format: "%.1f %% of the import's %@, %.1f %% on top of the rest",
                        (all - base) / all * 100, name, (all - base) / base * 100))
            }
        }
    case "answers": try await answersBenchmark(transfers: count ?? 100_000)
    case "length": try await lengthBenchmark(blocks: count ?? 1_000_000)
    case "state": try await stateBenchmark(accounts: count ?? 1_000_000)
    case "reorg": try await reorgBenchmark(depth: UInt64(count ?? 64))
    default: print("modes: import, index, answers, length, state, reorg")
    }
}

// MARK: - Chains

/// Blocks as they come out of a file, and what they begin with.
private struct EncodedChain {
    let name: String
    let genesis: Genesis
    var blocks: [Bytes]
    var transactions = 0
    var gas: Gas = 0
}

/// What the transactions of a generated chain do.
private enum Workload: String {
    case plain = "plain transfers"
    case token = "ERC-20 transfers"
}

/// Who sends in generated chains.
private let senders = (1...1000).compactMap { PrivateKey(UInt256($0)) }
/// Who receives: each is new at first.
private let receivers: [Address] = (0..<50_000).map {
    Address(lowBytesOf: keccak256(UInt256($0 + 1_000_000)))
}
private let chainId: UInt64 = 31337
private let start: Timestamp = 1_800_000_000
/// Where the contract of `Benchmarks/evm/token.vy` is.
private let token = Address(w0: 0x7000_0000_0000_0000, w1: 0, w2: 0x70)

/// A genesis of the newest fork in which senders own ether and tokens.
private func benchmarkGenesis(gasLimit: Gas) throws -> Genesis {
    var genesis = Genesis.devnet(
        config: .single(.osaka, chainId: chainId), timestamp: start,
        balances: Dictionary(uniqueKeysWithValues: senders.map { ($0.address, 1 << 100) }),
        baseFee: 1_000_000_000, gasLimit: gasLimit)
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../evm/token.hex")
    let code = try String(contentsOf: path, encoding: .utf8)
        .trimmingCharacters(in: .whitespacesAndNewlines)
    guard let runtime = Hex.decode(code) else { throw CocoaError(.fileReadCorruptFile) }
    var slots: [UInt256: UInt256] = [:]
    for sender in senders {
        // The first variable of a Vyper contract, a map: hash of the slot and the key.
        let key = [UInt8](repeating: 0, count: 44) + sender.address.bytes
        slots[keccak256(key).uint256] = 1 << 100
    }
    genesis.alloc[token] = GenesisAccount(balance: .zero, nonce: 1, code: runtime, storage: slots)
    return genesis
}

/// Transfers in their order, signed on all cores.
private func transfers(_ kind: Workload, _ count: Int) async -> [RecoveredTransaction] {
    func transfer(_ index: Int) -> RecoveredTransaction {
        let sender = senders[index % senders.count]
        let receiver = receivers[index &* 7919 % receivers.count]
        var transaction = Transaction(
            type: .dynamicFee, chainId: chainId, nonce: Nonce(index / senders.count),
            maxPriorityFeePerGas: 1, maxFeePerGas: 1 << 60, gasLimit: 21_000, to: receiver, value: 1
        )
        if kind == .token {
            transaction.to = token
            transaction.value = 0
            transaction.gasLimit = 100_000
            transaction.data =
                [0xa9, 0x05, 0x9c, 0xbb] + [UInt8](repeating: 0, count: 12) + receiver.bytes
                + UInt256(1).bigEndianBytes
        }
        transaction.sign(with: sender)
        return RecoveredTransaction(transaction, sender: sender.address)
    }
    return await withTaskGroup(of: (Int, [RecoveredTransaction]).self) { group in
        let part = 5000
        for first in stride(from: 0, to: count, by: part) {
            group.addTask { (first, (first..<min(first + part, count)).map(transfer)) }
        }
        var parts: [(Int, [RecoveredTransaction])] = []
        for await part in group { parts.append(part) }
        return parts.sorted { $0.0 < $1.0 }.flatMap(\.1)
    }
}

/// A chain of full blocks.
private func generate(_ kind: Workload, transfers count: Int) async throws -> EncodedChain {
    let genesis = try benchmarkGenesis(gasLimit: 30_000_000)
    var result = EncodedChain(name: "\(count) \(kind.rawValue)", genesis: genesis, blocks: [])
    let folder = TemporaryFolder()
    let chain = try openChain(genesis, folder, .interval(milliseconds: 200))
    let all = await transfers(kind, count)
    var next = 0
    while next < all.count {
        let first = next
        let made = try await chain.produce { head throws(ChainError) in
            try build(on: head) { builder throws(TransactionError) in
                for transaction in all[first...] {
                    guard builder.gasLeft >= transaction.transaction.gasLimit else { return }
                    try builder.add(transaction)
                }
            }
        }
        guard let block = made?.block, !block.transactions.isEmpty else {
            throw CocoaError(.executableLoad)
        }
        next += block.transactions.count
        result.blocks.append(block.encoded())
        result.transactions += block.transactions.count
        result.gas += block.header.gasUsed
    }
    try await chain.shutDown()
    return result
}

/// Builds a block of a second after the head.
private func build(
    on head: Head, withdrawals: [Withdrawal] = [], coinbase: UInt32 = 0xc0,
    _ fill: (BlockBuilder) throws(TransactionError) -> Void
) throws(ChainError) -> BuiltBlock {
    let builder = BlockBuilder(
        on: try head.view.parentBlock(),
        attributes: PayloadAttributes(
            timestamp: head.header.timestamp + 1, coinbase: Address(w0: 1, w1: 2, w2: coinbase),
            prevRandao: .zero, gasLimit: head.header.gasLimit, withdrawals: withdrawals),
        config: head.view.config)
    do throws(TransactionError) { try fill(builder) } catch {
        fatalError("a generated transaction is valid: \(error)")
    }
    do throws(BlockExecutionError) { return try builder.finish() } catch { throw ChainError(error) }
}

private func openChain(
    _ genesis: Genesis, _ folder: TemporaryFolder, _ sync: SyncMode,
    plugins: [any NodePlugin.Type] = []
) throws -> Blockchain {
    guard plugins.isEmpty else {
        return try openChainWithPlugins(genesis, folder, sync, plugins: plugins).chain
    }
    return try Blockchain.open(
        database: Database(databaseOptions(at: folder.path, cacheBytes: 256 << 20)),
        genesis: genesis, options: ChainOptions(sync: sync))
}

private func openChainWithPlugins(
    _ genesis: Genesis, _ folder: TemporaryFolder, _ sync: SyncMode,
    plugins: [any NodePlugin.Type]
) throws -> (chain: Blockchain, host: PluginHost) {
    var options = databaseOptions(at: folder.path, cacheBytes: 256 << 20)
    var chainOptions = ChainOptions(sync: sync)
    let host = try PluginHost(
        plugins, configuration: { PluginConfiguration(section: $0, values: ["enabled": "true"]) },
        policy: .stop,
        logger: Logger(label: "bench"))
    options.pluginFamilies = host.families
    chainOptions.participants = host.participants
    let chain = try Blockchain.open(
        database: Database(options), genesis: genesis, options: chainOptions)
    try host.open(chain)
    return (chain, host)
}

/// How long answers take about the token that all transfers call: its report, and pages of its
/// transactions from random places on.
private func answersBenchmark(transfers count: Int) async throws {
    let encoded = try await generate(.token, transfers: count)
    let folder = TemporaryFolder()
    let (chain, host) = try openChainWithPlugins(
        encoded.genesis, folder, .interval(milliseconds: 200), plugins: [AnalyticsPlugin.self])
    try await run(encoded.blocks, into: chain)
    let view = chain.head.view
    var random = SystemRandomNumberGenerator()
    func measure(_ name: String, _ path: String, _ query: () -> [String: String]) throws {
        guard let route = host.routes.first(where: { $0.match(path) != nil }),
            let values = route.match(path)
        else { return print("no route \(path)") }
        var times: [Double] = []
        for _ in 0..<2_000 {
            let arguments = RESTArguments(path: values, query: query())
            // The processor's, of this thread: other work on the machine does not count.
            let begin = threadSeconds()
            _ = try route.answer(
                arguments, in: RESTContext(view: view, deadline: .now + .seconds(60)))
            times.append(threadSeconds() - begin)
        }
        times.sort()
        line(
            name,
            String(
                format: "p50 %.2f ms, p99 %.2f ms", times[times.count / 2] * 1e3,
                times[times.count * 99 / 100] * 1e3))
    }
    print("an address with \(encoded.transactions) transactions")
    try measure("report", "/api/analytics/\(token)") { [:] }
    try measure("page of 25 transactions", "/api/analytics/\(token)/transactions") {
        ["block": "\(UInt64.random(in: 1...view.number, using: &random))"]
    }
    try measure("page of 25 token transfers", "/api/analytics/\(receivers[0])/transfers") { [:] }
    try measure("network", "/api/analytics/network") { [:] }
    try await chain.shutDown()
}

// MARK: - Imports

/// The chains of the fixtures.
private func fixtureImports() async throws {
    guard let fixtures = ProcessInfo.processInfo.environment["APUS_FIXTURES"], !fixtures.isEmpty
    else {
        return print("APUS_FIXTURES is not set: without the chains of the fixtures")
    }
    for name in ["chain-sync", "chain-ethtest"] {
        let folder = URL(fileURLWithPath: fixtures).appendingPathComponent(name)
        let genesis = try Data(contentsOf: folder.appendingPathComponent("genesis.json"))
        let file = Bytes(try Data(contentsOf: folder.appendingPathComponent("chain.rlp")))
        var chain = EncodedChain(name: name, genesis: try Genesis(json: Bytes(genesis)), blocks: [])
        var decoder = RLPDecoder(file)
        while !decoder.isAtEnd {
            let encoding = Bytes(try decoder.rawItem())
            let block = try Block(encoded: encoding)
            chain.blocks.append(encoding)
            chain.transactions += block.transactions.count
            chain.gas += block.header.gasUsed
        }
        for sync in [SyncMode.interval(milliseconds: 200), .everyBlock] {
            try await report(chain, sync: sync)
        }
    }
}

/// What an import takes, in seconds: of all processors together, and by the clock.
private struct ImportTime {
    let processor: Double
    let clock: Double
}

/// Imports a chain and prints how long it took and where the time went.
@discardableResult
private func report(
    _ chain: EncodedChain, sync: SyncMode, plugins: [any NodePlugin.Type] = []
) async throws -> ImportTime {
    let clock = ContinuousClock()
    let config = chain.genesis.config
    // Decoding and recovery alone, on one core, of a part of the chain.
    let sample = chain.blocks.prefix(1 + 4000 * chain.blocks.count / max(chain.transactions, 1))
    var decoded: [Block] = []
    let decoding = try clock.measure { decoded = try sample.map { try Block(encoded: $0) } }
    let recovery = clock.measure {
        for block in decoded {
            for transaction in block.transactions {
                _ = transaction.recoverSender(at: config.fork(of: block.header))
            }
        }
    }
    let whole = Double(chain.blocks.count) / Double(sample.count)

    let folder = TemporaryFolder()
    let database = try openChain(chain.genesis, folder, sync, plugins: plugins)
    let processor = processorSeconds()
    let begin = clock.now
    try await run(chain.blocks, into: database)
    let elapsed = seconds(clock.now - begin)
    let used = processorSeconds() - processor
    let times = database.writerTimes
    try await database.shutDown()
    let mode = sync == .everyBlock ? "block" : "interval"
    print(
        String(
            format: "%@, sync-mode %@: %.2f s, %.0f blocks/s, %.0f transactions/s, %.0f Mgas/s",
            chain.name, mode, elapsed, Double(chain.blocks.count) / elapsed,
            Double(chain.transactions) / elapsed, Double(chain.gas) / elapsed / 1e6))
    func share(_ name: String, _ time: Double) -> String {
        String(format: "%@ %.2f s (%.0f %%)", name, time, time / elapsed * 100)
    }
    print(
        "    beside the writer: "
            + [
                share("decoding", seconds(decoding) * whole),
                share("sender recovery", seconds(recovery) * whole),
            ].joined(separator: ", "))
    print(
        "    the writer: "
            + [
                share("execution", seconds(times.execution)),
                share("state root", seconds(times.stateRoot)),
                share("commit", seconds(times.commit)),
            ].joined(separator: ", ")
            + String(format: "; processor %.2f s, resident %d MiB", used, residentMebibytes()))
    let root = seconds(times.stateRoot)
    let parts =
        seconds(decoding) * whole + seconds(recovery) * whole + seconds(times.execution) + root
        + seconds(times.commit)
    print(String(format: "    the state root is %.0f %% of all these parts", root / parts * 100))
    fflush(nil)
    return ImportTime(processor: used, clock: elapsed)
}

/// Imports blocks as `apus import` does: while the writer executes some, those that follow are
/// decoded and their senders recovered.
private func run(_ blocks: [Bytes], into chain: Blockchain) async throws {
    let config = chain.config
    @Sendable func recover(_ encoded: [Bytes]) async throws -> [RecoveredBlock] {
        var recovered: [RecoveredBlock] = []
        for bytes in encoded {
            recovered.append(
                try await RecoveredBlock.recovering(try Block(encoded: bytes), config: config))
        }
        return recovered
    }
    var next = 0
    func nextBatch() -> [Bytes] {
        let first = next
        var bytes = 0
        while next < blocks.count, bytes < 1 << 20 {
            bytes += blocks[next].count
            next += 1
        }
        return Array(blocks[first..<next])
    }
    try await withThrowingTaskGroup(of: [RecoveredBlock].self) { group in
        let first = nextBatch()
        group.addTask { try await recover(first) }
        while let batch = try await group.next() {
            let following = nextBatch()
            if !following.isEmpty { group.addTask { try await recover(following) } }
            for block in batch { try await chain.importBlock(block) }
        }
    }
    precondition(chain.head.number == BlockNumber(blocks.count), "every block was imported")
}

// MARK: - Length, state, reorganisations

/// Blocks of one transfer, made in process: the median of each tenth of the chain.
private func lengthBenchmark(blocks: Int) async throws {
    let genesis = try benchmarkGenesis(gasLimit: 30_000_000)
    let folder = TemporaryFolder()
    let chain = try openChain(genesis, folder, .interval(milliseconds: 200))
    let clock = ContinuousClock()
    var medians: [Double] = []
    let tenth = max(blocks / 10, 1)
    for part in 0..<10 {
        var times: [Double] = []
        var nonce = part * tenth
        // Signing is not measured; few transactions are in memory at a time.
        while times.count < tenth {
            let batch = await transfers(
                from: nonce, count: min(10_000, tenth - times.count))
            for transaction in batch {
                let begin = clock.now
                _ = try await chain.produce { head throws(ChainError) in
                    try build(on: head) { builder throws(TransactionError) in
                        try builder.add(transaction)
                    }
                }
                times.append(seconds(clock.now - begin))
            }
            nonce += batch.count
        }
        medians.append(median(times[...]))
        line(
            "blocks \(part * tenth + 1) to \((part + 1) * tenth)",
            String(
                format: "median %.0f µs, mean %.0f µs, resident %d MiB", medians[part] * 1e6,
                times.reduce(0, +) / Double(times.count) * 1e6, residentMebibytes()))
    }
    // The first ten thousand blocks fill the ring buffers of the system contracts.
    line("last tenth over the second", String(format: "%.2f", medians[9] / medians[1]))
    try await chain.shutDown()
}

/// The transfers of one sender from a nonce on.
private func transfers(
    from nonce: Int, count: Int,
    to receiver: (Int) -> Address = { receivers[$0 % receivers.count] }
) async -> [RecoveredTransaction] {
    (nonce..<(nonce + count)).map { nonce in
        var transaction = Transaction(
            type: .dynamicFee, chainId: chainId, nonce: Nonce(nonce), maxPriorityFeePerGas: 1,
            maxFeePerGas: 1 << 60, gasLimit: 21_000, to: receiver(nonce), value: 1)
        transaction.sign(with: senders[0])
        return RecoveredTransaction(transaction, sender: senders[0].address)
    }
}

/// Blocks of 200 transfers to random accounts of a state of this size and of a small one, by turns:
/// the machine's speed changes between one minute and the next. A block's cost is what a node has with
/// it on one core: to recover the senders, and to execute, root and commit.
private func stateBenchmark(accounts: Int) async throws {
    let sizes = [10_000, accounts]
    var chains: [Blockchain] = []
    var folders: [TemporaryFolder] = []
    for size in sizes {
        folders.append(TemporaryFolder())
        let chain = try openChain(
            benchmarkGenesis(gasLimit: 30_000_000), folders[folders.count - 1],
            .interval(milliseconds: 200))
        for first in stride(from: 0, to: size, by: 10_000) {
            let withdrawals = (first..<min(first + 10_000, size)).map { index in
                Withdrawal(
                    index: UInt64(index), validatorIndex: 0, address: stateAccount(index),
                    amount: 1)
            }
            _ = try await chain.produce { head throws(ChainError) in
                try build(on: head, withdrawals: withdrawals) { _ in }
            }
        }
        // What making the state left to compact is no cost of the blocks that follow.
        while chain.database.statistics.pendingCompactionBytes > 0 {
            try await Task.sleep(for: .milliseconds(100))
        }
        line("accounts \(size)", "made, resident \(residentMebibytes()) MiB")
        fflush(nil)
        chains.append(chain)
    }
    var random = SystemRandomNumberGenerator()
    var times: [[Double]] = [[], []]
    var ratios: [Double] = []
    var recoveries: [Double] = []
    var nonce = 0
    for round in 0..<40 {
        var medians: [Double] = []
        var blocks: [[[RecoveredTransaction]]] = [[], []]
        for place in 0..<2 {
            for block in 0..<10 {
                blocks[place].append(
                    await transfers(from: nonce + block * 200, count: 200) { _ in
                        stateAccount(Int.random(in: 0..<sizes[place], using: &random))
                    })
            }
        }
        nonce += 2_000
        for place in 0..<2 {
            var taken: [Double] = []
            for block in blocks[place] {
                let begin = ContinuousClock.now
                let senders = block.map { $0.transaction.recoverSender(at: .osaka) }
                recoveries.append(seconds(ContinuousClock.now - begin))
                _ = try await chains[place].produce { head throws(ChainError) in
                    try build(on: head) { builder throws(TransactionError) in
                        for transaction in block { try builder.add(transaction) }
                    }
                }
                precondition(senders == block.map(\.sender), "every signature is right")
                taken.append(seconds(ContinuousClock.now - begin))
            }
            medians.append(median(taken[...]))
            // The first rounds fill the caches.
            if round >= 10 { times[place] += taken }
        }
        if round >= 10 { ratios.append(medians[1] / medians[0]) }
    }
    for place in 0..<2 {
        line(
            "block of 200 transfers, \(sizes[place]) accounts",
            String(
                format: "median %.2f ms, of it %.2f ms for the senders",
                median(times[place][...]) * 1e3, median(recoveries[...]) * 1e3))
        try await chains[place].shutDown()
    }
    line(
        "large over small",
        String(
            format: "%.2f, resident %d MiB with both", median(ratios[...]), residentMebibytes()))
}

/// One of the accounts of a large state.
private func stateAccount(_ index: Int) -> Address {
    Address(lowBytesOf: keccak256(UInt256(index)))
}

/// Two branches of ten transfers a block; the second one becomes the head, and the first one again.
private func reorgBenchmark(depth: UInt64) async throws {
    let genesis = try benchmarkGenesis(gasLimit: 30_000_000)
    let all = await transfers(.plain, Int(depth) * 10)
    var branches: [[RecoveredBlock]] = []
    for coinbase: UInt32 in [0xa, 0xb] {
        let folder = TemporaryFolder()
        let chain = try openChain(genesis, folder, .interval(milliseconds: 200))
        var blocks: [RecoveredBlock] = []
        for number in 0..<Int(depth) {
            let made = try await chain.produce { head throws(ChainError) in
                try build(on: head, coinbase: coinbase) { builder throws(TransactionError) in
                    for transaction in all[(number * 10)..<(number * 10 + 10)] {
                        try builder.add(transaction)
                    }
                }
            }
            if let made { blocks.append(RecoveredBlock(made.block, senders: made.stored.senders)) }
        }
        try await chain.shutDown()
        branches.append(blocks)
    }
    let folder = TemporaryFolder()
    let chain = try openChain(genesis, folder, .everyBlock)
    for block in branches[0] { try await chain.importBlock(block) }
    for block in branches[1] { _ = try await chain.insertBlock(block) }
    var times: [Double] = []
    for round in 0..<9 {
        guard let head = branches[1 - round % 2].last?.hash else { break }
        let begin = ContinuousClock.now
        try await chain.setHead(head)
        times.append(seconds(ContinuousClock.now - begin))
        precondition(chain.head.hash == head, "the other branch is the head")
    }
    line(
        "reorganisation of depth \(depth)",
        String(
            format: "median of 9 %.1f ms, the first %.1f ms", median(times[...]) * 1e3,
            (times.first ?? 0) * 1e3))
    try await chain.shutDown()
}
