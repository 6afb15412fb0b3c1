/// The last so many numbers, and their order.
///
/// A new number costs two binary searches and the moves of a sorted array; a quantile costs nothing.
struct Ring: Sendable, Hashable {
    let capacity: Int
    private var values: [Double] = []
    private var next = 0
    /// The same numbers, smallest first.
    private var ordered: [Double] = []

    init(capacity: Int) {
        precondition(capacity > 0, "A ring holds something.")
        self.capacity = capacity
    }

    var count: Int { values.count }

    /// Takes a number in, which must not be NaN; the oldest leaves if the ring is full.
    mutating func append(_ value: Double) {
        precondition(!value.isNaN, "Numbers of a ring have an order.")
        if values.count < capacity {
            values.append(value)
        } else {
            ordered.remove(at: ordered.firstPlace(of: values[next]))
            values[next] = value
            next = (next + 1) % capacity
        }
        ordered.insert(value, at: ordered.firstPlace(of: value))
    }

    var mean: Double? {
        values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
    }

    /// The value with this share of all at or below it.
    func quantile(_ level: Double) -> Double? {
        ordered.isEmpty ? nil : ordered.quantile(level)
    }
}

extension [Double] {
    /// Of sorted values, the one with this share of all at or below it.
    func quantile(_ level: Double) -> Double {
        precondition(!isEmpty, "No values have no quantile.")
        let rank = Int((level * Double(count)).rounded(.up)) - 1
        return self[Swift.min(Swift.max(rank, 0), count - 1)]
    }

    /// Of sorted values, the place of the first that is not below a value.
    func firstPlace(of value: Double) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if self[middle] < value { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
