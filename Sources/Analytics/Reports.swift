import Chain
import EthereumTypes
import PluginAPI
import Primitives
import RPC
import State
import Storage

// What the tables say, put together. Each report is made from one view.

/// The head of every answer: what it is about.
struct ReportScope: Sendable {
    let asOf: BlockReference
    let time: Timestamp
    /// The first block that is in the index; the state of the one before is its beginning.
    let completeFrom: BlockNumber
    /// The days of the window, each of twenty-four hours, of which the one at hand is the last.
    let days: UInt64
    let view: PluginView

    /// - Throws: `RESTError` with 409 before the index has begun.
    init(_ view: PluginView, days: UInt64) throws {
        guard let asOf = try view.asOf, let start = try view.start,
            let header = try view.chain.header(asOf.number)
        else { throw RESTError.conflict("the index has not begun yet") }
        self.asOf = asOf
        time = header.timestamp
        completeFrom = start.number + 1
        self.days = days
        self.view = view
    }

    /// The first hour of the window.
    var firstHour: UInt64 {
        let hours = days * 24
        let last = time / 3600
        return last >= hours ? last - hours + 1 : 0
    }

    var lastHour: UInt64 { time / 3600 }

    /// Without a window, for answers that have none.
    func writeBlock(to writer: inout JSONWriter) {
        writer.key("as_of")
        writer.object { writer in
            writer.key("number")
            writer.number(asOf.number)
            writer.key("hash")
            writer.hash(asOf.hash)
            writer.key("timestamp")
            writer.number(time)
        }
        writer.key("complete_from_block")
        writer.number(completeFrom)
        writer.key("definition_version")
        writer.number(UInt64(AnalyticsPlugin.definitionVersion))
    }

    func write(to writer: inout JSONWriter) {
        writeBlock(to: &writer)
        writer.key("window")
        writer.object { writer in
            writer.key("days")
            writer.number(days)
            writer.key("from")
            writer.number(firstHour * 3600)
            writer.key("to")
            writer.number(time)
        }
    }

    /// The hours of the window in which something happened.
    func networkHours() throws -> [(hour: UInt64, value: NetworkTotals)] {
        var found: [(UInt64, NetworkTotals)] = []
        let start = Indexing.bigEndian(UInt32(truncatingIfNeeded: firstHour))
        try view.forEach(Table.networkHours, prefix: [], from: start) { key, value in
            let hour = key.reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
            guard hour <= lastHour else { return false }
            found.append((hour, try NetworkTotals(decoding: value)))
            return true
        }
        return found
    }

    /// The hours of the window in which an address did something.
    func hours(
        of address: Address, _ record: AddressRecord
    ) throws -> [(hour: UInt64, value: ActivityTotals)] {
        var found: [(UInt64, ActivityTotals)] = []
        let start = HourActivity(hour: firstHour, activity: ActivityTotals()).place
        try PagedList<HourActivity>(view, address, record.hours).forEach(from: start) { entry in
            found.append((entry.hour, entry.activity))
            return true
        }
        if let last = record.lastHour, last.hour >= firstHour {
            found.append((last.hour, last.activity))
        }
        return found
    }
}

extension JSONWriter {
    /// An amount as a decimal text: doubles would lose wei.
    mutating func amount(_ key: String, _ value: UInt256) {
        self.key(key)
        string(value.description)
    }

    mutating func count(_ key: String, _ value: UInt64) {
        self.key(key)
        number(value)
    }
}

extension ActivityTotals {
    func write(to writer: inout JSONWriter) {
        writer.count("total_transactions", transactions)
        writer.count("sent", sent)
        writer.count("received", received)
        writer.count("failed", failed)
        writer.count("transfers_in", transfersIn)
        writer.count("transfers_out", transfersOut)
        writer.amount("total_volume", valueIn &+ valueOut)
        writer.amount("value_in", valueIn)
        writer.amount("value_out", valueOut)
        let moves = transfersIn + transfersOut
        writer.key("average_value")
        if moves > 0 {
            writer.string(((valueIn &+ valueOut) / UInt256(moves)).description)
        } else {
            writer.null()
        }
        writer.amount("fees_paid", fees)
        writer.count("gas_used", gasUsed)
        writer.count("deployments", deployments)
        writer.count("token_transfers", tokenTransfers)
        writer.amount("withdrawn", withdrawn)
    }
}

/// All about an address: `analytics_getAddress` and `/api/analytics/{address}`.
struct AddressReport: RPCResult {
    static let contacts = 10

    let scope: ReportScope
    let address: Address
    let totals: AddressTotals?
    let window: ActivityTotals
    let hours: [(hour: UInt64, value: ActivityTotals)]
    let balance: Wei
    let balances: [(day: UInt64, block: BlockNumber, balance: Wei)]
    let contacts: [(peer: Address, totals: PeerTotals)]
    let risk: RiskReport?

