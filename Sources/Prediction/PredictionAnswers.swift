import Chain
import PluginAPI
import Primitives
import RPC
import Storage

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
    /// Where the tips come from.
    enum Tips {
        /// What became of the transactions of the node's own pool.
        case pool(tiers: [TipTier], within: UInt64, outcomes: Int, blocks: BlockNumber)
        /// What the transactions in the last blocks paid.
        case blocks(tiers: [TipTier], blocks: Int)
    }

    let block: BlockReference
    let forecasts: [FeeForecast]
    let tips: Tips

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
        let priority: JSONValue =
            switch tips {
            case .pool(let tiers, let within, let outcomes, let blocks):
                [
                    "source": "outcomes in this node's pool", "within": .number("\(within)"),
                    "outcomes": .number("\(outcomes)"), "blocks": .number("\(blocks)"),
                    "tiers": .array(tiers.map(\.json)),
                ]
            case .blocks(let tiers, let blocks):
                [
                    "source": "tips paid in blocks", "blocks": .number("\(blocks)"),
                    "tiers": .array(tiers.map(\.json)),
                ]
            }
        writer.value([
            "as_of": asOf(block), "base_fee": .array(fees), "priority_fee": priority,
            "definition_version": 2,
        ])
    }
}

extension TipTier {
    fileprivate var json: JSONValue {
        let shares = zip(Self.waits, inclusion).map { blocks, share in
            (key: "\(blocks)", value: JSONValue.rounded(share))
        }
        var entry: JSONObject = [
            "tier": .string(name), "wei": .string(tip.description),
            "included_within": .object(JSONObject(shares)),
        ]
        if let target {
            entry["target"] = .rounded(target)
            // Not even the highest tips are in as often as that.
            if let measured, measured < target - 1e-9 { entry["is_reached"] = false }
            entry["measured"] = .rounded(measured)
        }
        return .object(entry)
    }
}

/// How long transactions with a tip waited.
struct InclusionAnswer: RPCResult {
    let block: BlockReference
    let tip: UInt256
    let shares: [Double]
    let outcomes: Int

    static var schema: JSONValue {
        [
            "type": "object", "required": ["as_of", "tip", "included_within", "outcomes"],
            "properties": [
                "as_of": asOfSchema, "tip": ["type": "string"],
                "included_within": ["type": "array", "items": ["type": "number"]],
                "outcomes": ["type": "integer"], "source": ["type": "string"],
            ],
        ]
    }

    func write(to writer: inout JSONWriter) {
        writer.value([
            "as_of": asOf(block), "tip": .string(tip.description),
            "included_within": .array(shares.map { .rounded($0) }),
            "outcomes": .number("\(outcomes)"), "source": "outcomes in this node's pool",
        ])
    }
}

/// How likely the base fee falls so far.
struct FeeWaitAnswer: RPCResult {
    let block: BlockReference
    let fee: UInt256
    let blocks: UInt64
    /// The probability, if the protocol leaves no doubt.
    let certain: Double?
    /// What the past says.
    var outlook: FallHistory.Outlook?
    /// How good such probabilities were.
    let records: [ProbabilityRecord]

    static var schema: JSONValue {
        [
            "type": "object", "required": ["as_of", "fee", "blocks", "probability"],
            "properties": [
                "as_of": asOfSchema, "fee": ["type": "string"], "blocks": ["type": "integer"],
                "probability": ["type": "number"], "source": ["type": "string"],
                "frequency": ["type": ["number", "null"]],
                "starts": ["type": ["integer", "null"]],
                "record": ["type": "array", "items": ["type": "object"]],
            ],
        ]
    }

