import BlockProduction
import Chain
import Cryptography
import EthereumTypes
import Foundation
import Logging
import Node
import Primitives
import Storage
import TxPool

/// Blocks of one transfer each through the devnet's own path, in this process: admission, payload,
/// execution, root, commit, events. The store is a real one in a temporary folder.
///
/// Prints blocks per second, what a block costs late over what it costs early, and memory. Several
/// chains are made, one after the other, and each figure is the median of theirs: a machine that
/// does something else for a second must not decide.
func devnetBenchmark(blocks: Int, chains: Int) async throws {
    let accounts = try DevAccounts(
        mnemonic: DevAccounts.defaultMnemonic,
        derivationPath: DevAccounts.defaultDerivationPath, count: 2)
    let transfers = (0..<blocks).map { nonce in
        var transfer = Transaction(
            type: .dynamicFee, chainId: 31337, nonce: Nonce(nonce), maxPriorityFeePerGas: 1,
            maxFeePerGas: 2_000_000_000, gasLimit: 21_000, to: accounts.accounts[1].address,
            value: 1)
        transfer.sign(with: accounts.accounts[0].key)
        return transfer
    }
    var rates: [Double] = []
    var ratios: [Double] = []
    var processor: [Double] = []
    var memory = 0
    for index in 0..<chains {
        let folder = TemporaryFolder()
        let before = processorSeconds()
        let times = try await blockTimes(transfers, in: folder, accounts: accounts)
        processor.append((processorSeconds() - before) / Double(blocks))
        rates.append(Double(blocks) / times.reduce(0, +))
        if blocks >= 1000 {
            // Medians of neighbours: one block alone is noise. The late ones are more, because the
            // store now and then writes its buffers to files beside some hundred of them.
            let early = median(times[50..<150])
            ratios.append(median(times[(blocks * 9 / 10)...]) / early)
        }
        if index == 0 { memory = residentMebibytes() }
    }
    line("blocks of one transfer, in process", "\(Int(median(rates[...]))) /s")
    line(
        "processor time of a block, all threads",
        String(format: "%.0f µs", median(processor[...]) * 1e6))
    if let lowest = ratios.min(), let highest = ratios.max() {
        line(
            "time of block \(blocks) over block 100",
            String(format: "%.2f  (%.2f to %.2f)", median(ratios[...]), lowest, highest))
    }
    line("resident memory, in process", "\(memory) MiB")
}

/// Makes a chain of one block for each transfer.
///
/// - Returns: the seconds of each block.
private func blockTimes(
    _ transfers: [Transaction], in folder: TemporaryFolder, accounts: DevAccounts
) async throws -> [Double] {
    let now = Timestamp(Date.now.timeIntervalSince1970)
    let database = try Database(databaseOptions(at: folder.path, cacheBytes: 256 << 20))
    let chain = try Blockchain.open(
        database: database,
        genesis: .devnet(
            config: .single(.osaka, chainId: 31337), timestamp: now,
            balances: Dictionary(
                uniqueKeysWithValues: accounts.accounts.map { ($0.address, UInt256(UInt64.max)) }),
            baseFee: 1_000_000_000, gasLimit: 30_000_000),
        options: ChainOptions(sync: .interval(milliseconds: 200)))
    let pool = try TransactionPool(
        store: chain.pool, head: PoolHead(chain.head, now: now),
        options: PoolOptions(policy: .devnet))
    let devnet = try Devnet(
        chain: chain, pool: pool, logger: Logger(label: "bench"),
        now: { Timestamp(Date.now.timeIntervalSince1970) })
    let clock = ContinuousClock()
    var times: [Double] = []
    times.reserveCapacity(transfers.count)
    for transfer in transfers {
        let start = clock.now
        _ = try await devnet.submit(transfer)
        times.append(seconds(clock.now - start))
    }
    precondition(
        chain.head.number == BlockNumber(transfers.count), "a block for each transfer")
    try await chain.shutDown()
    return times
}
