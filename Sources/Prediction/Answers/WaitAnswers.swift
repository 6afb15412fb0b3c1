import Primitives
import RPC
import Storage

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
