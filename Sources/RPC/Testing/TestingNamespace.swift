import BlockProduction
import Chain
import EthereumTypes
import Execution
import Primitives
import TxPool

/// The `testing` namespace of execution-apis: blocks that are built on demand and only looked at.
struct TestingNamespace: Sendable {
    let services: RPCServices

    var methods: [RPCMethod] {
        [
            RPCMethod(
                "testing_buildBlockV1",
                ["parentHash", "payloadAttributes", "transactions", "extraData"],
                result: Schema.payload, execution: buildBlock)
        ]
    }

    /// The gas limit that blocks move towards, as geth's (`miner.DefaultConfig.GasCeil`).
    private static let gasLimitTarget: Gas = 60_000_000

    /// Builds a block on one of the chain and forgets it: with these transactions and no others, or with the
    /// pool's if the list is null.
    private func buildBlock(
        _: RPCContext, _ parentHash: Hash256, _ attributes: RequestedAttributes,
        _ transactions: [HexData]?, _ extraData: HexData?
    ) throws -> PayloadResult {
        let head = services.blockchain.head
        let number = try head.view.number(of: parentHash)
        guard let number, try head.view.canonicalHash(number) == parentHash else {
            throw RPCError.server("parent block not found")
        }
        let parent = try head.view.parentBlock(at: number)
        guard attributes.timestamp > parent.header.timestamp else {
            throw RPCError.server(
                "invalid timestamp, parent \(parent.header.timestamp) given "
                    + "\(attributes.timestamp)")
        }
        let extraData = extraData?.bytes ?? []
        guard extraData.count <= 32 else {
            throw RPCError.server("extra-data too long: \(extraData.count) > 32")
        }
        let fork = head.view.config.fork(after: parent, timestamp: attributes.timestamp)
        let wanted = PayloadAttributes(
            timestamp: attributes.timestamp, coinbase: attributes.suggestedFeeRecipient,
            prevRandao: attributes.prevRandao,
            gasLimit: services.devnet?.gasLimit
                ?? nextGasLimit(parent: parent.header, target: Self.gasLimitTarget, at: fork),
            extraData: extraData, withdrawals: attributes.withdrawals ?? [],
            parentBeaconBlockRoot: attributes.parentBeaconBlockRoot ?? .zero)
        let builder = PayloadBuilder(config: head.view.config)
        var sidecars: [Hash256: BlobSidecar] = [:]
        let payload: Payload
        if let transactions {
            let recovered = try transactions.map { encoded in
                try recover(encoded.bytes, at: fork, &sidecars)
            }
            payload = try builder.build(on: parent, attributes: wanted, transactions: recovered)
            if let refused = payload.skipped.first,
                let transaction = recovered.first(where: { $0.hash == refused.hash })
            {
                throw RPCError.server(
                    refused.reason.gethText(
                        sender: transaction.sender, nonce: transaction.transaction.nonce))
            }
        } else {
            payload = try builder.build(on: parent, attributes: wanted, from: services.pool)
            for transaction in payload.built.block.transactions where transaction.type == .blob {
                let hash = transaction.hash()
                sidecars[hash] = services.pool.transaction(hash)?.sidecar
            }
        }
        return PayloadResult(
            proposal: try ProposedBlock(
                completing: payload.built, on: parent,
                sidecars: payload.built.block.transactions.compactMap { sidecars[$0.hash()] }),
            version: .five)
    }

    private func recover(
        _ encoded: Bytes, at fork: Fork, _ sidecars: inout [Hash256: BlobSidecar]
    ) throws -> RecoveredTransaction {
        let transaction: Transaction
        var sidecar: BlobSidecar?
        if BlobTransactionWithSidecar.isWrapped(encoded) {
            let wrapped = try BlobTransactionWithSidecar(encoded: encoded)
            transaction = wrapped.transaction
            sidecar = wrapped.sidecar
        } else {
            transaction = try Transaction(encoded: encoded)
        }
        guard let sender = transaction.recoverSender(at: fork) else {
            throw RPCError(InvalidTransaction.invalidSignature)
        }
        let recovered = RecoveredTransaction(transaction, sender: sender)
        if let sidecar { sidecars[recovered.hash] = sidecar }
        return recovered
    }
}
