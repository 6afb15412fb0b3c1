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
    /// How long a part of an answer is worked on, beside its last block: others get their turn on the
    /// thread, and whoever has gone is noticed.
    static let partTime = Duration.milliseconds(250)
    /// How long an answer may be silent while there are rows that could be sent.
    static let silence = Duration.seconds(10)

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
    ///
    /// - Parameter end: when a part is over after a block, even if nothing is in it.
    func nextPart(until end: ContinuousClock.Instant? = nil) throws -> Bytes? {
        var part = writer.takeBytes()
        while part.count < Self.partBytes, next <= blocks.upperBound {
            try rows.forEach(in: next) { row in
                writer.append(row)
                rowCount += 1
            }
            next += 1
            part += writer.takeBytes()
            if let end, .now >= end { break }
        }
        if next > blocks.upperBound, !isFinished {
            isFinished = true
            writer.finish()
            part += writer.takeBytes()
        }
        return part.isEmpty && isFinished ? nil : part
    }

    /// A part with all rows so far, whether or not the format has them together by itself.
    func flush() -> Bytes {
        writer.flush()
        return writer.takeBytes()
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
        let state = Mutex((export: export, sent: ContinuousClock.now))
        return RESTAnswer(
            mediaType: format.mediaType,
            content: .parts {
                try state.withLock { state in
                    let start = ContinuousClock.now
                    guard var part = try state.export.nextPart(until: start + Self.partTime) else {
                        return nil
                    }
                    if part.isEmpty, start - state.sent > Self.silence {
                        part = state.export.flush()
                    }
                    if !part.isEmpty { state.sent = .now }
                    return part
                }
            }, fileName: fileName)
    }
}
