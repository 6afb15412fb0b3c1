import Primitives
import RPC
import Storage

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
