public import PluginAPI
public import Primitives

/// A table of the chain, with the columns that ethereum-etl gives it; where it has none for a fact, as
/// cryo calls it.
public enum ExportTable: String, CaseIterable, Sendable, RESTValue {
    case blocks, transactions, receipts, logs
    case tokenTransfers = "token_transfers"
    case contracts, traces

    /// The table of this name.
    public static func parse(_ text: String) throws(RESTValueError) -> ExportTable {
        guard let table = ExportTable(rawValue: text) else {
            throw RESTValueError(
                "is not one of " + allCases.map(\.rawValue).joined(separator: ", "))
        }
        return table
    }

    /// The names.
    public static var textSchema: JSONValue {
        ["type": "string", "enum": .array(allCases.map { .string($0.rawValue) })]
    }
}

/// A column of an exported table.
struct ExportColumn {
    enum Kind {
        case text
        case number
        /// A number that may not fit 64 bits.
        case amount
        /// Texts; of a Parquet file one, with commas.
        case list
        /// The topics of a log: a list, and of a Parquet file a column each, as cryo has it.
        case topics
    }

    let name: String
    let kind: Kind
    var isOptional = false

    static func text(_ name: String) -> ExportColumn { ExportColumn(name: name, kind: .text) }
    static func number(_ name: String) -> ExportColumn { ExportColumn(name: name, kind: .number) }
    static func amount(_ name: String) -> ExportColumn { ExportColumn(name: name, kind: .amount) }

    /// The column where a value may be absent.
    var optional: ExportColumn {
        var column = self
        column.isOptional = true
        return column
    }
}

extension ExportTable {
    var columns: [ExportColumn] {
        switch self {
        case .blocks: Self.blockColumns
        case .transactions: Self.transactionColumns
        case .receipts:
            [
                .text("transaction_hash"), .number("transaction_index"), .text("block_hash"),
                .number("block_number"), .number("cumulative_gas_used"), .number("gas_used"),
                .text("contract_address").optional, .text("root").optional,
                .number("status").optional, .amount("effective_gas_price"),
            ]
        case .logs:
            [
                .number("log_index"), .text("transaction_hash"), .number("transaction_index"),
                .text("block_hash"), .number("block_number"), .text("address"), .text("data"),
                ExportColumn(name: "topics", kind: .topics),
            ]
        case .tokenTransfers:
            [
                .text("token_address"), .text("from_address"), .text("to_address"),
                .amount("value"), .text("transaction_hash"), .number("log_index"),
                .number("block_number"), .amount("token_id").optional, .text("token_standard"),
            ]
        case .contracts:
            [
                .number("block_number"), .text("block_hash"), .number("create_index"),
                .text("transaction_hash"), .text("contract_address"), .text("deployer"),
                .text("factory"), .text("init_code"), .text("code"), .text("init_code_hash"),
                .number("n_init_code_bytes"), .number("n_code_bytes"), .text("code_hash"),
                .number("chain_id"),
            ]
        case .traces: Self.traceColumns
        }
    }

    private static let blockColumns: [ExportColumn] = [
        .number("number"), .text("hash"), .text("parent_hash"), .text("nonce"),
        .text("sha3_uncles"), .text("logs_bloom"), .text("transactions_root"),
        .text("state_root"), .text("receipts_root"), .text("miner"), .amount("difficulty"),
        .amount("total_difficulty"), .number("size"), .text("extra_data"), .number("gas_limit"),
        .number("gas_used"), .number("timestamp"), .number("transaction_count"),
        .amount("base_fee_per_gas").optional, .text("withdrawals_root").optional,
        .number("blob_gas_used").optional, .number("excess_blob_gas").optional,
    ]

    private static let transactionColumns: [ExportColumn] = [
        .text("hash"), .number("nonce"), .text("block_hash"), .number("block_number"),
        .number("transaction_index"), .text("from_address"), .text("to_address").optional,
        .amount("value"), .number("gas"), .amount("gas_price"), .text("input"),
        .number("block_timestamp"), .amount("max_fee_per_gas").optional,
        .amount("max_priority_fee_per_gas").optional, .number("transaction_type"),
    ]

    private static let traceColumns: [ExportColumn] = [
        .number("block_number"), .text("transaction_hash").optional,
        .number("transaction_index").optional, .text("from_address").optional,
        .text("to_address").optional, .amount("value"), .text("input").optional,
        .text("output").optional, .text("trace_type"), .text("call_type").optional,
        .text("reward_type").optional, .number("gas").optional, .number("gas_used").optional,
        .number("subtraces"), ExportColumn(name: "trace_address", kind: .list),
        .text("error").optional, .number("status"), .text("trace_id"),
    ]
}
