import Chain
import EthereumTypes
import Primitives

/// The `debug` namespace: what the chain holds byte for byte, transactions step by step, and the
/// state piece by piece.
///
/// A trace executes a block again on the state before it, so it needs no switch at the start of the
/// node and works for every block whose parent's state is retained. One file a topic; each topic
/// lists its methods.
struct DebugNamespace: Sendable {
    let services: RPCServices
    let traces: ChainTraces

    var methods: [RPCMethod] {
        [
            RPCMethod("debug_getRawHeader", ["block"], execution: getRawHeader),
            RPCMethod("debug_getRawBlock", ["block"], execution: getRawBlock),
            RPCMethod("debug_getRawReceipts", ["block"], execution: getRawReceipts),
            RPCMethod("debug_getRawTransaction", ["hash"], execution: getRawTransaction),
            RPCMethod("debug_getBadBlocks", execution: getBadBlocks),
        ] + traceMethods + stateMethods + nodeMethods + subscriptionMethods + bundleMethods
            + accountMethods
    }

    private func getRawHeader(_: RPCContext, _ reference: BlockReference) throws -> HexData {
        HexData(try ChainAccess(services).requireBlock(reference).block.header.encoded())
    }

    private func getRawBlock(_: RPCContext, _ reference: BlockReference) throws -> HexData {
        HexData(try ChainAccess(services).requireBlock(reference).block.encoded())
    }

    private func getRawReceipts(_: RPCContext, _ reference: BlockReference) throws -> [HexData] {
        let chain = ChainAccess(services)
        let block = try chain.requireBlock(reference)
        return try (chain.view.receipts(hash: block.hash) ?? []).map { HexData($0.encoded()) }
    }

    private func getRawTransaction(_: RPCContext, _ hash: Hash256) throws -> HexData? {
        let view = ChainAccess(services).view
        if let location = try view.transactionLocation(hash) {
            return try view.transaction(at: location).map { HexData($0.transaction.encoded()) }
        }
        return services.pool.transaction(hash).map { HexData($0.transaction.encoded()) }
    }

    private func getBadBlocks(_: RPCContext) -> [BadBlockResult] {
        services.blockchain.badBlocks.map {
            BadBlockResult(bad: $0, config: services.blockchain.config)
        }
    }
}

/// A block that was found invalid: geth's members, and why.
private struct BadBlockResult: RPCResult {
    let bad: BadBlock
    let config: ChainConfig

    func write(to writer: inout JSONWriter) {
        let block = bad.block
        let fork = config.fork(of: block.header)
        writer.object { writer in
            writer.key("hash")
            writer.hash(bad.hash)
            writer.key("block")
            BlockResult(
                block: block,
                senders: block.transactions.map { $0.recoverSender(at: fork) ?? .zero },
                transactionHashes: block.transactions.map { $0.hash() }, detail: .full,
                hash: bad.hash
            ).write(to: &writer)
            writer.key("rlp")
            writer.hexData(block.encoded())
            writer.key("reason")
            writer.string(bad.reason.description)
        }
    }

    static let schema = Schema.badBlock
}
