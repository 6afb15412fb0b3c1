import Primitives

/// What a folder of exported tables holds: `manifest.json` in it.
struct ExportManifest {
    static let fileName = "manifest.json"
    private static let version: UInt64 = 1

    /// The name of the file with these blocks of a table.
    static func name(
        _ table: ExportTable, _ format: ExportFormat, _ blocks: ClosedRange<BlockNumber>
    ) -> String {
        "\(table.rawValue)_\(blocks.lowerBound)_\(blocks.upperBound).\(format.rawValue)"
    }

    /// A file that is complete.
    struct File: Equatable {
        let table: ExportTable
        let format: ExportFormat
        let blocks: ClosedRange<BlockNumber>
        /// Of the last block: another one, and the rows are of another chain.
        let lastHash: String
        let rows: UInt64
        let bytes: UInt64
        let sha256: String

        var name: String { ExportManifest.name(table, format, blocks) }

        func overlaps(_ other: File) -> Bool {
            table == other.table && format == other.format && blocks.overlaps(other.blocks)
        }
    }

    let chainId: UInt64
    let genesisHash: String
    var files: [File] = []

    init(chainId: UInt64, genesisHash: String) {
        self.chainId = chainId
        self.genesisHash = genesisHash
    }

    /// - Throws: `ExportError` if it is no manifest, or lists what no export makes: the files in it are
    ///   replaced and removed.
    init(json: Bytes) throws(ExportError) {
        guard let value = try? JSONValue(parsing: json), value["version"]?.uint64 == Self.version,
            let chainId = value["chain_id"]?.uint64,
            let genesisHash = value["genesis_hash"]?.stringValue,
            let entries = value["files"]?.arrayValue
        else { throw ExportError("\(Self.fileName) is not one of version \(Self.version)") }
        self.init(chainId: chainId, genesisHash: genesisHash)
        for entry in entries {
            guard let file = File(entry) else {
                throw ExportError("\(Self.fileName) lists a file that is none of an export")
            }
            files.append(file)
        }
    }

    var json: Bytes {
        var writer = JSONWriter(capacity: 1024)
        writer.object { writer in
            writer.count("version", Self.version)
            writer.count("chain_id", chainId)
            writer.key("genesis_hash")
            writer.string(genesisHash)
            writer.key("files")
            writer.array { writer in
                for file in files { file.write(to: &writer) }
            }
        }
        return writer.bytes + [UInt8(ascii: "\n")]
    }

    /// Adds a file in the place of those whose blocks it has, which are given back.
    mutating func add(_ file: File) -> [File] {
        let replaced = files.filter { $0.overlaps(file) }
        files.removeAll { $0.overlaps(file) }
        files.append(file)
        files.sort {
            ($0.table.rawValue, $0.format.rawValue, $0.blocks.lowerBound)
                < ($1.table.rawValue, $1.format.rawValue, $1.blocks.lowerBound)
        }
        return replaced.filter { $0.name != file.name }
    }
}

extension ExportManifest.File {
    fileprivate init?(_ value: JSONValue) {
        guard let table = value["table"]?.stringValue.flatMap(ExportTable.init(rawValue:)),
            let format = value["format"]?.stringValue.flatMap(ExportFormat.init(rawValue:)),
            let first = value["first_block"]?.uint64, let last = value["last_block"]?.uint64,
            first <= last,
            let lastHash = value["last_block_hash"]?.stringValue,
            let rows = value["rows"]?.uint64, let bytes = value["bytes"]?.uint64,
            let sha256 = value["sha256"]?.stringValue
        else { return nil }
        self.init(
            table: table, format: format, blocks: first...last, lastHash: lastHash, rows: rows,
            bytes: bytes, sha256: sha256)
        guard value["name"]?.stringValue == name else { return nil }
    }

    fileprivate func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("name")
            writer.string(name)
            writer.key("table")
            writer.string(table.rawValue)
            writer.key("format")
            writer.string(format.rawValue)
            writer.count("first_block", blocks.lowerBound)
            writer.count("last_block", blocks.upperBound)
            writer.key("last_block_hash")
            writer.string(lastHash)
            writer.count("rows", rows)
            writer.count("bytes", bytes)
            writer.key("sha256")
            writer.string(sha256)
        }
    }
}

extension JSONValue {
    fileprivate var uint64: UInt64? {
        if case .number(let text) = self { UInt64(text) } else { nil }
    }
}

/// Why an export cannot be made.
public struct ExportError: Error, CustomStringConvertible, Sendable {
    /// One sentence for the operator.
    public let description: String

    init(_ description: String) {
        self.description = description
    }
}
