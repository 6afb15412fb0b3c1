import Chain
import EVM
import EthereumTypes
import PluginAPI
import Primitives
import RPC
import Storage
import Synchronization

/// How an export is written.
enum ExportFormat: String, CaseIterable, RESTValue {
    case csv, ndjson

    var mediaType: String {
        switch self {
        case .csv: "text/csv"
        case .ndjson: "application/x-ndjson"
        }
    }

    static func parse(_ text: String) throws(RESTValueError) -> ExportFormat {
        guard let format = ExportFormat(rawValue: text) else {
            throw RESTValueError("is not 'csv' or 'ndjson'")
        }
        return format
    }

    static var textSchema: JSONValue {
        ["type": "string", "enum": .array(allCases.map { .string($0.rawValue) })]
    }
}

/// A table of the chain, with the columns that ethereum-etl gives it.
enum ExportTable: String, CaseIterable, RESTValue {
    case blocks, transactions, receipts, logs
    case tokenTransfers = "token_transfers"

    static func parse(_ text: String) throws(RESTValueError) -> ExportTable {
        guard let table = ExportTable(rawValue: text) else {
            throw RESTValueError(
                "is not one of " + allCases.map(\.rawValue).joined(separator: ", "))
        }
        return table
    }

    static var textSchema: JSONValue {
        ["type": "string", "enum": .array(allCases.map { .string($0.rawValue) })]
    }

    var columns: [String] {
        switch self {
        case .blocks:
            [
                "number", "hash", "parent_hash", "nonce", "sha3_uncles", "logs_bloom",
                "transactions_root", "state_root", "receipts_root", "miner", "difficulty",
                "total_difficulty", "size", "extra_data", "gas_limit", "gas_used", "timestamp",
                "transaction_count", "base_fee_per_gas", "withdrawals_root", "blob_gas_used",
                "excess_blob_gas",
            ]
        case .transactions:
            [
                "hash", "nonce", "block_hash", "block_number", "transaction_index", "from_address",
                "to_address", "value", "gas", "gas_price", "input", "block_timestamp",
                "max_fee_per_gas", "max_priority_fee_per_gas", "transaction_type",
            ]
        case .receipts:
            [
                "transaction_hash", "transaction_index", "block_hash", "block_number",
                "cumulative_gas_used", "gas_used", "contract_address", "root", "status",
                "effective_gas_price",
            ]
        case .logs:
            [
                "log_index", "transaction_hash", "transaction_index", "block_hash", "block_number",
                "address", "data", "topics",
            ]
        case .tokenTransfers:
            [
                "token_address", "from_address", "to_address", "value", "transaction_hash",
                "log_index", "block_number", "token_id", "token_standard",
            ]
        }
    }
}

/// A table of a range of blocks, made as it is sent.
///
/// Rows come in the order of the chain and each block's rows are in one part, so that whoever was
/// interrupted goes on with the block of the last row, without that block's rows.
struct Export {
    /// About so many bytes a part.
    static let partBytes = 256 << 10

    /// A value of a column.
    enum Value {
        case text(String)
        case number(UInt64)
        /// A decimal number that may not fit 64 bits: a text in NDJSON.
        case amount(UInt256)
        case list([String])
        case none
    }

    let table: ExportTable
    let format: ExportFormat
    let blocks: Range<BlockNumber>
    let view: ChainView

    /// - Throws: `RESTError` for an empty range or one beyond the head.
    init(
        _ table: ExportTable, _ format: ExportFormat, _ first: BlockNumber, _ last: BlockNumber?,
        in view: ChainView
    ) throws(RESTError) {
        let last = last ?? view.number
        guard last <= view.number else {
            throw .badRequest("the parameter \"to\" is above the head, \(view.number)")
        }
        guard first <= last else {
            throw .badRequest("the parameter \"from\" is above \"to\"")
        }
        self.table = table
        self.format = format
        blocks = first..<(last + 1)
        self.view = view
    }

    var answer: RESTAnswer {
        let position = Mutex<(next: BlockNumber, hasBegun: Bool)>((blocks.lowerBound, false))
        return RESTAnswer(
            mediaType: format.mediaType,
            content: .parts {
                try position.withLock { state in
                    var part = Bytes()
                    if !state.hasBegun, format == .csv {
                        part += Bytes((table.columns.joined(separator: ",") + "\r\n").utf8)
                    }
                    state.hasBegun = true
                    while state.next < blocks.upperBound, part.count < Self.partBytes {
                        try write(state.next, to: &part)
                        state.next += 1
                    }
                    return part.isEmpty ? nil : part
                }
            },
            fileName: "\(table.rawValue)_\(blocks.lowerBound)_\(blocks.upperBound - 1)"
                + ".\(format.rawValue)")
    }

    private func write(_ number: BlockNumber, to part: inout Bytes) throws {
        guard let stored = try view.block(number) else { throw ChainError.unknownBlock(number) }
        switch table {
        case .blocks: write(row(of: stored), to: &part)
        case .transactions:
            for index in stored.block.transactions.indices {
                write(row(of: stored, transaction: index), to: &part)
            }
        case .receipts, .logs, .tokenTransfers:
            guard let receipts = try view.receipts(number) else {
                throw ChainError.unknownBlock(number)
            }
            var gasBefore: Gas = 0
            var logIndex: UInt32 = 0
            for (index, receipt) in receipts.enumerated() {
                if table == .receipts {
                    write(row(of: stored, index, receipt, gasBefore: gasBefore), to: &part)
                }
                gasBefore = receipt.cumulativeGasUsed
                for log in receipt.logs {
                    if table == .logs {
                        write(row(of: stored, index, log, logIndex), to: &part)
                    } else if table == .tokenTransfers {
                        let place = Place(block: number, transaction: UInt32(index))
                        for transfer in TokenTransfer.all(
                            in: log, place: place, logIndex: logIndex)
                        {
                            write(row(of: stored, transfer), to: &part)
                        }
                    }
                    logIndex += 1
                }
            }
        }
    }