    init(_ view: PluginView, _ address: Address, days: UInt64, risk: RiskReport?) throws {
        scope = try ReportScope(view, days: days)
        self.address = address
        let record = try view.record(of: address)
        totals = record?.totals
        hours = try scope.hours(of: address, record ?? AddressRecord())
        var window = ActivityTotals()
        for entry in hours { window.add(entry.value) }
        self.window = window
        balance =
            try view.chain.state(at: scope.asOf.number).account(address)?.balance ?? .zero
        balances = try Self.balances(scope, address)
        contacts = try view.topPeers(of: address, limit: Self.contacts)
        self.risk = risk
    }

    /// The balance at the end of each day of the window that has a block and whose state is kept.
    private static func balances(
        _ scope: ReportScope, _ address: Address
    ) throws -> [(day: UInt64, block: BlockNumber, balance: Wei)] {
        var balances: [(day: UInt64, block: BlockNumber, balance: Wei)] = []
        let chain = scope.view.chain
        let first = Indexing.bigEndian(UInt32(truncatingIfNeeded: scope.firstHour / 24))
        try scope.view.forEach(Table.networkDays, prefix: [], from: first) { key, value in
            let day = key.reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
            let block = try NetworkTotals(decoding: value).lastBlock
            guard block >= chain.oldestState, block <= scope.asOf.number else { return true }
            let balance = try chain.state(at: block).account(address)?.balance ?? .zero
            balances.append((day, block, balance))
            return true
        }
        return balances
    }

    /// Transactions by weekday, Monday first, and hour of the day.
    private var heatMap: [[UInt64]] {
        var cells = Array(repeating: Array(repeating: 0 as UInt64, count: 24), count: 7)
        for entry in hours {
            // The first of January 1970 was a Thursday.
            let weekday = Int((entry.hour / 24 + 3) % 7)
            cells[weekday][Int(entry.hour % 24)] += entry.value.transactions
        }
        return cells
    }

    private var days: [(day: UInt64, totals: ActivityTotals)] {
        var days: [(day: UInt64, totals: ActivityTotals)] = []
        for entry in hours {
            if days.last?.day != entry.hour / 24 {
                days.append((entry.hour / 24, ActivityTotals()))
            }
            days[days.count - 1].totals.add(entry.value)
        }
        return days
    }

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            scope.write(to: &writer)
            writer.key("address")
            writer.string(address.checksummed)
            window.write(to: &writer)
            let cells = heatMap
            writer.key("hourly_activity")
            writer.array { writer in
                for hour in 0..<24 { writer.number(cells.reduce(0) { $0 + $1[hour] }) }
            }
            writer.key("daily_activity")
            writer.array { writer in
                for day in cells { writer.number(day.reduce(0, +)) }
            }
            writer.key("heat_map")
            writer.array { writer in
                for day in cells {
                    writer.array { writer in for count in day { writer.number(count) } }
                }
            }
            writer.key("days")
            writer.array { writer in
                for (day, totals) in days {
                    writer.object { writer in
                        writer.count("day", day * 86_400)
                        totals.write(to: &writer)
                    }
                }
            }
            writer.amount("balance", balance)
            writer.key("balance_history")
            writer.array { writer in
                for (day, block, balance) in balances {
                    writer.object { writer in
                        writer.count("day", day * 86_400)
                        writer.count("block", block)
                        writer.amount("balance", balance)
                    }
                }
            }
            writeAllTime(&writer)
            writer.key("risk_score")
            if let risk { writer.number(risk.points) } else { writer.null() }
            writer.key("risk")
            if let risk {
                risk.write(to: &writer)
            } else {
                writer.object { writer in
                    writer.key("points")
                    writer.null()
                    writer.key("not_evaluated")
                    writer.string("no label list is loaded")
                    writer.key("meaning")
                    writer.string(RiskReport.meaning)
                }
            }
        }
    }

    private func writeAllTime(_ writer: inout JSONWriter) {
        writer.key("all_time")
        writer.object { writer in
            writer.count("appearances", totals?.appearances ?? 0)
            writer.key("first_seen")
            writePlace(totals.map { ($0.firstBlock, $0.firstTime) }, &writer)
            writer.key("last_seen")
            writePlace(totals.map { ($0.lastBlock, $0.lastTime) }, &writer)
            (totals?.activity ?? ActivityTotals()).write(to: &writer)
        }
        writer.key("top_contacts")
        writer.array { writer in
            for (peer, totals) in contacts { totals.write(peer, to: &writer) }
        }
    }

    private func writePlace(
        _ place: (block: BlockNumber, time: Timestamp)?, _ writer: inout JSONWriter
    ) {
        guard let place else { return writer.null() }
        writer.object { writer in
            writer.count("block", place.block)
            writer.count("timestamp", place.time)
        }
    }

    static let schema: JSONValue = [
        "type": "object", "title": "AddressReport",
        "required": [
            "as_of", "complete_from_block", "definition_version", "window", "address", "balance",
            "balance_history", "all_time", "top_contacts", "risk_score", "risk",
        ],
        "properties": [
            "risk_score": ["type": ["number", "null"], "minimum": 0, "maximum": 100],
            "risk": RiskReport.schema,
        ],
    ]
}

