/// A table of numbers from a CSV file (RFC 4180): a header line, then one line for each moment, oldest
/// first.
///
/// A cell that is empty, `NA` or `NaN` is missing and stays so. The first column may hold dates; they
/// are kept as text, to say in an answer what was learned from when.
public struct CSVTable: Sendable, Hashable {
    /// Why a text is no such table.
    public enum Failure: Error, Sendable, Hashable, CustomStringConvertible {
        /// There is no header, or no line after it.
        case empty
        /// Two columns have the same name, or one has none.
        case invalidHeader(String)
        /// A line has another number of cells than the header.
        case raggedLine(line: Int, cells: Int, columns: Int)
        /// A cell is no number.
        case invalidNumber(line: Int, column: String, text: String)
        /// A quotation mark is not closed, or stands within a cell.
        case invalidQuotes(line: Int)
        /// There are more cells than ``CSVTable/maxCells``.
        case tooLarge(cells: Int)

        /// One sentence for a person.
        public var description: String {
            switch self {
            case .empty: "it has no line of numbers after its header"
            case .invalidHeader(let name):
                name.isEmpty ? "a column has no name" : "two columns are named \(name)"
            case .raggedLine(let line, let cells, let columns):
                "line \(line) has \(cells) cells, and the header \(columns)"
            case .invalidNumber(let line, let column, let text):
                "line \(line), column \(column): '\(text)' is no number"
            case .invalidQuotes(let line):
                "line \(line): a quotation mark is not closed, or within a cell"
            case .tooLarge(let cells): "it has \(cells) cells, and \(maxCells) is the most"
            }
        }
    }

    /// The most cells that are read: 80 MB of numbers.
    public static let maxCells = 10_000_000

    /// The names of the columns of numbers, in order.
    public let columns: [String]
    /// The name of each line, if the first column is `date`, `time` or `timestamp`.
    public let labels: [String]?
    /// How many lines follow the header.
    public let rows: Int
    private let values: [Double]

    /// The names in the first line; none if there is no line.
    public static func header(of text: String) -> [String] {
        let first = text.utf8.prefix { $0 != 0x0a }
        guard var names = try? cells(Array(first)).first?.cells else { return [] }
        if names[0].hasPrefix("\u{feff}") { names[0].removeFirst() }
        return names
    }

    /// Reads a table.
    ///
    /// - Parameter wanted: the columns to read, others may hold anything; all where nil.
    public init(_ text: String, only wanted: Set<String>? = nil) throws(Failure) {
        var lines = try Self.cells(Array(text.utf8))
        guard lines.count >= 2 else { throw .empty }
        var header = lines.removeFirst().cells
        if header[0].hasPrefix("\u{feff}") { header[0].removeFirst() }
        let isLabelled =
            ["date", "time", "timestamp"].contains(header[0].lowercased())
            && wanted?.contains(header[0]) != true
        let places = header.indices.dropFirst(isLabelled ? 1 : 0)
            .filter { wanted?.contains(header[$0]) ?? true }
        let names = places.map { header[$0] }
        var seen: Set<String> = []
        for name in names where name.isEmpty || !seen.insert(name).inserted {
            throw .invalidHeader(name)
        }
        guard !names.isEmpty else { throw .empty }
        guard lines.count * names.count <= Self.maxCells else {
            throw .tooLarge(cells: lines.count * names.count)
        }
        var values: [Double] = []
        var labels: [String] = []
        for line in lines {
            guard line.cells.count == header.count else {
                throw .raggedLine(
                    line: line.number, cells: line.cells.count, columns: header.count)
            }
            if isLabelled { labels.append(line.cells[0]) }
            for place in places {
                values.append(
                    try Self.number(
                        line.cells[place], line: line.number, column: header[place]))
            }
        }
        columns = names
        rows = lines.count
        self.labels = isLabelled ? labels : nil
        self.values = values
    }

    /// A column; `nil` if there is none of that name.
    public func column(_ name: String) -> [Double]? {
        guard let index = columns.firstIndex(of: name) else { return nil }
        return (0..<rows).map { values[$0 * columns.count + index] }
    }

    private static func number(
        _ text: String, line: Int, column: String
    ) throws(Failure) -> Double {
        let trimmed = text.filter { $0 != " " && $0 != "\t" }
        if trimmed.isEmpty || ["na", "nan", "null"].contains(trimmed.lowercased()) { return .nan }
        guard let value = Double(trimmed), value.isFinite else {
            throw .invalidNumber(line: line, column: column, text: String(text.prefix(40)))
        }
        return value
    }

    /// The cells of each line that is not empty.
    private static func cells(
        _ text: [UInt8]
    ) throws(Failure) -> [(number: Int, cells: [String])] {
        var lines: [(Int, [String])] = []
        var cells: [String] = []
        var cell: [UInt8] = []
        var line = 1
        var start = 1
        var index = 0
        while index < text.count {
            let byte = text[index]
            index += 1
            switch byte {
            case 0x22:
                guard cell.isEmpty else { throw .invalidQuotes(line: line) }
                (cell, index) = try quoted(text, from: index, line: line)
                line += cell.count { $0 == 0x0a }
            case 0x2c:
                cells.append(String(decoding: cell, as: UTF8.self))
                cell = []
            case 0x0d where index < text.count && text[index] == 0x0a: break
            case 0x0a:
                if !cells.isEmpty || !cell.isEmpty {
                    lines.append((start, cells + [String(decoding: cell, as: UTF8.self)]))
                }
                cells = []
                cell = []
                line += 1
                start = line
            default: cell.append(byte)
            }
        }
        if !cells.isEmpty || !cell.isEmpty {
            lines.append((start, cells + [String(decoding: cell, as: UTF8.self)]))
        }
        return lines
    }

    /// The rest of a cell in quotation marks, and where the text goes on after it.
    private static func quoted(
        _ text: [UInt8], from start: Int, line: Int
    ) throws(Failure) -> ([UInt8], Int) {
        var cell: [UInt8] = []
        var index = start
        while index < text.count {
            if text[index] != 0x22 {
                cell.append(text[index])
                index += 1
            } else if index + 1 < text.count, text[index + 1] == 0x22 {
                cell.append(0x22)
                index += 2
            } else {
                let next = index + 1
                guard next == text.count || [0x2c, 0x0a, 0x0d].contains(text[next]) else {
                    throw .invalidQuotes(line: line)
                }
                return (cell, next)
            }
        }
        throw .invalidQuotes(line: line)
    }
}
