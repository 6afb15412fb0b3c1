import Primitives
import RPC

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
                // Null where a feature that the model looks at is missing.
                "predicted_change": ["type": ["number", "null"]],
                "confidence": ["type": ["number", "null"]],
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
            "confidence": .rounded(forecast.confidence),
            "recommendation": .string(forecast.recommendation.rawValue),
            "risk_level": .string(forecast.riskLevel.rawValue),
            "features_used": list(forecast.featuresUsed), "reason": .string(forecast.reason),
            "interval": [
                "low": .rounded(forecast.interval?.lowerBound),
                "high": .rounded(forecast.interval?.upperBound),
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
