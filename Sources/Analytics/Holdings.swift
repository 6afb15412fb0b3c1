import Chain
import EVM
import Execution
import PluginAPI
import Primitives
import RPC
import State
import Storage

/// What an account holds of tokens, or who holds a token.
struct HoldingPage: RPCResult {
    struct Entry: Sendable {
        let token: Address
        let holder: Address
        let id: UInt256?
        let holding: Holding
        var statement = Statement.notAsked
    }

    /// What the contract says of a holding.
    enum Statement: Hashable, Sendable {
        /// It was not asked.
        case notAsked
        /// It did not answer.
        case none
        /// The holder has so much.
        case balance(UInt256)
    }

    let scope: ReportScope
    /// Of one token.
    let totals: TokenTotals?
    private(set) var entries: [Entry]
    let hasMore: Bool
    /// Whether the order is known to be this: not if more than `scan` holders share the ranks that
    /// are looked at. Nil where entries are in the order of their tokens.
    let isExact: Bool?
    private var isVerified = false

    /// Holders whose holdings are read to find the largest: a page, and as many again as a rank may
    /// reasonably have.
    static let scan = 4_000

    /// What an account holds, by token; also what it held once.
    ///
    /// - Throws: `RESTError` with 504 if there is not enough time.
    init(
        _ view: PluginView, holder: Address, _ limit: UInt64, deadline: ContinuousClock.Instant
    ) throws {
        scope = try ReportScope(view, days: 1)
        totals = nil
        isExact = nil
        let record = try view.record(of: holder) ?? AddressRecord()
        var found: [Entry] = []
        if record.hasManyHoldings {
            try view.forEach(Table.holdings, prefix: KeyBuilder.address(holder)) { key, value in
                try deadline.check()
                guard let token = Address(key[20..<40]) else {
                    throw StorageError.corrupted("a holding in the analytics' tables")
                }
                let holding = try Holding(decoding: value)
                found.append(
                    Entry(
                        token: token, holder: holder, id: Self.id(key[40...]), holding: holding))
                return found.count <= Int(limit)
            }
        } else {
            found = record.holdings.sorted { $0.key < $1.key }.map { entry in
                Entry(
                    token: entry.key.token, holder: holder, id: entry.key.id,
                    holding: entry.holding)
            }
        }
        hasMore = found.count > Int(limit)
        entries = Array(found.prefix(Int(limit)))
    }

    /// Who holds a token, the largest holdings first.
    ///
    /// - Throws: `RESTError` with 504 if there is not enough time.
    init(
        _ view: PluginView, token: Address, _ limit: UInt64, deadline: ContinuousClock.Instant
    ) throws {
        scope = try ReportScope(view, days: 1)
        totals = try view.value(
            Table.tokens, KeyBuilder.address(token), as: TokenTotals.self)
        var found: [Entry] = []
        var rank: UInt16?
        var isExact = true
        try view.forEach(Table.holderRanks, prefix: KeyBuilder.address(token)) { key, _ in
            try deadline.check()
            let current = UInt16(key[20]) << 8 | UInt16(key[21])
            if current != rank, found.count > Int(limit) { return false }
            guard found.count < Self.scan else {
                isExact = false
                return false
            }
            rank = current
            guard let holder = Address(key[22..<42]) else {
                throw StorageError.corrupted("a holder in the analytics' tables")
            }
            let id = Self.id(key[42...])
            guard
                let holding = try view.holding(
                    of: holder, HoldingKey(token: token, id: id))
            else { throw StorageError.corrupted("a holder in the analytics' tables") }
            found.append(Entry(token: token, holder: holder, id: id, holding: holding))
            return true
        }
        found.sort { ($1.holding.balance, $0.holder) < ($0.holding.balance, $1.holder) }
        self.isExact = isExact
        hasMore = found.count > Int(limit)
        entries = Array(found.prefix(Int(limit)))
    }

    /// The end of a key: an id of ERC-1155, or nothing.
    private static func id(_ bytes: ArraySlice<UInt8>) -> UInt256? {
        bytes.isEmpty ? nil : UInt256(bigEndian: bytes)
    }

    // MARK: - What the contracts say

    /// Gas of one question: enough for any honest contract.
    static let questionGas: Gas = 200_000
    /// Gas of all questions of a request: as much as an `eth_call` has.
    static let verificationGas: Gas = 50_000_000
    /// Time of all questions of a request: as much as an `eth_call` has.
    private static let verificationTime = Duration.seconds(5)

