import Cryptography
import Foundation
import PluginAPI
import Primitives
import RPC

/// Addresses that an operator has flagged, with what for.
///
/// A text file: a line each, `address` or `address,label`; lines that begin with `#` and empty ones
/// do not count, nor does a first line that is no address (a header).
struct LabelList: Sendable {
    /// The most that is read.
    static let limit = 1_000_000

    let name: String
    let hash: Hash256
    let labels: [Address: String]

    /// - Throws: `PluginError` if the file cannot be read or a line is no address.
    init(file path: String) throws(PluginError) {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw PluginError("analytics.labels: cannot read \(path)")
        }
        try self.init(name: URL(filePath: path).lastPathComponent, text: Bytes(data))
    }

    init(name: String, text: Bytes) throws(PluginError) {
        self.name = name
        hash = keccak256(text)
        var labels: [Address: String] = [:]
        let lines = String(decoding: text, as: UTF8.self).split(
            omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        for (number, line) in lines.enumerated() {
            let fields = line.split(separator: ",", maxSplits: 2, omittingEmptySubsequences: false)
                .map { $0.trimmingCharacters(in: .whitespaces.union(["\""])) }
            guard let first = fields.first, !first.isEmpty, !first.hasPrefix("#") else { continue }
            guard let address = Address(hex: first) else {
                if number == 0 { continue }
                throw PluginError(
                    "analytics.labels: line \(number + 1) of \(name) does not begin with an address"
                )
            }
            labels[address] = fields.count > 1 && !fields[1].isEmpty ? fields[1] : "flagged"
            guard labels.count <= Self.limit else {
                throw PluginError("analytics.labels: \(name) has more than \(Self.limit) addresses")
            }
        }
        self.labels = labels
    }

    /// Whether a label says that an address is a mixer: its first word is `mixer`.
    static func isMixer(_ label: String) -> Bool {
        label.split { !$0.isLetter }.first?.lowercased() == "mixer"
    }

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("name")
            writer.string(name)
            writer.key("keccak256")
            writer.hash(hash)
            writer.count("addresses", UInt64(labels.count))
        }
    }

    static let schema: JSONValue = [
        "type": "object", "required": ["name", "keccak256", "addresses"],
        "properties": [
            "name": ["type": "string"], "keccak256": Hash256.schema,
            "addresses": ["type": "integer", "minimum": 0],
        ],
    ]
}
