import Chain
import EthereumTypes
import Foundation
import Primitives

/// What gas costs, cost, and will cost.
extension EthNamespace {
    var feeMethods: [RPCMethod] {
        [
            RPCMethod("eth_gasPrice", execution: gasPrice),
            RPCMethod("eth_maxPriorityFeePerGas", execution: maxPriorityFeePerGas),
            RPCMethod("eth_baseFee", instant: baseFee),
            RPCMethod("eth_blobBaseFee", instant: blobBaseFee),
            RPCMethod(
                "eth_feeHistory", ["blockCount", "newestBlock", "rewardPercentiles"],
                execution: feeHistory),
        ]
    }

    /// A price that the next block most likely takes: its base fee and the suggested tip.
    private func gasPrice(_: RPCContext) throws -> UInt256 {
        let chain = chain()
        let tip = try chain.suggestedTip()
        return tip &+ (services.pool.head.baseFee ?? .zero)
    }

    private func maxPriorityFeePerGas(_: RPCContext) throws -> UInt256 {
        try chain().suggestedTip()
    }

    /// The base fee of the next block (execution-apis, `eth_baseFee`).
    private func baseFee(_: RPCContext) -> UInt256? { services.pool.head.baseFee }

    /// The blob base fee of the next block.
    private func blobBaseFee(_: RPCContext) -> UInt256 { services.pool.head.blobBaseFee }

    private func feeHistory(
        context: RPCContext, _ count: LenientQuantity, _ newest: BlockTag,
        _ percentiles: [RewardPercentile]?
    ) throws -> FeeHistory {
        let limits = context.limits
        let percentiles = percentiles?.map(\.value) ?? []
        guard percentiles.count <= limits.feeHistoryPercentiles else {
            throw RPCError.server(
                "invalid reward percentile: over the query limit \(limits.feeHistoryPercentiles)")
        }
        for (index, value) in percentiles.enumerated() {
            if !(0...100).contains(value) {
                throw RPCError.server("invalid reward percentile: \(Self.decimal(value))")
            }
            if index > 0, value <= percentiles[index - 1] {
                throw RPCError.server(
                    "invalid reward percentile: #\(index - 1):"
                        + "\(Self.decimal(percentiles[index - 1])) >= "
                        + "#\(index):\(Self.decimal(value))")
            }
        }
        let chain = chain()
        let pending = newest == .pending ? try chain.pendingBlock() : nil
        let last = try chain.number(of: newest)
        guard newest == .pending || last <= chain.head.number else {
            throw RPCError.server(
                "request beyond head block: requested \(last), head \(chain.head.number)")
        }
        let wanted = min(count.value.clampedToUInt64, limits.feeHistoryBlocks, last + 1)
        // Without a pending block there is one block less.
        let mined = newest == .pending ? wanted - min(wanted, 1) : wanted
        return try FeeHistory(
            chain, first: last + 1 - wanted, count: mined,
            pending: wanted > 0 ? pending : nil, percentiles: percentiles)
    }
}

extension EthNamespace {
    /// A number with the six decimals that Go prints.
    private static func decimal(_ value: Double) -> String { String(format: "%f", value) }
}

/// A percentile between 0 and 100.
struct RewardPercentile: RPCParameter {
    let value: Double

    static func decode(_ text: JSONText) throws(RPCParameterError) -> RewardPercentile {
        guard let value = text.value.doubleValue, value.isFinite else {
            throw RPCParameterError(
                "json: cannot unmarshal \(text.goKind) into Go value of type float64")
        }
        return RewardPercentile(value: value)
    }

    static let schema: JSONValue = ["type": "number", "minimum": 0, "maximum": 100]
}

extension ChainAccess {
    /// Blocks whose transactions tell what tip is usual, as in geth (`gasprice`, `Blocks`).
    private static let tipBlocks: UInt64 = 20
    /// Transactions of each block that count: those with the lowest tips.
    private static let tipsPerBlock = 3
    /// Which of the tips is suggested.
    private static let tipPercentile = 60
    /// The tip where there is nothing to learn from: one gwei, what tools expect of a devnet.
    private static let defaultTip: Wei = 1_000_000_000
    /// The highest tip to suggest, against an outlier: 500 gwei.
    private static let maximumTip: Wei = 500_000_000_000
    /// Tips below this are the accident of a round price.
    private static let ignoredTip: Wei = 2

    /// The priority fee that transactions of late paid (geth's oracle).
    func suggestedTip() throws -> Wei {
        if let known = services.tips.value(for: head.hash) { return known }
        var tips: [Wei] = []
        let oldest = head.number - min(head.number, Self.tipBlocks - 1)
        for number in stride(from: head.number, through: oldest, by: -1) where number > 0 {
            guard let block = try view.block(number) else { continue }
            let header = block.block.header
            let ofBlock = zip(block.block.transactions, block.senders)
                .filter { $0.1 != header.coinbase }
                .compactMap { $0.0.effectiveTip(baseFee: header.baseFeePerGas) }
                .filter { $0 >= Self.ignoredTip }
            tips += ofBlock.sorted().prefix(Self.tipsPerBlock)
        }
        tips.sort()
        let tip =
            tips.isEmpty
            ? Self.defaultTip
            : min(tips[(tips.count - 1) * Self.tipPercentile / 100], Self.maximumTip)
        services.tips.remember(tip, for: head.hash)
        return tip
    }