    /// Asks the contracts in the state that the index speaks of, one after the other, until the gas
    /// for all questions is used up.
    ///
    /// - Throws: `RPCError` if the contracts take more than the time.
    mutating func verify(by limiter: RunLimiter, deadline: ContinuousClock.Instant) throws {
        isVerified = true
        let chain = scope.view.chain
        guard let header = try chain.header(scope.asOf.number) else { return }
        let state = try chain.state(at: scope.asOf.number)
        var context = ExecutionContext(header: header, config: chain.config)
        try limiter.run(
            until: min(deadline, .now + Self.verificationTime), else: Self.verificationTimedOut
        ) { cancellation in
            context.cancellation = cancellation
            var left = Self.verificationGas
            for index in entries.indices {
                guard left >= Self.questionGas, !cancellation.isCancelled else { return }
                let (statement, gasUsed) = Self.ask(entries[index], context, state)
                entries[index].statement = statement
                left -= gasUsed
            }
        }
    }

    private static let verificationTimedOut = RPCError(
        code: RPCErrorCode.timeout, message: "the contracts take too long to answer")

    private static func ask(
        _ entry: Entry, _ context: ExecutionContext, _ state: any StateReader
    ) -> (Statement, gasUsed: Gas) {
        // balanceOf(address), and balanceOf(address,uint256) of ERC-1155.
        var data: Bytes = entry.id == nil ? [0x70, 0xa0, 0x82, 0x31] : [0x00, 0xfd, 0xd5, 0x8e]
        data += entry.holder.uint256.bigEndianBytes
        if let id = entry.id { data += id.bigEndianBytes }
        let request = CallRequest(to: entry.token, gas: questionGas, data: data)
        guard
            let outcome = try? simulateCall(
                request, in: context, state: JournaledState(reader: state), gasCap: questionGas)
        else { return (.none, questionGas) }
        guard outcome.succeeded, outcome.output.count >= 32,
            let balance = UInt256(bigEndian: outcome.output[..<32])
        else { return (.none, outcome.gasUsed) }
        return (.balance(balance), outcome.gasUsed)
    }

    // MARK: - JSON

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            scope.writeBlock(to: &writer)
            if let totals {
                writer.key("standard")
                writer.string("\(totals.standard)")
                writer.count("transfers", totals.transfers)
                writer.count("holders_count", totals.holders)
                writer.amount("minted", totals.minted)
                writer.amount("burned", totals.burned)
            }
            if let isExact {
                writer.key("order_exact")
                writer.bool(isExact)
            }
            if isVerified {
                let verified = entries.count { $0.statement != .notAsked }
                writer.count("verified", UInt64(verified))
            }
            writer.key("holdings")
            writer.array { writer in for entry in entries { write(entry, to: &writer) } }
            writer.key("has_more")
            writer.bool(hasMore)
        }
    }

    private func write(_ entry: Entry, to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("token")
            writer.string(entry.token.checksummed)
            writer.key("holder")
            writer.string(entry.holder.checksummed)
            writer.key("token_id")
            if let id = entry.id { writer.string(id.description) } else { writer.null() }
            writer.amount("balance", entry.holding.balance)
            writer.key("source")
            writer.string("log_derived")
            writer.key("overdrawn")
            writer.bool(entry.holding.isOverdrawn)
            writer.key("balance_of")
            if case .balance(let stated) = entry.statement {
                writer.string(stated.description)
            } else {
                writer.null()
            }
            writer.key("mismatch")
            switch entry.statement {
            case .notAsked: writer.null()
            case .none: writer.bool(true)
            case .balance(let stated):
                writer.bool(entry.holding.isOverdrawn || stated != entry.holding.balance)
            }
        }
    }

    static let schema: JSONValue = ["type": "object", "title": "HoldingPage"]
}

extension PluginView {
    /// A holding, wherever it stands.
    fileprivate func holding(of holder: Address, _ key: HoldingKey) throws(StorageError) -> Holding?
    {
        guard let record = try record(of: holder) else { return nil }
        guard record.hasManyHoldings else {
            return record.holdings.first { $0.key == key }?.holding
        }
        return try value(Table.holdings, Indexing.holdingKey(holder, key), as: Holding.self)
    }
}
