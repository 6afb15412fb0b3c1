import Primitives
import RPC
import Storage

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
