/// The members of a JSON object, in the order in which they were written.
///
/// A key occurs once: setting it again replaces its value and keeps its place. Small objects are
/// searched in line; from `indexThreshold` members on, a dictionary of places makes lookup O(1), so
/// that a genesis file with a hundred thousand accounts parses in linear time.
public struct JSONObject: Hashable, Sendable {
    /// The keys, in their order.
    public private(set) var keys: [String] = []
    /// The values, in the order of their keys.
    public private(set) var values: [JSONValue] = []
    private var places: [String: Int] = [:]

    private static let indexThreshold = 16

    /// An object without members.
    public init() {}

    /// An object of these members; of a repeated key the last value counts.
    public init(_ members: some Sequence<(key: String, value: JSONValue)>) {
        for member in members { self[member.key] = member.value }
    }

    /// The value of a member. Setting nil removes the member.
    public subscript(key: String) -> JSONValue? {
        get { place(of: key).map { values[$0] } }
        set {
            if let place = place(of: key) {
                if let newValue { values[place] = newValue } else { remove(at: place) }
            } else if let newValue {
                append(newValue, for: key)
            }
        }
    }

    private func place(of key: String) -> Int? {
        places.isEmpty ? keys.firstIndex(of: key) : places[key]
    }

    private mutating func append(_ value: JSONValue, for key: String) {
        keys.append(key)
        values.append(value)
        if !places.isEmpty {
            places[key] = keys.count - 1
        } else if keys.count == Self.indexThreshold {
            indexKeys()
        }
    }

    private mutating func remove(at place: Int) {
        keys.remove(at: place)
        values.remove(at: place)
        places = [:]
        if keys.count >= Self.indexThreshold { indexKeys() }
    }

    private mutating func indexKeys() {
        places = Dictionary(uniqueKeysWithValues: zip(keys, keys.indices))
    }

    /// An object of these members.
    public static func == (left: JSONObject, right: JSONObject) -> Bool {
        left.keys == right.keys && left.values == right.values
    }

    /// Feeds the members to the hasher.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(keys)
        hasher.combine(values)
    }
}

extension JSONObject: RandomAccessCollection {
    /// The place of the first member.
    public var startIndex: Int { 0 }
    /// The place behind the last member.
    public var endIndex: Int { keys.count }
    /// The member at a place.
    public subscript(place: Int) -> (key: String, value: JSONValue) {
        (keys[place], values[place])
    }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
    /// An object without members.
    public init(dictionaryLiteral elements: (String, JSONValue)...) {
        self.init(elements.lazy.map { (key: $0.0, value: $0.1) })
    }
}
