import Foundation
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

/// The fees to come.
struct FeesAnswer: RPCResult {
    let block: Hash256
    let number: BlockNumber
    let forecasts: [FeeForecast]
    let tiers: [TipHistory.Tier]
    let tipBlocks: Int

    static var schema: JSONValue {
        [
            "type": "object", "required": ["as_of", "base_fee", "priority_fee"],
            "properties": [
                "as_of": asOfSchema, "base_fee": ["type": "array", "items": ["type": "object"]],
                "priority_fee": ["type": "object"], "definition_version": ["type": "integer"],
            ],
        ]
    }

    func write(to writer: inout JSONWriter) {
        let fees = forecasts.map { forecast -> JSONValue in
            var entry: JSONObject = [
                "blocks": .number("\(forecast.horizon)"), "source": .string(forecast.source.name),
                "wei": .string(forecast.middle.description),
            ]
            if forecast.source != .exact {
                entry["low"] = .string(forecast.low.description)
                entry["high"] = .string(forecast.high.description)
                entry["target_coverage"] = .number("\(forecast.target)")
                entry["measured_coverage"] = .rounded(forecast.coverage)
                entry["outcomes"] = .number("\(forecast.outcomes)")
                entry["skill"] = .rounded(forecast.skill)
            }
            return .object(entry)
        }
        let tips = tiers.map { tier -> JSONValue in
            let inclusion = zip(TipHistory.waits, tier.inclusion).map { blocks, share in
                ("\(blocks)", JSONValue.rounded(share))
            }
            return .object([
                "tier": .string(tier.name), "wei": .string(tier.tip.description),
                "included_within": .object(JSONObject(inclusion.map { (key: $0.0, value: $0.1) })),
            ])
        }
        writer.value([
            "as_of": asOf(number, block), "base_fee": .array(fees),
            "priority_fee": ["blocks": .number("\(tipBlocks)"), "tiers": .array(tips)],
            "definition_version": 1,
        ])
    }
}

/// How often the base fee fell so far.
struct FeeWaitAnswer: RPCResult {
    let block: Hash256
    let number: BlockNumber
    let fee: UInt256
    let blocks: UInt64
    let share: Double
    /// How many starts that rests on; `nil` if the next fee is low enough already.
    let starts: Int?

    static var schema: JSONValue {
        [
            "type": "object", "required": ["as_of", "fee", "blocks", "frequency"],
            "properties": [
                "as_of": asOfSchema, "fee": ["type": "string"], "blocks": ["type": "integer"],
                "frequency": ["type": "number"], "source": ["type": "string"],
                "starts": ["type": ["integer", "null"]],
            ],
        ]
    }

    func write(to writer: inout JSONWriter) {
        writer.value([
            "as_of": asOf(number, block), "fee": .string(fee.description),
            "blocks": .number("\(blocks)"), "frequency": .rounded(share),
            "source": .string(starts == nil ? "exact" : "history of this chain"),
            "starts": starts.map { .number("\($0)") } ?? .null,
        ])
    }
}

/// A forecast by the operator's model, with what it is worth.
struct ChangeAnswer: RPCResult {
    let model: ChangeModel
    let forecast: ChangeForecast

    static var schema: JSONValue {
        [
            "type": "object",
            "required": [
                "predicted_change", "confidence", "recommendation", "risk_level", "features_used",
            ],
            "properties": [
                "predicted_change": ["type": "number"], "confidence": ["type": "number"],
                "recommendation": ["enum": ["BUY", "SELL", "HOLD"]],
                "risk_level": ["enum": ["LOW", "MEDIUM", "HIGH"]],
                "features_used": ["type": "array", "items": ["type": "string"]],
                "reason": ["type": "string"], "interval": ["type": "object"],
                "skill": ["type": "object"], "model": ["type": "object"],
            ],
        ]
    }

    func write(to writer: inout JSONWriter) {
        func list(_ names: [String]) -> JSONValue { .array(names.map { .string($0) }) }
        let record = model.record
        writer.value([
            "predicted_change": .rounded(forecast.change),
            "confidence": .rounded(record.coverage),
            "recommendation": .string(forecast.recommendation.rawValue),
            "risk_level": .string(forecast.riskLevel.rawValue),
            "features_used": list(forecast.featuresUsed), "reason": .string(forecast.reason),
            "interval": [
                "low": .rounded(forecast.low), "high": .rounded(forecast.high),
                "target_coverage": .number("\(record.target)"),
                "measured_coverage": .rounded(record.coverage),
                "outcomes": .number("\(record.outcomes)"), "from": .string(record.from),
                "to": .string(record.to),
            ],
            "skill": [
                "value": .rounded(record.skill), "low": .rounded(record.skillLow),
                "high": .rounded(record.skillHigh), "baseline": .string(record.baseline.rawValue),
            ],
            "missing": list(forecast.missing), "out_of_range": list(forecast.outOfRange),
            "unknown": list(forecast.unknown),
            "model": [
                "target": .string(model.targetColumn), "horizon": .number("\(model.horizon)"),
                "algorithm": .string(model.algorithm.rawValue), "rows": .number("\(model.rows)"),
                "data_hash": .string(model.dataHash),
            ],
        ])
    }
}

extension FeeForecast.Source {
    /// As answers name it.
    var name: String {
        switch self {
        case .exact: "exact"
        case .model: "model"
        case .baseline(let baseline): "rule: \(baseline.rawValue)"
        }
    }
}

extension JSONValue {
    /// A figure with six digits behind the point; null if there is none.
    fileprivate static func rounded(_ value: Double?) -> JSONValue {
        guard let value else { return .null }
        let rounded = (value * 1e6).rounded() / 1e6
        return rounded.isFinite ? .number("\(rounded)") : .null
    }
}

private func asOf(_ number: BlockNumber, _ hash: Hash256) -> JSONValue {
    ["number": .number("\(number)"), "hash": .string(hash.description)]
}

private let asOfSchema: JSONValue = [
    "type": "object", "required": ["number", "hash"],
    "properties": ["number": ["type": "integer"], "hash": ["type": "string"]],
]
