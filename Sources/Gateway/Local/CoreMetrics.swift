public import Chain
import Foundation
public import PluginAPI
public import RPC
import Storage
public import TxPool

/// The figures of the node itself: head, pool, database, JSON-RPC.
public enum CoreMetrics {
    /// Declares what is read of a chain and its pool.
    public static func declare(
        in metrics: MetricsRegistry, blockchain: Blockchain, pool: TransactionPool,
        version: String
    ) {
        metrics.gauge(
            "apus_build_info", "The version of the program, as a label; always 1.",
            label: MetricLabel("version", [version])
        ).set(1, version)
        metrics.gauge("apus_chain_head_number", "The number of the head.") {
            Double(blockchain.head.number)
        }
        metrics.gauge(
            "apus_chain_head_timestamp_seconds", "The time of the head, since 1970."
        ) { Double(blockchain.head.header.timestamp) }
        metrics.gauge("apus_chain_head_gas_used", "The gas that the head used.") {
            Double(blockchain.head.header.gasUsed)
        }
        metrics.gauge("apus_chain_head_gas_limit", "The gas limit of the head.") {
            Double(blockchain.head.header.gasLimit)
        }
        metrics.gauge("apus_chain_head_base_fee_wei", "The base fee of the head.") {
            blockchain.head.header.baseFeePerGas.flatMap { Double($0.description) } ?? 0
        }
        metrics.gauge(
            "apus_chain_oldest_state_number", "The oldest block whose state is retained."
        ) { Double(blockchain.head.view.oldestState) }
        metrics.gauge(
            "apus_chain_read_only", "Whether the database takes no more writes: 1 if so."
        ) { blockchain.readOnlyReason == nil ? 0 : 1 }
        metrics.counter(
            "apus_chain_execution_seconds_total", "Time for executing blocks from elsewhere."
        ) { blockchain.writerTimes.execution.seconds }
        metrics.counter(
            "apus_chain_state_root_seconds_total", "Time from the changes to the state root."
        ) { blockchain.writerTimes.stateRoot.seconds }
        metrics.counter(
            "apus_chain_commit_seconds_total", "Time for the batches of blocks and their writing."
        ) { blockchain.writerTimes.commit.seconds }
        metrics.gauge("apus_pool_pending_transactions", "Transactions for the next blocks.") {
            Double(pool.status.pending)
        }
        metrics.gauge(
            "apus_pool_queued_transactions", "Transactions that wait for a nonce or for money."
        ) { Double(pool.status.queued) }
        metrics.gauge("apus_database_table_bytes", "Bytes of the tables on disk.") {
            Double(blockchain.database.statistics.tableBytes)
        }
        metrics.gauge("apus_database_live_bytes", "About how many of them are of use.") {
            Double(blockchain.database.statistics.liveBytes)
        }
        metrics.gauge("apus_resident_memory_bytes", "Memory of the process.") {
            residentBytes()
        }
    }

    /// Pages of four kibibytes, as Linux tells them.
    private static func residentBytes() -> Double {
        guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else {
            return .nan
        }
        let fields = text.split(separator: " ")
        return fields.count > 1 ? (Double(fields[1]) ?? .nan) * 4_096 : .nan
    }
}

/// The figures of JSON-RPC, by namespace.
public struct RPCMetrics: Sendable {
    private let calls: Counter
    private let errors: Counter
    private let seconds: Histogram

    private static let namespaces = [
        "admin", "anvil", "apus", "debug", "engine", "erigon", "eth", "evm", "hardhat", "miner",
        "net", "ots", "personal", "rpc", "testing", "trace", "txpool", "web3",
    ]

    /// Declares them.
    ///
    /// - Parameter plugins: whose namespaces are told apart too.
    public init(_ metrics: MetricsRegistry, plugins: [String]) {
        let known = Self.namespaces + plugins.filter { !Self.namespaces.contains($0) }
        let label = MetricLabel("namespace", Array(known.prefix(MetricLabel.limit)))
        calls = metrics.counter(
            "apus_rpc_calls_total", "Calls that were answered, also with an error.", label: label)
        errors = metrics.counter(
            "apus_rpc_errors_total", "Calls that were answered with an error.", label: label)
        seconds = metrics.histogram(
            "apus_rpc_call_seconds", "Time of a call, without waiting for a thread.",
            bounds: [0.0001, 0.001, 0.01, 0.1, 1, 10], label: label)
    }

    /// Counts a call.
    public func observe(_ observation: RPCObservation) {
        let namespace = RPCMethod.namespace(of: observation.method)
        calls.add(1, namespace)
        if observation.error != nil { errors.add(1, namespace) }
        seconds.observe(observation.duration.seconds, namespace)
    }
}
