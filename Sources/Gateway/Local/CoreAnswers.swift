import EVM
import EthereumTypes
import Primitives
import RPC
import Storage

/// What an account holds at a block.
struct BalanceAnswer: RPCResult {
    let address: Address
    let account: Account?
    let block: BlockReference

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("address")
            writer.string(address.checksummed)
            writer.key("balance")
            writer.string((account?.balance ?? .zero).description)
            writer.key("nonce")
            writer.number(account?.nonce ?? 0)
            writer.key("as_of")
            writer.block(block)
        }
    }

    static let schema: JSONValue = [
        "type": "object", "required": ["address", "balance", "nonce", "as_of"],
        "properties": [
            "address": addressSchema, "balance": weiSchema, "nonce": ["type": "integer"],
            "as_of": blockSchema,
        ],
    ]
}

/// A block.
struct BlockAnswer: RPCResult {
    let stored: StoredBlock
    let head: BlockReference

    func write(to writer: inout JSONWriter) {
        let header = stored.block.header
        writer.object { writer in
            writer.key("number")
            writer.number(header.number)
            writer.key("hash")
            writer.hash(stored.hash)
            writer.key("parent_hash")
            writer.hash(header.parentHash)
            writer.key("timestamp")
            writer.number(header.timestamp)
            writer.key("miner")
            writer.string(header.coinbase.checksummed)
            writer.key("gas_used")
            writer.number(header.gasUsed)
            writer.key("gas_limit")
            writer.number(header.gasLimit)
            writer.key("base_fee_per_gas")
            if let fee = header.baseFeePerGas { writer.string("\(fee)") } else { writer.null() }
            writer.key("size")
            writer.number(stored.block.encoded().count)
            writer.key("state_root")
            writer.hash(header.stateRoot)
            writer.key("transactions_root")
            writer.hash(header.transactionsRoot)
            writer.key("receipts_root")
            writer.hash(header.receiptsRoot)
            writer.key("extra_data")
            writer.hexData(header.extraData)
            writer.key("transaction_count")
            writer.number(stored.transactionHashes.count)
            writer.key("transactions")
            stored.transactionHashes.write(to: &writer)
            writer.key("withdrawal_count")
            writer.number(stored.block.withdrawals?.count ?? 0)
            writer.key("confirmations")
            writer.number(head.number - header.number + 1)
            writer.key("as_of")
            writer.block(head)
        }
    }

    static let schema: JSONValue = [
        "type": "object",
        "required": ["number", "hash", "parent_hash", "timestamp", "transactions", "as_of"],
        "properties": [
            "number": ["type": "integer"], "hash": hashSchema, "parent_hash": hashSchema,
            "timestamp": ["type": "integer"], "miner": addressSchema,
            "gas_used": ["type": "integer"], "gas_limit": ["type": "integer"],
            "base_fee_per_gas": ["type": ["string", "null"]], "size": ["type": "integer"],
            "state_root": hashSchema, "transactions_root": hashSchema,
            "receipts_root": hashSchema, "extra_data": ["type": "string"],
            "transaction_count": ["type": "integer"],
            "transactions": ["type": "array", "items": hashSchema],
            "withdrawal_count": ["type": "integer"], "confirmations": ["type": "integer"],
            "as_of": blockSchema,
        ],
    ]
}

/// A transaction, mined or waiting.
struct TransactionAnswer: RPCResult {
    /// Where a mined one is, and what it did.
    struct Place: Sendable {
        let stored: StoredTransaction
        let receipt: StoredReceipt
        /// The number of the head.
        let head: BlockNumber
    }

    let transaction: Transaction
    let hash: Hash256
    let sender: Address
    var place: Place?
    /// Whether one that waits could go into the next block.
    var isPending = false