extension PeerTotals {
    func write(_ peer: Address, to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("address")
            writer.string(peer.checksummed)
            writer.count("interactions", interactions)
            writer.count("transactions_out", transactionsOut)
            writer.count("transactions_in", transactionsIn)
            writer.count("transfers_out", transfersOut)
            writer.count("transfers_in", transfersIn)
            writer.amount("value_out", valueOut)
            writer.amount("value_in", valueIn)
            writer.count("first_block", first.block)
            writer.count("last_block", last.block)
        }
    }
}

/// All about the network: `analytics_getNetwork` and `/api/analytics/network`.
struct NetworkReport: RPCResult {
    let scope: ReportScope
    let hours: [(hour: UInt64, value: NetworkTotals)]
    let days: [(day: UInt64, value: NetworkTotals)]
    let wealth: WealthReport

    init(_ view: PluginView, days dayCount: UInt64) throws {
        let scope = try ReportScope(view, days: dayCount)
        self.scope = scope
        hours = try scope.networkHours()
        var days: [(day: UInt64, value: NetworkTotals)] = []
        let first = Indexing.bigEndian(UInt32(truncatingIfNeeded: scope.firstHour / 24))
        try view.forEach(Table.networkDays, prefix: [], from: first) { key, value in
            days.append(
                (
                    key.reduce(0 as UInt64) { $0 << 8 | UInt64($1) },
                    try NetworkTotals(decoding: value)
                ))
            return true
        }
        self.days = days
        wealth = try WealthReport(view, at: scope.asOf)
    }

    func write(to writer: inout JSONWriter) {
        var total = NetworkTotals()
        for entry in hours { total.add(entry.value) }
        writer.object { writer in
            scope.write(to: &writer)
            writer.key("total")
            writer.object { writer in
                // Who was active in several hours would count several times.
                total.write(
                    seconds: min(scope.days * 86_400, scope.time), withAddresses: false,
                    to: &writer)
            }
            writer.key("hours")
            writer.array { writer in
                for (hour, totals) in hours {
                    writer.object { writer in
                        writer.count("hour", hour * 3600)
                        totals.write(seconds: 3600, withAddresses: true, to: &writer)
                    }
                }
            }
            writer.key("days")
            writer.array { writer in
                for (day, totals) in days {
                    writer.object { writer in
                        writer.count("day", day * 86_400)
                        totals.write(seconds: 86_400, withAddresses: true, to: &writer)
                    }
                }
            }
            writer.key("wealth")
            wealth.write(to: &writer)
        }
    }

    static let schema: JSONValue = ["type": "object", "title": "NetworkReport"]
}

extension NetworkTotals {
    func write(seconds: UInt64, withAddresses: Bool, to writer: inout JSONWriter) {
        writer.count("blocks", blocks)
        writer.count("transactions", transactions)
        writer.count("failed", failed)
        writer.key("success_rate")
        if transactions > 0 {
            writer.number(Double(transactions - failed) / Double(transactions))
        } else {
            writer.null()
        }
        writer.key("tps")
        writer.number(Double(transactions) / Double(max(1, seconds)))
        writer.count("transfers", transfers)
        writer.amount("value", value)
        if withAddresses { writer.count("active_addresses", activeAddresses) }
        writer.count("new_addresses", newAddresses)
        writer.count("gas_used", gasUsed)
        writer.count("gas_limit", gasLimit)
        writer.key("base_fee")
        writer.object { writer in
            writer.amount("least", baseFeeLeast)
            writer.amount("average", blocks > 0 ? baseFeeSum / UInt256(blocks) : .zero)
            writer.amount("most", baseFeeMost)
        }
        writer.amount("burned", burned)
        writer.amount("tips", tips)
        writer.count("blob_gas_used", blobGasUsed)
        writer.count("contracts", contracts)
        writer.count("token_transfers", tokenTransfers)
    }
}

/// Who holds how much of the native currency.
struct WealthReport: Sendable {
    static let top = 20
    /// Accounts of one rank that are looked at to find the richest.
    static let scan = 20_000

    let accounts: UInt64
    let supply: Wei
    let richest: [(address: Address, balance: Wei)]
    /// Whether the richest are known to be these: not if more than `scan` accounts share a rank.
    let isExact: Bool
    let gini: ClosedRange<Double>
    let nakamoto: ClosedRange<UInt64>