    /// The blob base fee of the block after one; nil before Cancun.
    static func nextBlobBaseFee(after header: Header, config: ChainConfig) -> Wei? {
        let fork = config.fork(
            number: header.number + 1, timestamp: header.timestamp + 1,
            isPostMerge: header.isPostMerge)
        guard let parameters = config.blobParameters(at: fork) else { return nil }
        return EthereumTypes.blobBaseFee(
            excessBlobGas: EthereumTypes.excessBlobGas(
                parent: header, parameters: parameters, fork: fork),
            parameters: parameters)
    }
}

/// The answer of `eth_feeHistory`.
struct FeeHistory: RPCResult {
    private let oldest: BlockNumber
    private var baseFees: [Wei] = []
    private var gasUsedRatios: [Double] = []
    private var blobBaseFees: [Wei] = []
    private var blobGasUsedRatios: [Double] = []
    private var rewards: [[Wei]] = []
    private let hasRewards: Bool

    /// - Parameters:
    ///   - count: mined blocks.
    ///   - pending: the block after them, if it is wanted.
    init(
        _ chain: ChainAccess, first: BlockNumber, count: UInt64, pending: PendingBlock?,
        percentiles: [Double]
    ) throws {
        oldest = count == 0 && pending == nil ? 0 : first
        hasRewards = !percentiles.isEmpty
        var last: Header?
        for number in first..<first + count {
            guard let header = try chain.view.header(number) else {
                throw RPCError.headerNotFound
            }
            last = header
            append(header, chain.config)
            guard hasRewards else { continue }
            rewards.append(
                Self.rewards(
                    try chain.view.block(number)?.block, try chain.view.receipts(number) ?? [],
                    percentiles))
        }
        if let pending {
            last = pending.block.header
            append(pending.block.header, chain.config)
            if hasRewards {
                rewards.append(Self.rewards(pending.block, pending.receipts, percentiles))
            }
        }
        guard let last else { return }
        let fork = chain.config.fork(
            number: last.number + 1, timestamp: last.timestamp + 1, isPostMerge: last.isPostMerge)
        baseFees.append(fork >= .london ? nextBaseFee(parent: last) : .zero)
        blobBaseFees.append(
            ChainAccess.nextBlobBaseFee(after: last, config: chain.config) ?? .zero)
    }

    private mutating func append(_ header: Header, _ config: ChainConfig) {
        baseFees.append(header.baseFeePerGas ?? .zero)
        gasUsedRatios.append(
            header.gasLimit == 0 ? 0 : Double(header.gasUsed) / Double(header.gasLimit))
        guard let excess = header.excessBlobGas, let used = header.blobGasUsed,
            let parameters = config.blobParameters(at: config.fork(of: header))
        else {
            blobBaseFees.append(.zero)
            blobGasUsedRatios.append(0)
            return
        }
        blobBaseFees.append(blobBaseFee(excessBlobGas: excess, parameters: parameters))
        blobGasUsedRatios.append(
            parameters.maxGas == 0 ? 0 : Double(used) / Double(parameters.maxGas))
    }

    /// The tips at the percentiles of a block's gas, in the order of tips.
    private static func rewards(
        _ block: Block?, _ receipts: [Receipt], _ percentiles: [Double]
    ) -> [Wei] {
        guard let block, !block.transactions.isEmpty, !receipts.isEmpty else {
            return percentiles.map { _ in .zero }
        }
        var before: Gas = 0
        var paid: [(tip: Wei, gas: Gas)] = []
        for (transaction, receipt) in zip(block.transactions, receipts) {
            let tip = transaction.effectiveTip(baseFee: block.header.baseFeePerGas) ?? .zero
            paid.append((tip, receipt.cumulativeGasUsed - before))
            before = receipt.cumulativeGasUsed
        }
        paid.sort { $0.tip < $1.tip }
        var index = 0
        var sum = paid[0].gas
        return percentiles.map { percentile in
            let threshold = Gas(Double(block.header.gasUsed) * percentile / 100)
            while sum < threshold, index < paid.count - 1 {
                index += 1
                sum += paid[index].gas
            }
            return paid[index].tip
        }
    }

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("oldestBlock")
            writer.hexQuantity(oldest)
            if hasRewards, !rewards.isEmpty {
                writer.key("reward")
                rewards.write(to: &writer)
            }
            if !baseFees.isEmpty {
                writer.key("baseFeePerGas")
                baseFees.write(to: &writer)
            }
            writer.key("gasUsedRatio")
            writer.array { writer in for ratio in gasUsedRatios { writer.number(ratio) } }
            if !blobBaseFees.isEmpty {
                writer.key("baseFeePerBlobGas")
                blobBaseFees.write(to: &writer)
                writer.key("blobGasUsedRatio")
                writer.array { writer in for ratio in blobGasUsedRatios { writer.number(ratio) } }
            }
        }
    }

    static let schema = Schema.object(
        "FeeHistory",
        ["oldestBlock": Schema.quantity, "gasUsedRatio": Schema.list(Schema.number)],
        optional: [
            "reward": Schema.list(Schema.list(Schema.quantity)),
            "baseFeePerGas": Schema.list(Schema.quantity),
            "baseFeePerBlobGas": Schema.list(Schema.quantity),
            "blobGasUsedRatio": Schema.list(Schema.number),
        ])
}
