import Primitives
import Storage

extension JSONValue {
    /// A figure with six digits behind the point; null if there is none.
    static func rounded(_ value: Double?) -> JSONValue {
        guard let value else { return .null }
        let rounded = (value * 1e6).rounded() / 1e6
        guard rounded.isFinite else { return .null }
        // Whole numbers without a point: gas and transactions.
        return Int64(exactly: rounded).map { .number("\($0)") } ?? .number("\(rounded)")
    }
}

func asOf(_ block: BlockReference) -> JSONValue {
    ["number": .number("\(block.number)"), "hash": .string(block.hash.description)]
}

let asOfSchema: JSONValue = [
    "type": "object", "required": ["number", "hash"],
    "properties": ["number": ["type": "integer"], "hash": ["type": "string"]],
]
