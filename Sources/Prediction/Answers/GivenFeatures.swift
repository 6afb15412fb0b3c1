import PluginAPI
import Primitives
import RPC

/// The features that a caller gives: names and numbers.
///
/// Either `{"features": {…}}` or the features themselves, as in `{"price_change_1h": 0.01, …}`.
struct GivenFeatures: RESTValue, RPCParameter {
    /// More than that is no moment but a table.
    private static let limit = 1_000

    let values: [String: Double]

    static func parse(_ text: String) throws(RESTValueError) -> GivenFeatures {
        guard let value = try? JSONValue(parsing: text) else {
            throw RESTValueError("is not JSON")
        }
        guard let features = GivenFeatures(value) else {
            throw RESTValueError("is not an object of numbers")
        }
        return features
    }

    static func decode(_ text: JSONText) throws(RPCParameterError) -> GivenFeatures {
        guard let features = GivenFeatures(JSONValue.decode(text)) else {
            throw RPCParameterError("features are an object of numbers")
        }
        return features
    }

    static var textSchema: JSONValue { schema }

    static var schema: JSONValue {
        [
            "type": "object",
            "properties": [
                "features": ["type": "object", "additionalProperties": ["type": "number"]]
            ],
        ]
    }

    private init?(_ value: JSONValue) {
        let inner = value["features"] ?? value
        guard let object = inner.objectValue, object.keys.count <= Self.limit else { return nil }
        var values: [String: Double] = [:]
        for (name, value) in object {
            if value.isNull { continue }
            guard let number = value.doubleValue, number.isFinite else { return nil }
            values[name] = number
        }
        self.values = values
    }
}
