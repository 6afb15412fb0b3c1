/// What a model learns from and predicts on: one row for each case, one column for each feature.
///
/// Rows lie one after the other. A value that is not known is NaN; trees send it down the branch that
/// served best in training, so nothing is ever filled in.
public struct FeatureMatrix: Sendable, Hashable {
    /// How many features a row has.
    public let columns: Int
    /// All values, row by row.
    public private(set) var values: [Float] = []

    /// An empty matrix.
    public init(columns: Int) {
        precondition(columns > 0, "A matrix of features has at least one column.")
        self.columns = columns
    }

    /// How many rows there are.
    public var rows: Int { values.count / columns }

    /// Adds a row of `columns` values.
    public mutating func append(_ row: [Float]) {
        precondition(row.count == columns, "A row has a value for each feature.")
        values.append(contentsOf: row)
    }

    /// A row.
    public subscript(row: Int) -> ArraySlice<Float> {
        values[(row * columns)..<((row + 1) * columns)]
    }

    /// Some of the rows.
    public func rows(_ range: Range<Int>) -> FeatureMatrix {
        var part = FeatureMatrix(columns: columns)
        part.values = Array(values[(range.lowerBound * columns)..<(range.upperBound * columns)])
        return part
    }
}