    // MARK: - Rows

    private func row(of stored: StoredBlock) -> [Value] {
        let header = stored.block.header
        return [
            .number(header.number), .text("\(stored.hash)"), .text("\(header.parentHash)"),
            .text(Hex.encode(Indexing.bigEndian(header.nonce))), .text("\(header.ommersHash)"),
            .text(Hex.encode(header.logsBloom.bytes)), .text("\(header.transactionsRoot)"),
            .text("\(header.stateRoot)"), .text("\(header.receiptsRoot)"),
            .text("\(header.coinbase)"), .amount(header.difficulty),
            .amount(stored.totalDifficulty), .number(UInt64(stored.block.encoded().count)),
            .text(Hex.encode(header.extraData)), .number(header.gasLimit),
            .number(header.gasUsed), .number(header.timestamp),
            .number(UInt64(stored.block.transactions.count)),
            header.baseFeePerGas.map { .amount($0) } ?? .none,
            header.withdrawalsRoot.map { .text("\($0)") } ?? .none,
            header.blobGasUsed.map { .number($0) } ?? .none,
            header.excessBlobGas.map { .number($0) } ?? .none,
        ]
    }

    private func row(of stored: StoredBlock, transaction index: Int) -> [Value] {
        let header = stored.block.header
        let transaction = stored.block.transactions[index]
        let hasCaps = transaction.type.hasFeeCaps
        return [
            .text("\(stored.transactionHashes[index])"), .number(transaction.nonce),
            .text("\(stored.hash)"), .number(header.number), .number(UInt64(index)),
            .text("\(stored.senders[index])"), transaction.to.map { .text("\($0)") } ?? .none,
            .amount(transaction.value), .number(transaction.gasLimit),
            .amount(transaction.effectiveGasPrice(baseFee: header.baseFeePerGas)),
            .text(Hex.encode(transaction.data)), .number(header.timestamp),
            hasCaps ? .amount(transaction.maxFeePerGas) : .none,
            hasCaps ? .amount(transaction.maxPriorityFeePerGas) : .none,
            .number(UInt64(transaction.type.rawValue)),
        ]
    }

    private func row(
        of stored: StoredBlock, _ index: Int, _ receipt: Receipt, gasBefore: Gas
    ) -> [Value] {
        let header = stored.block.header
        let transaction = stored.block.transactions[index]
        let contract =
            transaction.to == nil
            ? contractAddress(creator: stored.senders[index], nonce: transaction.nonce) : nil
        var root = Value.none
        var status = Value.none
        switch receipt.outcome {
        case .status(let succeeded): status = .number(succeeded ? 1 : 0)
        case .postState(let hash): root = .text("\(hash)")
        }
        return [
            .text("\(stored.transactionHashes[index])"), .number(UInt64(index)),
            .text("\(stored.hash)"), .number(header.number), .number(receipt.cumulativeGasUsed),
            .number(receipt.cumulativeGasUsed - gasBefore),
            contract.map { .text("\($0)") } ?? .none, root, status,
            .amount(transaction.effectiveGasPrice(baseFee: header.baseFeePerGas)),
        ]
    }

    private func row(
        of stored: StoredBlock, _ index: Int, _ log: Log, _ logIndex: UInt32
    ) -> [Value] {
        [
            .number(UInt64(logIndex)), .text("\(stored.transactionHashes[index])"),
            .number(UInt64(index)), .text("\(stored.hash)"), .number(stored.number),
            .text("\(log.address)"), .text(Hex.encode(log.data)),
            .list(log.topics.map { "\($0)" }),
        ]
    }

    private func row(of stored: StoredBlock, _ transfer: TokenTransfer) -> [Value] {
        // As in ethereum-etl, the value of ERC-721 is the token's id.
        [
            .text("\(transfer.token)"), .text("\(transfer.from)"), .text("\(transfer.to)"),
            .amount(transfer.standard == .erc721 ? transfer.id : transfer.amount),
            .text("\(stored.transactionHashes[Int(transfer.place.transaction)])"),
            .number(UInt64(transfer.logIndex)), .number(stored.number),
            transfer.standard == .erc20 ? .none : .amount(transfer.id),
            .text("\(transfer.standard)"),
        ]
    }

    // MARK: - Text

    private func write(_ row: [Value], to part: inout Bytes) {
        switch format {
        case .csv:
            // No value holds a comma, a quote or a line's end but the lists, which are quoted.
            let fields = row.map { value in
                switch value {
                case .text(let text): text
                case .number(let number): String(number)
                case .amount(let amount): amount.description
                case .list(let texts): "\"" + texts.joined(separator: ",") + "\""
                case .none: ""
                }
            }
            part += Bytes((fields.joined(separator: ",") + "\r\n").utf8)
        case .ndjson:
            var writer = JSONWriter(capacity: 512)
            writer.object { writer in
                for (column, value) in zip(table.columns, row) {
                    writer.key(column)
                    switch value {
                    case .text(let text): writer.string(text)
                    case .number(let number): writer.number(number)
                    case .amount(let amount): writer.string(amount.description)
                    case .list(let texts):
                        writer.array { writer in for text in texts { writer.string(text) } }
                    case .none: writer.null()
                    }
                }
            }
            part += writer.bytes
            part.append(UInt8(ascii: "\n"))
        }
    }
}
