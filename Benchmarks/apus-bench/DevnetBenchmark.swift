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
/// Prints blocks per second, what a block costs late over what it costs early, and memory. A machine
/// that does something else for a second must not decide: several chains are made and each figure is
/// the median of theirs, and the late blocks of a chain alternate with early ones of fresh chains, so
/// that both meet the same machine.
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
    // The last twentieth of a chain, in rounds of a hundred blocks.
    let rounds = blocks >= 1000 ? max(1, blocks / 2000) : 0
    var rates: [Double] = []
    var ratios: [Double] = []
    var processor: [Double] = []
    var memory = 0
    for index in 0..<chains {
        let long = try TransferChain(transfers, accounts)
        let before = processorSeconds()
        let times = try await long.make(blocks - 100 * rounds)
        processor.append((processorSeconds() - before) / Double(times.count))
        rates.append(Double(times.count) / times.reduce(0, +))
        if index == 0 { memory = residentMebibytes() }
        for _ in 0..<rounds {
            let fresh = try TransferChain(transfers, accounts)
            _ = try await fresh.make(50)
            var early: [Double] = []
            var late: [Double] = []
            for _ in 0..<100 {
                early += try await fresh.make(1)
                late += try await long.make(1)
            }
            ratios.append(median(late[...]) / median(early[...]))
            try await fresh.chain.shutDown()
        }
        try await long.chain.shutDown()
    }
    line("blocks of one transfer, in process", "\(Int(median(rates[...]))) /s")
    line(
        "processor time of a block, all threads",
        String(format: "%.0f µs", median(processor[...]) * 1e6))
    if let lowest = ratios.min(), let highest = ratios.max() {
        line(
            "time of block \(blocks) over block 100",
            String(
                format: "%.2f  (%.2f to %.2f in %d rounds)", median(ratios[...]), lowest, highest,
                ratios.count))
    }
    line("resident memory, in process", "\(memory) MiB")
}

/// A devnet that makes a block for each of the given transfers.
private final class TransferChain {
    let chain: Blockchain
    private let devnet: Devnet
    private let transfers: [Transaction]
    private let folder = TemporaryFolder()
    private var next = 0

    init(_ transfers: [Transaction], _ accounts: DevAccounts) throws {
        self.transfers = transfers
        let now = Timestamp(Date.now.timeIntervalSince1970)
        let database = try Database(databaseOptions(at: folder.path, cacheBytes: 256 << 20))
        chain = try Blockchain.open(
            database: database,
            genesis: .devnet(
                config: .single(.osaka, chainId: 31337), timestamp: now,
                balances: Dictionary(
                    uniqueKeysWithValues: accounts.accounts.map {
                        ($0.address, UInt256(UInt64.max))
                    }),
                baseFee: 1_000_000_000, gasLimit: 30_000_000),
            options: ChainOptions(sync: .interval(milliseconds: 200)))
        let pool = try TransactionPool(
            store: chain.pool, head: PoolHead(chain.head, now: now),
            options: PoolOptions(policy: .devnet))
        devnet = try Devnet(
            chain: chain, pool: pool, logger: Logger(label: "bench"),
            now: { Timestamp(Date.now.timeIntervalSince1970) })
    }

    /// Makes the next blocks.
    ///
    /// - Returns: the seconds of each.
    func make(_ count: Int) async throws -> [Double] {
        let clock = ContinuousClock()
        var times: [Double] = []
        times.reserveCapacity(count)
        for transfer in transfers[next..<(next + count)] {
            let start = clock.now
            _ = try await devnet.submit(transfer)
            times.append(seconds(clock.now - start))
        }
        next += count
        precondition(chain.head.number == BlockNumber(next), "a block for each transfer")
        return times
    }
}