    init(_ view: PluginView, at block: BlockReference) throws {
        // From the poorest rank to the richest.
        var ranks: [(rank: UInt16, value: WealthRank)] = []
        try view.forEach(Table.wealth, prefix: []) { key, value in
            ranks.append((UInt16(key[0]) << 8 | UInt16(key[1]), try WealthRank(decoding: value)))
            return true
        }
        accounts = ranks.reduce(0) { $0 + $1.value.count }
        let supply = ranks.reduce(Wei.zero) { $0 &+ $1.value.sum }
        self.supply = supply
        gini = Self.gini(ranks)
        nakamoto = Self.nakamoto(ranks, supply)

        let state = try view.chain.state(at: block.number)
        var found: [(address: Address, balance: Wei)] = []
        var rank: UInt16?
        var isExact = true
        var inRank = 0
        try view.forEach(Table.wealthRanks, prefix: []) { key, _ in
            let current = UInt16(key[0]) << 8 | UInt16(key[1])
            if current != rank {
                if found.count >= Self.top { return false }
                inRank = 0
            }
            rank = current
            inRank += 1
            guard inRank <= Self.scan else {
                isExact = false
                return false
            }
            guard let address = Address(key[2...]) else {
                throw StorageError.corrupted("an account in the analytics' tables")
            }
            found.append((address, try state.account(address)?.balance ?? .zero))
            return true
        }
        found.sort { ($1.balance, $0.address) < ($0.balance, $1.address) }
        richest = Array(found.prefix(Self.top))
        self.isExact = isExact
    }

    /// The Gini coefficient lies in between: within a rank all may have the same, or as different
    /// amounts as the rank allows. (A rank spans an eighth octave, so the two are close.)
    static func gini(_ ranks: [(rank: UInt16, value: WealthRank)]) -> ClosedRange<Double> {
        let count = ranks.reduce(0.0) { $0 + Double($1.value.count) }
        let total = ranks.reduce(0.0) { $0 + $1.value.sum.doubleValue }
        guard count > 0, total > 0 else { return 0...0 }
        // Twice the area under the Lorenz curve, if all of a rank have the same.
        var below = 0.0
        var area = 0.0
        var slack = 0.0
        for (rank, value) in ranks {
            let size = Double(value.count)
            let share = value.sum.doubleValue / total
            area += size / count * (2 * below + share)
            below += share
            // The most that differences within the rank can add to the coefficient: with n accounts
            // between a and b and a mean m, their own Gini times their shares of people and wealth.
            let low = Rank.least(rank).doubleValue
            let high = Rank.least(rank + 1).doubleValue
            let mean = value.sum.doubleValue / size
            if mean > low, high > low {
                slack += size / count * share * (mean - low) * (high - mean) / (mean * (high - low))
            }
        }
        let least = max(0, 1 - area)
        return least...min(1, max(least, least + slack))
    }

    /// The least number of accounts that hold more than half lies in between: the last rank that is
    /// needed holds at least the one and at most the other amount on an account.
    static func nakamoto(
        _ ranks: [(rank: UInt16, value: WealthRank)], _ supply: Wei
    ) -> ClosedRange<UInt64> {
        let half = supply / 2
        var held = Wei.zero
        var count: UInt64 = 0
        for (rank, value) in ranks.reversed() {
            guard held &+ value.sum > half else {
                held = held &+ value.sum
                count += value.count
                continue
            }
            let missing = half &- held &+ .one
            let most = Rank.least(rank + 1) &- .one
            let mean = value.sum / UInt256(value.count)
            func accounts(of amount: Wei) -> UInt64 {
                let rounded = (missing &+ amount &- .one) / amount
                return min(value.count, max(1, rounded.asUInt64 ?? .max))
            }
            // The richest of a rank have at least its mean.
            let upper = accounts(of: mean.isZero ? .one : mean)
            return (count + accounts(of: min(most, value.sum)))...(count + upper)
        }
        return count...count
    }

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.count("accounts", accounts)
            writer.amount("supply", supply)
            writer.key("gini")
            writer.object { writer in
                writer.key("least")
                writer.number(gini.lowerBound)
                writer.key("most")
                writer.number(gini.upperBound)
            }
            writer.key("nakamoto")
            writer.object { writer in
                writer.count("least", nakamoto.lowerBound)
                writer.count("most", nakamoto.upperBound)
            }
            writer.key("top_accounts")
            writer.array { writer in
                for (address, balance) in richest {
                    writer.object { writer in
                        writer.key("address")
                        writer.string(address.checksummed)
                        writer.amount("balance", balance)
                    }
                }
            }
            writer.key("top_accounts_exact")
            writer.bool(isExact)
        }
    }
}
