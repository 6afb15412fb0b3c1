import BlockProduction
import Chain
import EthereumTypes
import Execution
import Primitives
import Storage

/// Blocks with what their transactions returned (`anvil_mine_detailed`).
extension DevnetNamespace {
    var detailedMethods: [RPCMethod] {
        [
            RPCMethod(
                "anvil_mine_detailed", ["options"], aliases: ["evm_mine_detailed"],
                result: Schema.list(Schema.block()), command: mineDetailed)
        ]
    }

    /// Makes blocks and answers with each: `eth_getBlockByNumber` in full, and in each transaction
    /// `output`, and `revertReason` if there is one.
    private func mineDetailed(
        context: RPCContext, _ options: MineOptions?
    ) async throws -> EncodedJSON {
        let count = options?.blocks ?? 1
        guard count <= context.limits.detailedBlocks else {
            throw RPCError.invalidParams(
                "too many blocks (max \(context.limits.detailedBlocks))")
        }
        if let timestamp = options?.timestamp { try devnet.setNextBlockTimestamp(timestamp) }
        let before = services.blockchain.head.number
        let head = count > 0 ? try await devnet.mine(blocks: count) : services.blockchain.head
        // The blocks are there: what is asked about them has its own time.
        let context = RPCContext(
            session: context.session, access: context.access,
            deadline: .now + .seconds(context.limits.messageSeconds), limits: context.limits,
            pool: context.pool)
        return try await context.execute { [services] in
            var writer = JSONWriter()
            writer.beginArray()
            let chain = ChainAccess(services)
            for number in before..<max(before, head.number) {
                guard let block = try chain.view.block(number + 1) else { continue }
                try DetailedBlock(block, chain, context).write(to: &writer)
                guard writer.bytes.count <= context.limits.traceBytes else {
                    throw RPCError.responseTooLarge
                }
            }
            writer.endArray()
            return EncodedJSON(writer.bytes)
        }
    }
}

/// A block in full whose transactions have their results.
private struct DetailedBlock {
    private let block: StoredBlock
    private let outcomes: [TransactionOutcome]

    init(_ block: StoredBlock, _ chain: ChainAccess, _ context: RPCContext) throws {
        self.block = block
        let replay = try BlockReplay(block, chain)
        outcomes = try block.block.transactions.map { _ in
            try replay.run(tracer: nil, in: context)
        }
    }

    func write(to writer: inout JSONWriter) throws {
        let text = BlockResult(
            block: block.block, senders: block.senders,
            transactionHashes: block.transactionHashes, detail: .full, hash: block.hash
        ).encoded()
        guard case .object(var members) = try JSONValue(parsing: text) else { return }
        let transactions = members["transactions"]?.arrayValue ?? []
        members["transactions"] = .array(
            zip(transactions, outcomes).map { transaction, outcome in
                guard case .object(var detail) = transaction else { return transaction }
                detail["output"] = .string(Hex.encode(outcome.output))
                if outcome.halt == .reverted, let reason = RevertReason(outcome.output).text {
                    detail["revertReason"] = .string(reason)
                }
                return .object(detail)
            })
        writer.value(.object(members))
    }
}
