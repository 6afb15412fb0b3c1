import EthereumTypes
import Execution
import Primitives

/// A block as the Engine API has it: `ExecutionPayloadV1` to `V3`. What its version does not have
/// is nil.
struct ExecutionPayload: RPCParameter {
    var parentHash: Hash256
    var feeRecipient: Address
    var stateRoot: Hash256
    var receiptsRoot: Hash256
    var logsBloom: Bloom
    var prevRandao: Hash256
    var blockNumber: BlockNumber
    var gasLimit: Gas
    var gasUsed: Gas
    var timestamp: Timestamp
    var extraData: Bytes
    var baseFeePerGas: Wei
    var blockHash: Hash256
    /// Encoded as blocks contain them.
    var transactions: [Bytes]
    /// From Shanghai on.
    var withdrawals: [Withdrawal]?
    /// From Cancun on.
    var blobGasUsed: Gas?
    /// From Cancun on.
    var excessBlobGas: Gas?
    /// Members that no version has; never empty values, which count as not there.
    var unknownMembers: [String]

    static func decode(_ text: JSONText) throws(RPCParameterError) -> ExecutionPayload {
        let fields = try ObjectFields(
            text, type: "engine.ExecutableData", name: "ExecutableData")
        guard let logsBloom = Bloom(try fields.require("logsBloom", HexData.self).bytes) else {
            throw RPCParameterError("logsBloom is not of 256 bytes")
        }
        return ExecutionPayload(
            parentHash: try fields.require("parentHash"),
            feeRecipient: try fields.require("feeRecipient"),
            stateRoot: try fields.require("stateRoot"),
            receiptsRoot: try fields.require("receiptsRoot"),
            logsBloom: logsBloom,
            prevRandao: try fields.require("prevRandao"),
            blockNumber: try fields.require("blockNumber"),
            gasLimit: try fields.require("gasLimit"),
            gasUsed: try fields.require("gasUsed"),
            timestamp: try fields.require("timestamp"),
            extraData: try fields.require("extraData", HexData.self).bytes,
            baseFeePerGas: try fields.require("baseFeePerGas"),
            blockHash: try fields.require("blockHash"),
            transactions: try fields.require("transactions", [HexData].self).map(\.bytes),
            withdrawals: try fields.read("withdrawals"),
            blobGasUsed: try fields.read("blobGasUsed"),
            excessBlobGas: try fields.read("excessBlobGas"),
            unknownMembers: fields.all.filter { !members.contains($0.key) && !$0.value.isNull }
                .keys.sorted())
    }

    private static let members: Set<String> = [
        "parentHash", "feeRecipient", "stateRoot", "receiptsRoot", "logsBloom", "prevRandao",
        "blockNumber", "gasLimit", "gasUsed", "timestamp", "extraData", "baseFeePerGas",
        "blockHash", "transactions", "withdrawals", "blobGasUsed", "excessBlobGas",
    ]

    static let schema: JSONValue = ["type": "object", "title": "ExecutionPayload"]

    /// The block that this describes, with what the header commits to beside it.
    func block(
        parentBeaconBlockRoot: Hash256?, requests: [Bytes]?
    ) throws(TransactionDecodingError) -> Block {
        var decoded: [Transaction] = []
        decoded.reserveCapacity(transactions.count)
        for transaction in transactions { decoded.append(try Transaction(encoded: transaction)) }
        let header = Header(
            parentHash: parentHash, coinbase: feeRecipient, stateRoot: stateRoot,
            transactionsRoot: transactionsRoot(of: decoded), receiptsRoot: receiptsRoot,
            logsBloom: logsBloom, number: blockNumber, gasLimit: gasLimit, gasUsed: gasUsed,
            timestamp: timestamp, extraData: extraData, prevRandao: prevRandao,
            baseFeePerGas: baseFeePerGas,
            withdrawalsRoot: withdrawals.map { withdrawalsRoot(of: $0) },
            blobGasUsed: blobGasUsed, excessBlobGas: excessBlobGas,
            parentBeaconBlockRoot: parentBeaconBlockRoot,
            requestsHash: requests.map { requestsHash(of: $0) })
        return Block(header: header, transactions: decoded, withdrawals: withdrawals)
    }
}

/// Writes a block in the form of ``ExecutionPayload``, with the members that its header has.
struct ExecutionPayloadResult: RPCResult {
    let block: Block

    func write(to writer: inout JSONWriter) {
        let header = block.header
        writer.object { writer in
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
            writer.hexQuantity(header.baseFeePerGas ?? 0)
            writer.key("blockHash")
            writer.hash(header.hash())
            writer.key("transactions")
            writer.encoded(block.transactions)
            if let withdrawals = block.withdrawals {
                writer.key("withdrawals")
                writer.withdrawals(withdrawals)
            }
            if let blobGasUsed = header.blobGasUsed {
                writer.key("blobGasUsed")
                writer.hexQuantity(blobGasUsed)
            }
            if let excessBlobGas = header.excessBlobGas {
                writer.key("excessBlobGas")
                writer.hexQuantity(excessBlobGas)
            }
        }
    }

    static let schema: JSONValue = ExecutionPayload.schema
}

extension JSONWriter {
    /// Writes transactions as a list of their encodings.
    mutating func encoded(_ transactions: [Transaction]) {
        array { writer in
            for transaction in transactions { writer.hexData(transaction.encoded()) }
        }
    }

    /// Writes a list of bytes.
    mutating func hexList(_ items: [Bytes]) {
        array { writer in
            for item in items { writer.hexData(item) }
        }
    }
}

/// What came of a payload: `PayloadStatusV1`.
struct PayloadStatus: RPCResult, Hashable {
    enum Status: String, Sendable {
        case valid = "VALID"
        case invalid = "INVALID"
        case syncing = "SYNCING"
        case accepted = "ACCEPTED"
        case invalidBlockHash = "INVALID_BLOCK_HASH"
    }

    var status: Status
    var latestValidHash: Hash256?
    var validationError: String?

    static func valid(_ hash: Hash256) -> PayloadStatus {
        PayloadStatus(status: .valid, latestValidHash: hash)
    }

    /// - Parameter latestValid: the last valid block before it, zero for one of proof of work, nil
    ///   if it was not looked for.
    static func invalid(_ reason: String, latestValid: Hash256?) -> PayloadStatus {
        PayloadStatus(status: .invalid, latestValidHash: latestValid, validationError: reason)
    }

    static let syncing = PayloadStatus(status: .syncing)
    static let accepted = PayloadStatus(status: .accepted)

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("status")
            writer.string(status.rawValue)
            writer.key("latestValidHash")
            latestValidHash.write(to: &writer)
            writer.key("validationError")
            validationError.write(to: &writer)
        }
    }

    static let schema: JSONValue = ["type": "object", "title": "PayloadStatusV1"]
}
