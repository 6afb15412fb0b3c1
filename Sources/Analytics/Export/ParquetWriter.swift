import Primitives

/// Writes a table as a Parquet file, from its first byte to its last: plain values, uncompressed, one
/// page a column in each row group. (apache/parquet-format, README and parquet.thrift.)
///
///     "PAR1"  row group  row group …  footer  its length[4]  "PAR1"
///             └ a page for each column: header, levels of absence, values
struct ParquetWriter {
    /// How a column's values are kept.
    enum Storage {
        /// UINT_64 as INT64.
        case uint64
        /// DOUBLE.
        case double
        /// UTF8 as BYTE_ARRAY.
        case text
        /// FIXED_LEN_BYTE_ARRAY.
        case fixed(Int)
    }

    struct Column {
        let name: String
        let storage: Storage
        /// Whether a value may be absent.
        let isOptional: Bool
    }

    /// A value of a column, in the way that the column keeps it.
    enum Value {
        case uint64(UInt64)
        case double(Double)
        case text(String)
        case fixed(Bytes)
        case none
    }

    /// A row group is ended when its values take so much; what is written is held until then.
    static let groupBytes = 4 << 20

    private struct Chunk {
        let offset: Int
        let size: Int
    }

    private struct Group {
        let rows: Int
        let chunks: [Chunk]
    }

    private struct Buffer {
        var values: Bytes = []
        var presence: [Bool] = []
    }

    private let columns: [Column]
    private let properties: [(key: String, value: String)]
    private var buffers: [Buffer]
    private var rows = 0
    private var groups: [Group] = []
    private var offset = 0
    private var pending: Bytes = []

    /// - Parameter properties: what the footer says about the table.
    init(_ columns: [Column], properties: [(key: String, value: String)]) {
        self.columns = columns
        self.properties = properties
        buffers = Array(repeating: Buffer(), count: columns.count)
        emit(Self.magic)
    }

    /// Adds a row: a value for each column.
    mutating func append(_ row: [Value]) {
        precondition(row.count == columns.count, "A row has a value for each column.")
        for index in row.indices {
            if columns[index].isOptional {
                if case .none = row[index] {
                    buffers[index].presence.append(false)
                    continue
                }
                buffers[index].presence.append(true)
            }
            append(row[index], to: index)
        }
        rows += 1
        if buffers.reduce(0, { $0 + $1.values.count }) >= Self.groupBytes { endGroup() }
    }

    private mutating func append(_ value: Value, to index: Int) {
        switch (value, columns[index].storage) {
        case (.uint64(let number), .uint64): buffers[index].values.append(littleEndian: number)
        case (.double(let number), .double):
            buffers[index].values.append(littleEndian: number.bitPattern)
        case (.text(let text), .text):
            buffers[index].values.append(littleEndian: UInt32(text.utf8.count))
            buffers[index].values.append(contentsOf: text.utf8)
        case (.fixed(let bytes), .fixed(let count)):
            precondition(bytes.count == count, "A value has its column's size.")
            buffers[index].values.append(contentsOf: bytes)
        case (.uint64, _), (.double, _), (.text, _), (.fixed, _), (.none, _):
            preconditionFailure("The column \(columns[index].name) holds no such value.")
        }
    }

    /// What is complete of the file since it was last asked for.
    mutating func takeBytes() -> Bytes {
        defer { pending = [] }
        return pending
    }

    /// Ends the file.
    mutating func finish() {
        endGroup()
        var footer = ThriftWriter()
        let total = groups.reduce(0) { $0 + $1.rows }
        footer.structure { file in
            file.field(1, int32: 1)
            let elements = [nil] + columns.map(Optional.init)
            file.field(2, structures: elements) { column, element in
                write(column, to: &element)
            }
            file.field(3, int64: total)
            file.field(4, structures: groups) { group, writer in write(group, to: &writer) }
            file.field(5, structures: properties) { property, writer in
                writer.field(1, text: property.key)
                writer.field(2, text: property.value)
            }
            file.field(6, text: "apus")
        }
        emit(footer.bytes)
        var length = Bytes()
        length.append(littleEndian: UInt32(footer.bytes.count))
        emit(length)
        emit(Self.magic)
    }

