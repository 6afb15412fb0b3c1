import Chain
import EthereumTypes
public import PluginAPI
public import Primitives
import RPC
import Storage
import Synchronization

/// How an export is written.
public enum ExportFormat: String, CaseIterable, Sendable, RESTValue {
    case csv, ndjson, parquet

    var mediaType: String {
        switch self {
        case .csv: "text/csv"
        case .ndjson: "application/x-ndjson"
        case .parquet: "application/vnd.apache.parquet"
        }
    }

    /// The format of this name.
    public static func parse(_ text: String) throws(RESTValueError) -> ExportFormat {
        guard let format = ExportFormat(rawValue: text) else {
            throw RESTValueError("is not 'csv', 'ndjson' or 'parquet'")
        }
        return format
    }

    /// The names.
    public static var textSchema: JSONValue {
        ["type": "string", "enum": .array(allCases.map { .string($0.rawValue) })]
    }
}

/// A table of a range of blocks, made part by part.
///
/// Rows come in the order of the chain and each block's rows are in one part, so that whoever was
/// interrupted goes on with the block of the last row, without that block's rows.
final class Export {
    /// About so many bytes a part.
    static let partBytes = 256 << 10

    let table: ExportTable
    let format: ExportFormat
    let blocks: ClosedRange<BlockNumber>
    private let rows: ExportRows
    private let writer: any ExportWriter
    /// The first block whose rows are still to come.
    private(set) var next: BlockNumber
    private var isFinished = false
    /// Rows so far.
    private(set) var rowCount: UInt64 = 0

    /// - Parameter blocks: blocks that the view has.
    init(
        _ table: ExportTable, _ format: ExportFormat, _ blocks: ClosedRange<BlockNumber>,
        in view: ChainView
    ) {
        self.table = table
        self.format = format
        self.blocks = blocks
        rows = ExportRows(table: table, view: view)
        writer = format.writer(
            table,
            properties: [
                ("apus.table", table.rawValue),
                ("apus.chain_id", String(view.config.chainId)),
                ("apus.first_block", String(blocks.lowerBound)),
                ("apus.last_block", String(blocks.upperBound)),
                ("apus.definition_version", String(AnalyticsPlugin.definitionVersion)),
            ])
        next = blocks.lowerBound
    }

    /// The name of a file with this content.
    var fileName: String { ExportManifest.name(table, format, blocks) }

    /// The next part; `nil` after the last.
    func nextPart() throws -> Bytes? {
        var part = writer.takeBytes()
        while part.count < Self.partBytes, next <= blocks.upperBound {
            try rows.forEach(in: next) { row in
                writer.append(row)
                rowCount += 1
            }
            next += 1
            part += writer.takeBytes()
        }
        if next > blocks.upperBound, !isFinished {
            isFinished = true
            writer.finish()
            part += writer.takeBytes()
        }
        return part.isEmpty ? nil : part
    }

    /// - Throws: `RESTError` for an empty range or one beyond the head.
    static func answer(
        _ table: ExportTable, _ format: ExportFormat, _ first: BlockNumber, _ last: BlockNumber?,
        in view: ChainView
    ) throws(RESTError) -> RESTAnswer {
        let last = last ?? view.number
        guard last <= view.number else {
            throw .badRequest("the parameter \"to\" is above the head, \(view.number)")
        }
        guard first <= last else {
            throw .badRequest("the parameter \"from\" is above \"to\"")
        }
        let export = Export(table, format, first...last, in: view)
        let fileName = export.fileName
        let state = Mutex(export)
        return RESTAnswer(
            mediaType: format.mediaType,
            content: .parts { try state.withLock { try $0.nextPart() } }, fileName: fileName)
    }
}
