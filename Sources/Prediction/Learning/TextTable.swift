import Foundation

/// Cells of a table for a terminal.
enum TextTable {
    /// A text at the right of so many columns.
    static func right(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }

    /// A text at the left of so many columns.
    static func left(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    /// A number, a dash if there is none.
    static func number(_ value: Double?, _ digits: Int, _ width: Int) -> String {
        right(value.map { String(format: "%.\(digits)f", $0) } ?? "-", width)
    }

    /// An interval, with a dash for each end that is not known.
    static func interval(_ low: Double?, _ high: Double?) -> String {
        "  [" + number(low, 3, 6) + ", " + number(high, 3, 6) + "]"
    }
}