    func write(to writer: inout JSONWriter) {
        // The moments like this one are heard unless they have done worse than all moments.
        let isLikenessHeard = records.allSatisfy { $0.skill ?? 0 >= 0 }
        let likeNow = isLikenessHeard ? outlook?.likeNow : nil
        let source =
            certain != nil
            ? "exact" : likeNow != nil ? "moments like this one" : "history of this chain"
        writer.value([
            "as_of": asOf(block), "fee": .string(fee.description), "blocks": .number("\(blocks)"),
            "probability": .rounded(certain ?? likeNow ?? outlook?.frequency),
            "source": .string(source), "frequency": .rounded(outlook?.frequency),
            "starts": outlook.map { .number("\($0.moments)") } ?? .null,
            "record": .array(
                zip(FallHistory.scoredFalls, records).map { fall, record in
                    [
                        "fall": .rounded(fall.share), "blocks": .number("\(fall.blocks)"),
                        "outcomes": .number("\(record.count)"), "skill": .rounded(record.skill),
                        "calibration_error": .rounded(record.calibrationError),
                    ]
                }),
        ])
    }
}

/// The activity to come.
struct ActivityAnswer: RPCResult {
    let block: BlockReference
    let chain: ChainTracker
    let slots: SlotTracker

    static var schema: JSONValue {
        [
            "type": "object", "required": ["as_of", "hour", "blocks"],
            "properties": [
                "as_of": asOfSchema, "hour": ["type": ["object", "null"]],
                "blocks": ["type": "array", "items": ["type": "object"]],
                "definition_version": ["type": "integer"],
            ],
        ]
    }

    func write(to writer: inout JSONWriter) {
        let models = chain.models.activity
        func forecasts(_ forecasts: [ActivityForecast], _ scale: ActivityScale) -> JSONObject {
            var object: JSONObject = [:]
            for forecast in forecasts {
                let part = models?.part(scale, forecast.quantity, forecast.horizon)
                object[forecast.quantity.rawValue] = forecast.json(part)
            }
            return object
        }
        let byBlock = chain.activity.forecasts()
        let blocks = ActivityScale.blocks.horizons.compactMap { horizon -> JSONValue? in
            let own = byBlock.filter { $0.horizon == horizon }
            guard !own.isEmpty else { return nil }
            var entry = forecasts(own, .blocks)
            entry["blocks"] = .number("\(horizon)")
            return .object(entry)
        }
        var hour = JSONValue.null
        let byHour = slots.forecaster.forecasts()
        if let span = slots.hour, !byHour.isEmpty {
            var entry = forecasts(byHour, .tenMinutes)
            entry["from"] = .number("\(span.lowerBound)")
            entry["to"] = .number("\(span.upperBound)")
            hour = .object(entry)
        }
        writer.value([
            "as_of": asOf(block), "hour": hour, "blocks": .array(blocks),
            "definition_version": 1,
        ])
    }
}

extension ActivityForecast {
    fileprivate func json(_ part: ActivityModel.Part?) -> JSONValue {
        let source =
            switch self.source {
            case .model: "model"
            case .rule(let rule): "rule: \(rule.rawValue)"
            }
        let verdict: JSONValue
        if let record = part?.record {
            verdict = [
                "verdict": record.hasWon ? "skill" : "no skill",
                "outcomes": .number("\(record.outcomes)"), "skill": .rounded(record.skill),
                "low": .rounded(record.skillLow), "high": .rounded(record.skillHigh),
                "rule": .string(record.rule.rawValue),
            ]
        } else {
            verdict = .null
        }
        return [
            "source": .string(source), "value": .rounded(middle), "low": .rounded(low),
            "high": .rounded(high), "target_coverage": .number("\(ForecastTrack.target)"),
            "measured_coverage": .rounded(coverage), "outcomes": .number("\(outcomes)"),
            "skill": .rounded(skill), "backtest": verdict,
        ]
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
        guard rounded.isFinite else { return .null }
        // Whole numbers without a point: gas and transactions.
        return Int64(exactly: rounded).map { .number("\($0)") } ?? .number("\(rounded)")
    }
}

private func asOf(_ block: BlockReference) -> JSONValue {
    ["number": .number("\(block.number)"), "hash": .string(block.hash.description)]
}

private let asOfSchema: JSONValue = [
    "type": "object", "required": ["number", "hash"],
    "properties": ["number": ["type": "integer"], "hash": ["type": "string"]],
]
