import Chain
import EthereumTypes
import Primitives
import Storage

/// Logs of mined blocks.
extension EthNamespace {
    var logMethods: [RPCMethod] {
        [RPCMethod("eth_getLogs", ["filter"], execution: getLogs)]
    }

    private func getLogs(
        context: RPCContext, _ criteria: LogFilterParameter
    ) throws -> [LogResult] {
        try criteria.check(context.limits)
        return try chain().logs(criteria, context.limits)
    }
}

extension ChainAccess {
    /// The logs that match, in the order of the chain.
    func logs(_ criteria: LogFilterParameter, _ limits: RPCLimits) throws -> [LogResult] {
        switch criteria.range {
        case .block(let hash):
            guard let logs = try view.logs(matching: criteria.filter, inBlock: hash) else {
                throw RPCError.server("unknown block")
            }
            return logs.map(LogResult.init)
        case .blocks(let from, let to):
            let first = try from.map(number) ?? head.number
            let last = try to.map(number) ?? head.number
            guard first <= last else { throw RPCError.invalidParams("invalid block range params") }
            let isBeyondHead = { (tag: BlockTag?, number: BlockNumber) in
                tag != .pending && number > head.number
            }
            if isBeyondHead(from, first) || isBeyondHead(to, last) {
                throw RPCError.invalidParams("block range extends beyond current head block")
            }
            guard first <= head.number else { return [] }
            guard last - first < limits.logBlocks else {
                throw RPCError.invalidParams("exceed maximum block range: \(limits.logBlocks)")
            }
            return try view.logs(
                matching: criteria.filter, in: first...min(last, head.number),
                limit: LogLimit(count: limits.logs, bytes: limits.logBytes)
            ).map(LogResult.init)
        }
    }
}

extension LogResult {
    init(_ located: LocatedLog) {
        self.init(
            log: located.log,
            place: TransactionPlace(
                blockHash: located.blockHash, blockNumber: located.blockNumber,
                blockTimestamp: located.blockTimestamp, index: located.transactionIndex,
                baseFeePerGas: nil),
            transactionHash: located.transactionHash, logIndex: located.logIndex,
            isRemoved: false)
    }
}
