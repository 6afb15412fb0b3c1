import Primitives
import RPC

/// What the three models say of the wei of an address. They disagree, so each is named, and the range
/// that they span is given.
struct TaintReport: Sendable {
    /// What the figures do not tell.
    static let leftOut =
        "tokens are not followed; what an account had when the index began, was paid for blocks or given "
        + "by hand counts as clean wei that it had from the first"

    let funds: Funds
    let models: [(name: String, figures: Taint.Figures)]
    let isComplete: Bool
    let knowsBalance: Bool

    init(_ evidence: RiskEvidence, _ taint: Taint?) {
        funds = evidence.funds
        models = [
            ("haircut", taint?.haircut ?? Taint.Figures()),
            ("poison", taint?.poison ?? Taint.Figures()),
            ("fifo", taint?.fifo ?? Taint.Figures()),
        ]
        isComplete = evidence.taint.isComplete
        knowsBalance = evidence.taint.knowsBalance
    }

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.count("most_hops", UInt64(Taint.hops))
            writer.count("hub_peers", UInt64(RiskReader.hubPeers))
            writer.key("limits")
            writer.object { writer in
                writer.count("accounts", UInt64(TaintSearch.accountLimit))
                writer.count("transactions", UInt64(TaintEvidence.readLimit))
                writer.count("transactions_of_an_account", UInt64(RiskReader.historyLimit))
            }
            writer.key("complete")
            writer.bool(isComplete)
            writer.key("left_out")
            writer.string(Self.leftOut)
            writer.amount("received", funds.received)
            writer.amount("balance", funds.balance)
            writer.key("models")
            writer.array { writer in
                for (name, figures) in models { write(name, figures, to: &writer) }
            }
            writeRange("received_share", to: &writer) { Self.share($0.received, funds.received) }
            writeRange("balance_share", to: &writer, balanceShare)
        }
    }

    private func write(
        _ name: String, _ figures: Taint.Figures, to writer: inout JSONWriter
    ) {
        writer.object { writer in
            writer.key("model")
            writer.string(name)
            writer.amount("received", figures.received.total)
            writer.key("received_by_hops")
            writer.array { writer in
                for amount in figures.received.all { writer.string(amount.description) }
            }
            writer.key("received_share")
            Self.write(Self.share(figures.received, funds.received), to: &writer)
            writer.key("balance")
            if knowsBalance {
                writer.string(figures.balance.total.description)
            } else {
                writer.null()
            }
            writer.key("balance_share")
            Self.write(balanceShare(figures), to: &writer)
        }
    }

    private func balanceShare(_ figures: Taint.Figures) -> Double? {
        knowsBalance ? Self.share(figures.balance, funds.balance) : nil
    }

    /// The least and the most that a model says, and which one does.
    private func writeRange(
        _ name: String, to writer: inout JSONWriter, _ share: (Taint.Figures) -> Double?
    ) {
        writer.key(name)
        let shares = models.compactMap { model in share(model.figures).map { (model.name, $0) } }
        guard let low = shares.min(by: { $0.1 < $1.1 }),
            let high = shares.max(by: { $0.1 < $1.1 })
        else { return writer.null() }
        writer.object { writer in
            writer.key("low")
            writer.number(low.1)
            writer.key("low_model")
            writer.string(low.0)
            writer.key("high")
            writer.number(high.1)
            writer.key("high_model")
            writer.string(high.0)
        }
    }

    private static func share(_ tainted: HopAmounts, _ all: Wei) -> Double? {
        all.isZero ? nil : min(1, tainted.total.doubleValue / all.doubleValue)
    }

    private static func write(_ share: Double?, to writer: inout JSONWriter) {
        if let share { writer.number(share) } else { writer.null() }
    }

    private static let amount: JSONValue = ["type": "string", "pattern": "^[0-9]+$"]
    private static let share: JSONValue = [
        "type": ["number", "null"], "minimum": 0, "maximum": 1,
    ]
    private static let range: JSONValue = [
        "type": ["object", "null"], "required": ["low", "low_model", "high", "high_model"],
    ]

    static let schema: JSONValue = [
        "type": "object", "title": "TaintReport",
        "required": [
            "most_hops", "hub_peers", "limits", "complete", "left_out", "received", "balance",
            "models", "received_share", "balance_share",
        ],
        "properties": [
            "complete": ["type": "boolean"],
            "received": amount, "balance": amount,
            "models": ["type": "array", "minItems": 3, "maxItems": 3, "items": model],
            "received_share": range, "balance_share": range,
        ],
    ]

    private static let model: JSONValue = [
        "type": "object",
        "required": [
            "model", "received", "received_by_hops", "received_share", "balance", "balance_share",
        ],
        "properties": [
            "model": ["enum": ["haircut", "poison", "fifo"]],
            "received": amount,
            "received_by_hops": ["type": "array", "items": amount],
            "received_share": share,
            "balance": ["type": ["string", "null"]],
            "balance_share": share,
        ],
    ]
}
