import Primitives

/// What is known of the wei of an address and of the accounts between it and flagged ones: enough to
/// say, whatever flags count, what of it is tainted.
struct TaintEvidence {
    /// Transactions and withdrawals that are read, of all accounts together.
    static let readLimit = 3_000

    let target: Address
    /// Whether no limit was met. If one was, less may be known to be tainted than is.
    private(set) var isComplete: Bool
    /// Whether everything that the target paid and was paid was read; else its balance is not known.
    private(set) var knowsBalance = true

    private let sources: Set<Address>
    private var accounts: [Address: Taint.Account] = [:]
    /// In order.
    private var movements: [ValueMovement] = []

    /// - Parameter payers: those that paid the target.
    init(
        _ reader: RiskReader, _ target: Address,
        payers: [(address: Address, totals: PeerTotals)], _ flags: [Address: String],
        _ knowledge: TaintSearch.Knowledge
    ) throws {
        self.target = target
        let search = try TaintSearch(reader, of: target, payers: payers, flags, knowledge)
        isComplete = search.isComplete
        sources = search.sources
        guard !sources.isEmpty else { return }
        let end = Place(block: .max, transaction: .max)
        var all: Set<ValueMovement> = []
        var left = Self.readLimit
        for account in [TaintSearch.Account(address: target, until: end)] + search.between {
            let history = try reader.history(of: account.address)
            if !history.covers(account.until) {
                isComplete = false
                if account.address == target { knowsBalance = false }
            }
            guard accounts[account.address] == nil else { continue }
            guard history.readCount <= left else {
                isComplete = false
                break
            }
            left -= history.readCount
            accounts[account.address] = Taint.Account(opening: history.opening, end: history.end)
            all.formUnion(history.movements)
        }
        movements = all.sorted()
    }

    /// What is tainted if some flags count; `nil` if none of them has to do with it.
    func taint(_ isKnown: (Address) -> Bool) -> Taint? {
        let known = sources.filter(isKnown)
        guard !known.isEmpty else { return nil }
        return Taint(to: target, accounts: accounts, sources: known, movements)
    }
}
