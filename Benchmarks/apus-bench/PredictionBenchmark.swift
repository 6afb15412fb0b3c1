import Chain
import Cryptography
import EthereumTypes
import Execution
import Foundation
import Logging
import Node
import PluginAPI
import Prediction
import Primitives
import Storage
import TxPool

/// How long forecasts take in the process: right after a block, when the node has that still to take
/// in, and again.
///
/// The chain has so many blocks of fifty transfers; the models are trained on made-up series, which
/// costs an answer as much as real ones. Four fifths of the way the node begins to train on its own
/// chain; the time of a block then, and before, tells what that costs it. Prints the median, the 99th
/// percentile and the longest time. Times of answers are the processor's, of the thread that answers: on
/// a shared machine the others' turns would be measured too.
func predictionBenchmark(blocks: Int) async throws {
    let folder = TemporaryFolder()
    let models = ModelFiles(directory: folder.path + "/models")
    try ModelFiles.write(try FeeModel.train(madeUpBlocks(4_000)[...]), to: models.fees)
    try ModelFiles.write(try madeUpModel(), to: models.change)

    let host = try PluginHost(
        [PredictionPlugin.self],
        configuration: {
            PluginConfiguration(
                section: $0,
                values: [
                    "directory": folder.path + "/models", "train-every": "\(blocks * 4 / 5)",
                ])
        }, policy: .stop, logger: Logger(label: "bench"))
    var options = databaseOptions(at: folder.path + "/chain", cacheBytes: 256 << 20)
    options.pluginFamilies = host.families
    var chainOptions = ChainOptions(sync: .interval(milliseconds: 200))
    chainOptions.participants = host.participants
    guard let key = PrivateKey(7) else { return }
    var genesis = Genesis(config: .single(.cancun, chainId: 1_337))
    genesis.gasLimit = 2_100_000
    genesis.difficulty = .zero
    genesis.baseFeePerGas = 1_000_000_000
    genesis.alloc[key.address] = GenesisAccount(balance: UInt256(10).power(27))
    let chain = try Blockchain.open(
        database: Database(options), genesis: genesis, options: chainOptions)
    let pool = try TransactionPool(store: nil, head: PoolHead(chain.head, now: 0))
    try host.open(chain, pool: pool)
    let running = Task { await host.run() }

    let requests: [(name: String, path: String, arguments: RESTArguments)] = [
        ("fees", "/api/ai/fees", RESTArguments()),
        (
            "fee below X within 50 blocks", "/api/ai/fees/wait",
            RESTArguments(query: ["fee": "800000000", "blocks": "50"])
        ),
        ("activity", "/api/ai/activity", RESTArguments()),
        (
            "predict", "/api/ai/predict",
            RESTArguments(body: Bytes(#"{"volume":0.5,"tvl":-1.5,"sentiment":0.1}"#.utf8))
        ),
    ]
    let clock = ContinuousClock()
    var first = requests.map { _ in [Double]() }
    var again = first
    var nonce: Nonce = 0
    var making = (alone: [Double](), beside: [Double]())
    for block in 0..<blocks {
        let begin = clock.now
        try await produce(50, on: chain, pool, key, &nonce)
        let time = seconds(clock.now - begin)
        if host.health[0].health.facts["training"]?.hasSuffix("%") == true {
            making.beside.append(time)
        } else if block > blocks / 2 {
            making.alone.append(time)
        }
        for (index, request) in requests.enumerated() {
            guard let route = host.routes.first(where: { $0.path == request.path }) else {
                continue
            }
            let context = RESTContext(view: chain.head.view, deadline: .now + .seconds(5))
            for round in 0..<3 {
                let begin = threadSeconds()
                _ = try route.answer(request.arguments, in: context)
                let time = threadSeconds() - begin
                // The beginning of a chain, which has no past, is not what is asked about.
                guard block > blocks / 2 else { continue }
                if round == 0 {
                    first[index].append(time)
                } else {
                    again[index].append(time)
                }
            }
        }
    }
    running.cancel()
    await running.value
    try await chain.shutDown()
    for (index, request) in requests.enumerated() {
        line(request.name + ", right after a block", summary(first[index]))
        line(request.name + ", again", summary(again[index]))
    }
    line("a block of 50 transfers", summary(making.alone))
    line("the same while models are trained (\(making.beside.count))", summary(making.beside))
}

/// Seconds that the processor spent on this thread so far.
func threadSeconds() -> Double {
    var time = timespec()
    unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

private func summary(_ times: [Double]) -> String {
    let times = times.sorted()
    guard let last = times.last else { return "-" }
    return String(
        format: "p50 %8.1f µs   p99 %8.1f µs   longest %8.1f µs", times[times.count / 2] * 1e6,
        times[times.count * 99 / 100] * 1e6, last * 1e6)
}

/// A block of transfers that the pool has seen.
private func produce(
    _ count: Int, on chain: Blockchain, _ pool: TransactionPool, _ key: PrivateKey,
    _ nonce: inout Nonce
) async throws {
    var transactions: [RecoveredTransaction] = []
    for index in 0..<count {
        let transaction = Transaction(
            type: .dynamicFee, chainId: 1_337, nonce: nonce,
            maxPriorityFeePerGas: UInt256(UInt64(1_000_000 + index)),
            maxFeePerGas: 1_000_000_000_000, gasLimit: 21_000, to: .zero, value: 1
        ).signed(with: key)
        try pool.add(transaction)
        transactions.append(RecoveredTransaction(transaction, sender: key.address))
        nonce += 1
    }
    let wanted = transactions
    _ = try await chain.produce { (head) throws(ChainError) in
        let builder = BlockBuilder(
            on: try head.view.parentBlock(),
            attributes: PayloadAttributes(
                timestamp: head.header.timestamp + 12, coinbase: .zero, prevRandao: .zero,
                gasLimit: head.header.gasLimit, withdrawals: [], parentBeaconBlockRoot: .zero),
            config: head.view.config)
        do throws(TransactionError) {
            for transaction in wanted { try builder.add(transaction) }
        } catch {
            fatalError("a generated transaction is valid: \(error)")
        }
        do throws(BlockExecutionError) { return try builder.finish() } catch {
            throw ChainError(error)
        }
    }
    pool.setHead(PoolHead(chain.head, now: 0))
}

/// Blocks whose fullness swings.
private func madeUpBlocks(_ count: Int) -> [FeeBlock] {
    var blocks = [
        FeeBlock(
            number: 1, timestamp: 12, gasUsed: 15_000_000, gasLimit: 30_000_000,
            baseFeePerGas: 20_000_000_000)
    ]
    for index in 1..<count {
        let last = blocks[index - 1]
        let share = 0.5 + 0.4 * sin(Double(index) / 9) * cos(Double(index) / 47)
        blocks.append(
            FeeBlock(
                number: last.number + 1, timestamp: last.timestamp + 12,
                gasUsed: UInt64(share * 30_000_000), gasLimit: 30_000_000,
                baseFeePerGas: last.nextFee))
    }
    return blocks
}

/// A model of three features.
private func madeUpModel() throws -> ChangeModel {
    var lines = ["price,volume,tvl,sentiment"]
    var price = 100.0
    for row in 0..<1_500 {
        let moment = Double(row)
        price *= 1 + 0.02 * sin(moment * 0.7) + 0.01 * cos(moment * 2.3)
        lines.append("\(price),\(sin(moment * 0.7 + 0.7)),\(cos(moment)),\(sin(moment * 3))")
    }
    return try ChangeModel.train(
        try CSVTable(lines.joined(separator: "\n")),
        ChangeModel.Request(targetColumn: "price", horizon: 1))
}
