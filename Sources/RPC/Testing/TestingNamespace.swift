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
                execution: buildBlock)
        ]
    }

    /// The gas limit that blocks move towards, as geth's (`miner.DefaultConfig.GasCeil`).
    private static let gasLimitTarget: Gas = 60_000_000

    /// Builds a block on one of the chain and forgets it: with these transactions and no others, or with the
    /// pool's if the list is null.
    private func buildBlock(
        _: RPCContext, _ parentHash: Hash256, _ attributes: PayloadAttributesParameter,
        _ transactions: [HexData]?, _ extraData: HexData?
    ) throws -> BuiltPayload {
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
        let wanted = PayloadAttributes(
            timestamp: attributes.timestamp, coinbase: attributes.coinbase,
            prevRandao: attributes.prevRandao,
            gasLimit: services.devnet?.gasLimit
                ?? Sealer.gasLimit(after: parent.header.gasLimit, towards: Self.gasLimitTarget),
            extraData: extraData, withdrawals: attributes.withdrawals,
            parentBeaconBlockRoot: attributes.parentBeaconBlockRoot)
        let builder = PayloadBuilder(config: head.view.config)
        let fork = head.view.config.fork(
            number: number + 1, timestamp: attributes.timestamp,
            isPostMerge: parent.header.isPostMerge)
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
        var block = payload.built.block
        block.header.stateRoot = try parent.stateRoot(payload.built.outcome.diff)
        return BuiltPayload(
            block: block, outcome: payload.built.outcome,
            sidecars: block.transactions.compactMap { sidecars[$0.hash()] })
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

/// What is asked of a block (`PayloadAttributesV3` of the Engine API).
struct PayloadAttributesParameter: RPCParameter {
    let timestamp: Timestamp
    let prevRandao: Hash256
    let coinbase: Address
    let withdrawals: [Withdrawal]
    let parentBeaconBlockRoot: Hash256

    static func decode(_ text: JSONText) throws(RPCParameterError) -> PayloadAttributesParameter {
        let fields = try ObjectFields(
            text, type: "engine.PayloadAttributes", name: "PayloadAttributes")
        return PayloadAttributesParameter(
            timestamp: try fields.require("timestamp"),
            prevRandao: try fields.require("prevRandao"),
            coinbase: try fields.require("suggestedFeeRecipient"),
            withdrawals: try fields.read("withdrawals", [Withdrawal].self) ?? [],
            parentBeaconBlockRoot: try fields.read("parentBeaconBlockRoot") ?? .zero)
    }

    static let schema: JSONValue = [
        "type": "object", "title": "PayloadAttributes",
        "required": ["timestamp", "prevRandao", "suggestedFeeRecipient"],
        "properties": [
            "timestamp": UInt256.schema, "prevRandao": Hash256.schema,
            "suggestedFeeRecipient": Address.schema, "withdrawals": [Withdrawal].schema,
            "parentBeaconBlockRoot": Hash256.schema,
        ],
    ]
}

/// A block with what it is worth and its blobs (the answer of `engine_getPayloadV5`).
struct BuiltPayload: RPCResult {
    let block: Block
    let outcome: BlockOutcome
    let sidecars: [BlobSidecar]

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("executionPayload")
            writer.executionPayload(block)
            writer.key("blockValue")
            writer.hexQuantity(value)
            writer.key("blobsBundle")
            writer.object { writer in
                writer.key("commitments")
                sidecars.flatMap(\.commitments).map(HexData.init).write(to: &writer)
                writer.key("proofs")
                sidecars.flatMap(\.proofs).map(HexData.init).write(to: &writer)
                writer.key("blobs")
                sidecars.flatMap(\.blobs).map(HexData.init).write(to: &writer)
            }
            writer.key("executionRequests")
            outcome.requests.map(HexData.init).write(to: &writer)
            writer.key("shouldOverrideBuilder")
            writer.bool(false)
        }
    }

    /// What the block pays its coinbase.
    private var value: Wei {
        var value = Wei.zero
        var before: Gas = 0
        for (transaction, receipt) in zip(block.transactions, outcome.receipts) {
            let tip = transaction.effectiveTip(baseFee: block.header.baseFeePerGas) ?? .zero
            value = value &+ tip &* UInt256(receipt.cumulativeGasUsed - before)
            before = receipt.cumulativeGasUsed
        }
        return value
    }

    static let schema: JSONValue = [
        "type": "object", "title": "Payload",
        "required": ["executionPayload", "blockValue", "blobsBundle", "shouldOverrideBuilder"],
    ]
}

extension JSONWriter {
    /// A block as the Engine API passes it: `ExecutionPayloadV3`, with what its fork has.
    mutating func executionPayload(_ block: Block) {
        let header = block.header
        object { writer in
            writer.key("parentHash")
            writer.hash(header.parentHash)
            writer.key("feeRecipient")
            writer.address(header.coinbase)
            writer.key("stateRoot")
            writer.hash(header.stateRoot)
            writer.key("receiptsRoot")
            writer.hash(header.receiptsRoot)
            writer.key("logsBloom")
            writer.hexData(header.logsBloom.bytes)
            writer.key("prevRandao")
            writer.hash(header.prevRandao)
            writer.key("blockNumber")
            writer.hexQuantity(header.number)
            writer.key("gasLimit")
            writer.hexQuantity(header.gasLimit)
            writer.key("gasUsed")
            writer.hexQuantity(header.gasUsed)
            writer.key("timestamp")
            writer.hexQuantity(header.timestamp)
            writer.key("extraData")
            writer.hexData(header.extraData)
            writer.key("baseFeePerGas")
            writer.hexQuantity(header.baseFeePerGas ?? .zero)
            writer.key("blockHash")
            writer.hash(header.hash())
            writer.key("transactions")
            block.transactions.map { HexData($0.encoded()) }.write(to: &writer)
            if let withdrawals = block.withdrawals {
                writer.key("withdrawals")
                writer.withdrawals(withdrawals)
            }
            if let used = header.blobGasUsed {
                writer.key("blobGasUsed")
                writer.hexQuantity(used)
            }
            if let excess = header.excessBlobGas {
                writer.key("excessBlobGas")
                writer.hexQuantity(excess)
            }
        }
    }
}
