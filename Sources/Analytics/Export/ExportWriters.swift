import Primitives
import RPC

/// Writes the rows of a table in a format.
protocol ExportWriter: AnyObject {
    func append(_ row: [ExportValue])
    /// What is complete since it was last asked for.
    func takeBytes() -> Bytes
    /// Makes complete what the format would still gather.
    func flush()
    /// Ends the file.
    func finish()
}

extension ExportFormat {
    /// - Parameter properties: what the file says of itself, where the format has a place for that.
    func writer(
        _ table: ExportTable, properties: [(key: String, value: String)]
    ) -> any ExportWriter {
        switch self {
        case .csv: CSVExportWriter(table)
        case .ndjson: NDJSONExportWriter(table)
        case .parquet: ParquetExportWriter(table, properties: properties)
        }
    }
}

/// Lines of values between commas, the first with the columns' names.
private final class CSVExportWriter: ExportWriter {
    private var bytes: Bytes

    init(_ table: ExportTable) {
        bytes = Bytes((table.columns.map(\.name).joined(separator: ",") + "\r\n").utf8)
    }

    func append(_ row: [ExportValue]) {
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
        bytes += Bytes((fields.joined(separator: ",") + "\r\n").utf8)
    }

    func takeBytes() -> Bytes {
        defer { bytes = [] }
        return bytes
    }

    func flush() {}

    func finish() {}
}

/// A JSON object a line. Amounts are texts: doubles would lose wei.
private final class NDJSONExportWriter: ExportWriter {
    private let columns: [ExportColumn]
    private var bytes: Bytes = []

    init(_ table: ExportTable) {
        columns = table.columns
    }

    func append(_ row: [ExportValue]) {
        var writer = JSONWriter(capacity: 512)
        writer.object { writer in
            for (column, value) in zip(columns, row) {
                writer.key(column.name)
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
        bytes += writer.bytes
        bytes.append(UInt8(ascii: "\n"))
    }

    func takeBytes() -> Bytes {
        defer { bytes = [] }
        return bytes
    }

    func flush() {}

    func finish() {}
}

/// A Parquet file. A number that may not fit 64 bits is there three times, as cryo has it: exactly as
/// text and in 32 bytes, and to reckon with as double.
private final class ParquetExportWriter: ExportWriter {
    private let columns: [ExportColumn]
    private var writer: ParquetWriter

    init(_ table: ExportTable, properties: [(key: String, value: String)]) {
        columns = table.columns
        writer = ParquetWriter(columns.flatMap(Self.columns(of:)), properties: properties)
    }

    func append(_ row: [ExportValue]) {
        var values: [ParquetWriter.Value] = []
        values.reserveCapacity(row.count + 8)
        for (column, value) in zip(columns, row) {
            switch (column.kind, value) {
            case (_, .text(let text)): values.append(.text(text))
            case (_, .number(let number)): values.append(.uint64(number))
            case (_, .amount(let amount)):
                values += [
                    .text(amount.description), .fixed(amount.bigEndianBytes),
                    .double(amount.doubleValue),
                ]
            case (.topics, .list(let topics)):
                values += (0..<Self.topicLimit).map {
                    topics[checked: $0].map { .text($0) } ?? .none
                }
            case (_, .list(let texts)): values.append(.text(texts.joined(separator: ",")))
            case (.amount, .none): values += [.none, .none, .none]
            case (_, .none): values.append(.none)
            }
        }
        writer.append(values)
    }

    func takeBytes() -> Bytes { writer.takeBytes() }

    func flush() { writer.endGroup() }

    func finish() { writer.finish() }

    private static let topicLimit = 4

    private static func columns(of column: ExportColumn) -> [ParquetWriter.Column] {
        func part(_ suffix: String, _ storage: ParquetWriter.Storage) -> ParquetWriter.Column {
            ParquetWriter.Column(
                name: column.name + suffix, storage: storage, isOptional: column.isOptional)
        }
        switch column.kind {
        case .text, .list: return [part("", .text)]
        case .number: return [part("", .uint64)]
        case .amount:
            return [part("", .text), part("_binary", .fixed(32)), part("_f64", .double)]
        case .topics:
            return (0..<topicLimit).map { index in
                ParquetWriter.Column(name: "topic\(index)", storage: .text, isOptional: true)
            }
        }
    }
}