    private static let magic = Bytes("PAR1".utf8)

    private mutating func emit(_ bytes: Bytes) {
        pending.append(contentsOf: bytes)
        offset += bytes.count
    }

    /// Ends the row group, if there is a row in it.
    mutating func endGroup() {
        guard rows > 0 else { return }
        var chunks: [Chunk] = []
        for index in columns.indices {
            var page = Bytes()
            if columns[index].isOptional { page += Self.levels(buffers[index].presence) }
            page += buffers[index].values
            var header = ThriftWriter()
            let rows = rows
            header.structure { header in
                header.field(1, int32: 0)  // DATA_PAGE.
                header.field(2, int32: page.count)
                header.field(3, int32: page.count)
                header.field(5) { data in
                    data.field(1, int32: rows)
                    data.field(2, int32: Self.plain)
                    data.field(3, int32: Self.rle)
                    data.field(4, int32: Self.rle)
                }
            }
            chunks.append(
                Chunk(
                    offset: offset, size: header.bytes.count + page.count))
            emit(header.bytes)
            emit(page)
            buffers[index] = Buffer()
        }
        groups.append(Group(rows: rows, chunks: chunks))
        rows = 0
    }

    /// Whether each value is there: one bit-packed run of the hybrid encoding, after its length.
    private static func levels(_ presence: [Bool]) -> Bytes {
        let count = (presence.count + 7) / 8
        var run = Bytes()
        var header = UInt64(count) << 1 | 1
        while header > 0x7f {
            run.append(UInt8(truncatingIfNeeded: header) | 0x80)
            header >>= 7
        }
        run.append(UInt8(truncatingIfNeeded: header))
        let start = run.count
        run += Bytes(repeating: 0, count: count)
        for (index, isPresent) in presence.enumerated() where isPresent {
            run[start + index / 8] |= 1 << UInt8(index % 8)
        }
        var levels = Bytes()
        levels.append(littleEndian: UInt32(run.count))
        return levels + run
    }

    // MARK: - Metadata

    private static let plain = 0
    private static let rle = 3

    /// - Parameter column: `nil` for the root of the schema.
    private func write(_ column: Column?, to element: inout ThriftWriter) {
        guard let column else {
            element.field(4, text: "schema")
            element.field(5, int32: columns.count)
            return
        }
        element.field(1, int32: column.storage.physicalType)
        if case .fixed(let count) = column.storage { element.field(2, int32: count) }
        element.field(3, int32: column.isOptional ? 1 : 0)
        element.field(4, text: column.name)
        if let converted = column.storage.convertedType { element.field(6, int32: converted) }
    }

    private func write(_ group: Group, to writer: inout ThriftWriter) {
        writer.field(1, structures: Array(zip(columns, group.chunks))) { entry, writer in
            let (column, chunk) = entry
            writer.field(2, int64: chunk.offset)
            writer.field(3) { data in
                data.field(1, int32: column.storage.physicalType)
                data.field(2, int32s: [Self.plain, Self.rle])
                data.field(3, texts: [column.name])
                data.field(4, int32: 0)  // UNCOMPRESSED.
                data.field(5, int64: group.rows)
                data.field(6, int64: chunk.size)
                data.field(7, int64: chunk.size)
                data.field(9, int64: chunk.offset)
            }
        }
        writer.field(2, int64: group.chunks.reduce(0) { $0 + $1.size })
        writer.field(3, int64: group.rows)
    }
}

extension ParquetWriter.Storage {
    /// INT64, DOUBLE, BYTE_ARRAY or FIXED_LEN_BYTE_ARRAY.
    fileprivate var physicalType: Int {
        switch self {
        case .uint64: 2
        case .double: 5
        case .text: 6
        case .fixed: 7
        }
    }

    /// UTF8 or UINT_64.
    fileprivate var convertedType: Int? {
        switch self {
        case .uint64: 14
        case .text: 0
        case .double, .fixed: nil
        }
    }
}

extension Bytes {
    fileprivate mutating func append(littleEndian number: some FixedWidthInteger) {
        for shift in stride(from: 0, to: number.bitWidth, by: 8) {
            append(UInt8(truncatingIfNeeded: number >> shift))
        }
    }
}