    private var status: String {
        guard let place else { return isPending ? "pending" : "queued" }
        switch place.receipt.receipt.outcome {
        case .status(true): return "success"
        case .status(false): return "failed"
        // Before Byzantium receipts do not say it.
        case .postState: return "mined"
        }
    }

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("hash")
            writer.hash(hash)
            writer.key("status")
            writer.string(status)
            writer.key("from")
            writer.string(sender.checksummed)
            writer.key("to")
            if let to = transaction.to { writer.string(to.checksummed) } else { writer.null() }
            writer.key("value")
            writer.string(transaction.value.description)
            writer.key("nonce")
            writer.number(transaction.nonce)
            writer.key("type")
            writer.number(UInt64(transaction.type.rawValue))
            writer.key("gas_limit")
            writer.number(transaction.gasLimit)
            writer.key("max_fee_per_gas")
            writer.string(transaction.maxFeePerGas.description)
            writer.key("max_priority_fee_per_gas")
            writer.string(transaction.maxPriorityFeePerGas.description)
            writer.key("input")
            writer.hexData(transaction.data)
            writePlace(to: &writer)
        }
    }

    private func writePlace(to writer: inout JSONWriter) {
        guard let place else {
            writer.key("block")
            writer.null()
            return
        }
        let header = place.stored.header
        let price = transaction.effectiveGasPrice(baseFee: header.baseFeePerGas)
        writer.key("block")
        writer.object { writer in
            writer.key("number")
            writer.number(header.number)
            writer.key("hash")
            writer.hash(place.stored.blockHash)
            writer.key("timestamp")
            writer.number(header.timestamp)
            writer.key("index")
            writer.number(place.stored.index)
        }
        writer.key("gas_used")
        writer.number(place.receipt.gasUsed)
        writer.key("effective_gas_price")
        writer.string(price.description)
        writer.key("execution_fee")
        writer.string((price &* UInt256(place.receipt.gasUsed)).description)
        writer.key("log_count")
        writer.number(place.receipt.receipt.logs.count)
        writer.key("contract_address")
        if transaction.isCreation {
            writer.string(
                contractAddress(creator: sender, nonce: transaction.nonce).checksummed)
        } else {
            writer.null()
        }
        writer.key("confirmations")
        writer.number(place.head - header.number + 1)
    }

    static let schema: JSONValue = [
        "type": "object", "required": ["hash", "status", "from", "to", "value", "nonce", "block"],
        "properties": [
            "hash": hashSchema,
            "status": ["enum": ["pending", "queued", "success", "failed", "mined"]],
            "from": addressSchema, "to": ["oneOf": [addressSchema, ["type": "null"]]],
            "value": weiSchema, "nonce": ["type": "integer"], "type": ["type": "integer"],
            "gas_limit": ["type": "integer"], "max_fee_per_gas": weiSchema,
            "max_priority_fee_per_gas": weiSchema, "input": ["type": "string"],
            "block": ["type": ["object", "null"]], "gas_used": ["type": "integer"],
            "effective_gas_price": weiSchema, "execution_fee": weiSchema,
            "log_count": ["type": "integer"],
            "contract_address": ["oneOf": [addressSchema, ["type": "null"]]],
            "confirmations": ["type": "integer"],
        ],
    ]
}

/// A transaction that was taken.
struct SentAnswer: RPCResult {
    let hash: Hash256

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("hash")
            writer.hash(hash)
            writer.key("status")
            writer.string("sent")
        }
    }

    static let schema: JSONValue = [
        "type": "object", "required": ["hash", "status"],
        "properties": ["hash": hashSchema, "status": ["const": "sent"]],
    ]
}

extension JSONWriter {
    fileprivate mutating func block(_ block: BlockReference) {
        object { writer in
            writer.key("number")
            writer.number(block.number)
            writer.key("hash")
            writer.hash(block.hash)
        }
    }
}

private let hashSchema: JSONValue = ["type": "string", "pattern": "^0x[0-9a-f]{64}$"]
private let addressSchema: JSONValue = ["type": "string", "pattern": "^0x[0-9a-fA-F]{40}$"]
private let weiSchema: JSONValue = ["type": "string", "pattern": "^[0-9]+$"]
private let blockSchema: JSONValue = [
    "type": "object", "required": ["number", "hash"],
    "properties": ["number": ["type": "integer"], "hash": hashSchema],
]
