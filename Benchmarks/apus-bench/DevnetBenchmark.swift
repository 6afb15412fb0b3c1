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
/// Prints blocks per second, what a block costs late over what it costs early, and memory.
func devnetBenchmark(blocks: Int) async throws {
    let folder = FileManager.default.temporaryDirectory
        .appendingPathComponent("apus-bench-\(ProcessInfo.processInfo.processIdentifier)")
    let accounts = try DevAccounts(
        mnemonic: DevAccounts.defaultMnemonic,
        derivationPath: DevAccounts.defaultDerivationPath, count: 2)
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

    var transfers: [Transaction] = []
    transfers.reserveCapacity(blocks)
    for nonce in 0..<blocks {
        var transfer = Transaction(
            type: .dynamicFee, chainId: 31337, nonce: Nonce(nonce), maxPriorityFeePerGas: 1,
            maxFeePerGas: 2_000_000_000, gasLimit: 21_000, to: accounts.accounts[1].address,
            value: 1)
        transfer.sign(with: accounts.accounts[0].key)
        transfers.append(transfer)
    }

    let clock = ContinuousClock()
    var times: [Double] = []
    times.reserveCapacity(blocks)
    let begin = clock.now
    for transfer in transfers {
        let start = clock.now
        _ = try await devnet.submit(transfer)
        times.append(seconds(clock.now - start))
    }
    let elapsed = seconds(clock.now - begin)
    precondition(chain.head.number == BlockNumber(blocks), "a block for each transfer")

    line("blocks of one transfer, in process", "\(Int(Double(blocks) / elapsed)) /s")
    if blocks >= 1000 {
        // Medians of neighbours: one block alone is noise. The late ones are more, because the store
        // now and then writes its buffers to files beside some hundred of them.
        let early = median(times[50..<150])
        let late = median(times[(blocks * 9 / 10)...])
        let ratio = String(format: "%.2f", late / early)
        line("time of block \(blocks) over block 100", ratio)
    }
    line("resident memory, in process", "\(residentMebibytes()) MiB")
    try await chain.shutDown()
    // The process ends without static destructors: the database's threads would meet them.
    fflush(nil)
    try FileManager.default.removeItem(at: folder)
    _exit(0)
}

private func seconds(_ duration: Duration) -> Double {
    Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
}

private func median(_ values: ArraySlice<Double>) -> Double {
    values.sorted()[values.count / 2]
}

private func line(_ name: String, _ value: String) {
    print(name.padding(toLength: 42, withPad: " ", startingAt: 0) + value)
}

private func residentMebibytes() -> Int {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let field = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
    return (field?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) / 1024
}
