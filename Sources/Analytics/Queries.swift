import Chain
import EVM
import EthereumTypes
import Execution
import PluginAPI
import Primitives
import RPC
import State
import Storage

/// The `analytics` namespace and the routes under `/api/analytics`: each answer from one view.
struct AnalyticsQueries: Sendable {
    /// Entries of a page.
    static let page: UInt64 = 1_000
    /// Days of a window.
    static let days: ClosedRange<UInt64> = 1...366

    let handle: PluginHandle
    let labels: LabelList?

    var methods: [RPCMethod] {
        [
            RPCMethod("analytics_getAddress", ["address", "days"], execution: address),
            RPCMethod("analytics_getNetwork", ["days"], execution: network),
            RPCMethod(
                "analytics_getAppearances", ["address", "direction", "block", "index", "limit"],
                execution: appearances),
            RPCMethod(
                "analytics_getTokenTransfers",
                ["address", "direction", "block", "logIndex", "limit"], execution: transfers),
            RPCMethod("analytics_getTokens", ["address", "limit", "verify"], execution: tokens),
            RPCMethod("analytics_getHolders", ["token", "limit", "verify"], execution: holders),
            RPCMethod("analytics_getDeployments", ["address", "limit"], execution: deployments),
            RPCMethod("analytics_getCounterparties", ["address", "limit"], execution: contacts),
        ]
    }

    var routes: [RESTRoute] {
        let address = RESTParameter<Address>.path("address", "The account.")
        let days = RESTParameter<UInt64>.query(
            "days", "How many days back the window reaches.", default: 30, in: Self.days)
        let limit = RESTParameter<UInt64>.query(
            "limit", "The most entries of the answer.", default: 25, in: 1...Self.page)
        let direction = RESTParameter<Direction>.query(
            "direction", "'before' for the latest first, 'after' for the earliest first.",
            default: .before)
        let block = RESTParameter<UInt64?>.query("block", "Where to go on: the block.")
        let index = RESTParameter<UInt64?>.query("index", "Where to go on: the index in it.")
        let verify = RESTParameter<Bool>.query(
            "verify", "Whether balances are compared with what the contract says.", default: false)
        let report = { @Sendable (context: RESTContext, address: Address, days: UInt64) throws in
            try self.report(
                self.handle.view(of: context.view), address, days: days,
                deadline: context.deadline)
        }
        return [
            RESTRoute(
                .get, "/api/analytics/network", "What the whole network did.", role: .reader,
                cost: .execution, cache: .index, days
            ) { context, days in
                try NetworkReport(self.handle.view(of: context.view), days: days)
            },
            RESTRoute(
                .get, "/api/analytics/export/{table}",
                "A table of a range of blocks, with the columns of ethereum-etl or cryo.",
                role: .admin,
                mediaTypes: ExportFormat.allCases.map(\.mediaType),
                RESTParameter<ExportTable>.path("table", "Which table."),
                RESTParameter<UInt64>.query("from", "The first block.", default: 0),
                RESTParameter<UInt64?>.query("to", "The last block; the head by default."),
                RESTParameter<ExportFormat>.query(
                    "format", "csv, ndjson or parquet.", default: .csv)
            ) { context, table, first, last, format in
                try Export.answer(table, format, first, last, in: context.view)
            },
            RESTRoute(
                .get, "/api/analytics/risk/evaluation",
                "What the evidence of risk is worth: half of the flags are hidden, twenty times.",
                role: .admin, cost: .execution,
                RESTParameter<UInt64>.query("seed", "Of the random choices.", default: 1)
            ) { context, seed in
                guard let labels = self.labels else {
                    throw RESTError.conflict("no label list is loaded")
                }
                return try RiskEvaluation(
                    self.handle.view(of: context.view), labels, seed: seed,
                    deadline: context.deadline)
            },
            RESTRoute(
                .get, "/api/analytics/{address}", "What an account did.", role: .reader,
                cost: .execution, cache: .index, address, days, answer: report),
            RESTRoute(
                .get, "/analytics/{address}", "What an account did.", role: .reader,
                cost: .execution, cache: .index, address, days, answer: report),
            RESTRoute(
                .get, "/api/analytics/{address}/transactions",
                "The transactions in which an account appears in any role.", role: .reader,
                cost: .execution, cache: .index, address, direction, block, index, limit
            ) { context, address, direction, block, index, limit in
                try AppearanceListing(
                    self.handle.view(of: context.view), address, direction, block, index, limit)
            },
            RESTRoute(
                .get, "/api/analytics/{address}/transfers",
                "The token transfers from and to an account.", role: .reader, cost: .execution,
                cache: .index,
                address, direction, block, index, limit
            ) { context, address, direction, block, index, limit in
                try TransferPage(
                    self.handle.view(of: context.view), address, direction, block, index, limit)
            },
            RESTRoute(
                .get, "/api/analytics/{address}/tokens", "What an account holds of tokens.",
                role: .reader, cost: .execution, cache: .index, address, limit, verify
            ) { context, address, limit, verify in
                try HoldingPage(
                    self.handle.view(of: context.view), holder: address, limit, verify: verify)
            },
            RESTRoute(
                .get, "/api/analytics/{address}/holders", "Who holds a token.", role: .reader,
                cost: .execution, cache: .index, address, limit, verify
            ) { context, address, limit, verify in
                try HoldingPage(
                    self.handle.view(of: context.view), token: address, limit, verify: verify)
            },
            RESTRoute(
                .get, "/api/analytics/{address}/contracts", "The contracts that an account made.",
                role: .reader, cost: .execution, cache: .index, address, limit
            ) { context, address, limit in
                try DeploymentPage(self.handle.view(of: context.view), address, limit)
            },
            RESTRoute(
                .get, "/api/analytics/{address}/contacts",
                "The accounts with which an account had the most to do.", role: .reader,
                cost: .execution, cache: .index, address, limit
            ) { context, address, limit in
                try ContactPage(self.handle.view(of: context.view), address, limit)
            },
        ]
    }

    // MARK: - RPC

    private func address(
        context: RPCContext, _ address: Address, _ days: LenientQuantity?
    ) throws -> AddressReport {
        try translating {
            try report(
                handle.view, address, days: try window(days), deadline: context.deadline)
        }
    }

    private func network(_: RPCContext, _ days: LenientQuantity?) throws -> NetworkReport {
        try translating { try NetworkReport(handle.view, days: try window(days)) }
    }

    private func appearances(
        _: RPCContext, _ address: Address, _ direction: Direction?, _ block: LenientQuantity?,
        _ index: LenientQuantity?, _ limit: LenientQuantity?
    ) throws -> AppearanceListing {
        try translating {
            try AppearanceListing(
                handle.view, address, direction ?? .before, try block?.uint64(),
                try index?.uint64(), try bounded(limit))
        }
    }

    private func transfers(
        _: RPCContext, _ address: Address, _ direction: Direction?, _ block: LenientQuantity?,
        _ index: LenientQuantity?, _ limit: LenientQuantity?
    ) throws -> TransferPage {
        try translating {
            try TransferPage(
                handle.view, address, direction ?? .before, try block?.uint64(),
                try index?.uint64(), try bounded(limit))
        }
    }

    private func tokens(
        _: RPCContext, _ address: Address, _ limit: LenientQuantity?, _ verify: Bool?
    ) throws -> HoldingPage {
        try translating {
            try HoldingPage(
                handle.view, holder: address, try bounded(limit), verify: verify ?? false)
        }
    }

    private func holders(
        _: RPCContext, _ token: Address, _ limit: LenientQuantity?, _ verify: Bool?
    ) throws -> HoldingPage {
        try translating {
            try HoldingPage(
                handle.view, token: token, try bounded(limit), verify: verify ?? false)
        }
    }

    private func deployments(
        _: RPCContext, _ address: Address, _ limit: LenientQuantity?
    ) throws -> DeploymentPage {
        try translating { try DeploymentPage(handle.view, address, try bounded(limit)) }
    }

    private func contacts(
        _: RPCContext, _ address: Address, _ limit: LenientQuantity?
    ) throws -> ContactPage {
        try translating { try ContactPage(handle.view, address, try bounded(limit)) }
    }

    private func window(_ days: LenientQuantity?) throws(RPCError) -> UInt64 {
        let days = try days?.uint64() ?? 30
        guard Self.days.contains(days) else { throw .invalidParams("days is not from 1 to 366") }
        return days
    }

    private func bounded(_ limit: LenientQuantity?) throws(RPCError) -> UInt64 {
        let limit = try limit?.uint64() ?? 25
        guard (1...Self.page).contains(limit) else {
            throw .invalidParams("limit is not from 1 to \(Self.page)")
        }
        return limit
    }

    private func report(
        _ view: PluginView, _ address: Address, days: UInt64, deadline: ContinuousClock.Instant
    ) throws -> AddressReport {
        let risk = try labels.map { try RiskReport(view, address, $0, deadline: deadline) }
        return try AddressReport(view, address, days: days, risk: risk)
    }

    private func translating<Value>(_ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let error as RESTError {
            throw RPCError.server(error.detail)
        }
    }
}

/// Which way a list is read.
enum Direction: String, CaseIterable, RESTValue, RPCParameter {
    case before, after

    static func parse(_ text: String) throws(RESTValueError) -> Direction {
        guard let direction = Direction(rawValue: text) else {
            throw RESTValueError("is not 'before' or 'after'")
        }
        return direction
    }

    static func decode(_ text: JSONText) throws(RPCParameterError) -> Direction {
        guard let direction = Direction(rawValue: try String.decode(text)) else {
            throw RPCParameterError("is not 'before' or 'after'")
        }
        return direction
    }

    static var textSchema: JSONValue { ["type": "string", "enum": ["before", "after"]] }
    static var schema: JSONValue { textSchema }
}

/// Appearances of an address, with where to go on.
struct AppearanceListing: RPCResult {
    let scope: ReportScope
    let entries: [(appearance: Appearance, hash: Hash256?)]
    let hasMore: Bool

    init(
        _ view: PluginView, _ address: Address, _ direction: Direction, _ block: UInt64?,
        _ index: UInt64?, _ limit: UInt64
    ) throws {
        scope = try ReportScope(view, days: 1)
        let place = block.map { block in
            let first: UInt64 = direction == .before ? 0 : UInt64(UInt32.max)
            return Place(
                block: block, transaction: UInt32(clamping: index ?? first))
        }
        let reader = AppearanceIndex(view)
        let found =
            switch direction {
            case .before: try reader.before(place, of: address, limit: Int(limit) + 1)
            case .after: try reader.after(place, of: address, limit: Int(limit) + 1)
            }
        hasMore = found.count > Int(limit)
        var hashes: (block: BlockNumber, hashes: [Hash256])?
        entries = try found.prefix(Int(limit)).map { appearance in
            guard let transaction = appearance.transaction else { return (appearance, nil) }
            if hashes?.block != appearance.block {
                hashes = (
                    appearance.block,
                    try view.chain.block(appearance.block)?.transactionHashes ?? []
                )
            }
            return (appearance, hashes?.hashes[checked: Int(transaction)])
        }
    }

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            scope.writeBlock(to: &writer)
            writer.key("transactions")
            writer.array { writer in
                for (appearance, hash) in entries {
                    writer.object { writer in
                        writer.count("block", appearance.block)
                        writer.count("index", UInt64(appearance.order))
                        writer.key("hash")
                        if let hash { writer.hash(hash) } else { writer.null() }
                        writer.key("roles")
                        writer.array { writer in
                            for name in appearance.roles.names { writer.string(name) }
                        }
                    }
                }
            }
            writer.key("has_more")
            writer.bool(hasMore)
        }
    }

    static let schema: JSONValue = ["type": "object", "title": "AppearanceListing"]
}

/// Token transfers of an address, with where to go on.
struct TransferPage: RPCResult {
    let scope: ReportScope
    let transfers: [TokenTransfer]
    let hasMore: Bool

    init(
        _ view: PluginView, _ address: Address, _ direction: Direction, _ block: UInt64?,
        _ index: UInt64?, _ limit: UInt64
    ) throws {
        scope = try ReportScope(view, days: 1)
        let edge = block.map { block in
            let beyond: UInt32 = direction == .before ? 0 : .max
            return TransferEntry(
                block: block, logIndex: index.map { UInt32(clamping: $0) } ?? beyond,
                item: beyond, ordinal: 0
            ).place
        }
        var found: [TokenTransfer] = []
        var more = false
        let reader = TransferReader(view)
        let collect = { (entry: TransferEntry) throws -> Bool in
            // A log is never divided: the place of the last entry is where to go on.
            if found.count >= Int(limit), let last = found.last,
                last.place.block != entry.block || last.logIndex != entry.logIndex
            {
                more = true
                return false
            }
            found.append(try reader.transfer(entry))
            return true
        }
        if let record = try view.record(of: address) {
            let list = try PagedList<TransferEntry>(view, address, record.transfers)
            switch direction {
            case .before: try list.forEachBackwards(before: edge, collect)
            case .after: try list.forEach(from: edge, collect)
            }
        }
        hasMore = more
        transfers = found
    }

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            scope.writeBlock(to: &writer)
            writer.key("transfers")
            writer.array { writer in
                for transfer in transfers {
                    writer.object { writer in
                        writer.count("block", transfer.place.block)
                        writer.count("index", UInt64(transfer.logIndex))
                        writer.count("item", UInt64(transfer.item))
                        writer.count("transaction_index", UInt64(transfer.place.transaction))
                        writer.key("token")
                        writer.string(transfer.token.checksummed)
                        writer.key("standard")
                        writer.string("\(transfer.standard)")
                        writer.key("from")
                        writer.string(transfer.from.checksummed)
                        writer.key("to")
                        writer.string(transfer.to.checksummed)
                        writer.amount("token_id", transfer.id)
                        writer.amount("value", transfer.amount)
                    }
                }
            }
            writer.key("has_more")
            writer.bool(hasMore)
        }
    }

    static let schema: JSONValue = ["type": "object", "title": "TransferPage"]
}

/// What an account holds of tokens, or who holds a token.
struct HoldingPage: RPCResult {
    struct Entry: Sendable {
        let token: Address
        let holder: Address
        let id: UInt256?
        let holding: Holding
        /// What the contract says; `nil` if it was not asked or did not answer.
        var stated: UInt256?
    }

    let scope: ReportScope
    /// Of one token.
    let totals: TokenTotals?
    let entries: [Entry]
    let hasMore: Bool
    let isVerified: Bool

    /// What an account holds, by token; also what it held once.
    init(_ view: PluginView, holder: Address, _ limit: UInt64, verify: Bool) throws {
        scope = try ReportScope(view, days: 1)
        totals = nil
        let record = try view.record(of: holder) ?? AddressRecord()
        var found: [Entry] = []
        if record.hasManyHoldings {
            try view.forEach(Table.holdings, prefix: KeyBuilder.address(holder)) { key, value in
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
        isVerified = verify
        entries = try Self.verified(Array(found.prefix(Int(limit))), verify, scope)
    }

    /// Who holds a token, the largest holdings first: exactly so up to the ranks that fit.
    init(_ view: PluginView, token: Address, _ limit: UInt64, verify: Bool) throws {
        scope = try ReportScope(view, days: 1)
        totals = try view.value(
            Table.tokens, KeyBuilder.address(token), as: TokenTotals.self)
        var found: [Entry] = []
        var rank: UInt16?
        try view.forEach(Table.holderRanks, prefix: KeyBuilder.address(token)) { key, _ in
            let current = UInt16(key[20]) << 8 | UInt16(key[21])
            if current != rank, found.count > Int(limit) { return false }
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
            return found.count < WealthReport.scan
        }
        found.sort { ($1.holding.balance, $0.holder) < ($0.holding.balance, $1.holder) }
        hasMore = found.count > Int(limit)
        isVerified = verify
        entries = try Self.verified(Array(found.prefix(Int(limit))), verify, scope)
    }

    /// The end of a key: an id of ERC-1155, or nothing.
    private static func id(_ bytes: ArraySlice<UInt8>) -> UInt256? {
        bytes.isEmpty ? nil : UInt256(bigEndian: bytes)
    }

    /// Asks the contracts, in the state that the index speaks of.
    private static func verified(
        _ entries: [Entry], _ verify: Bool, _ scope: ReportScope
    ) throws -> [Entry] {
        guard verify else { return entries }
        let chain = scope.view.chain
        guard let header = try chain.header(scope.asOf.number) else { return entries }
        let state = try chain.state(at: scope.asOf.number)
        let context = ExecutionContext(header: header, config: chain.config)
        return entries.map { entry in
            var entry = entry
            entry.stated = balance(entry, context, state)
            return entry
        }
    }

    /// Gas of one question: enough for any honest contract.
    private static let gas: Gas = 200_000

    private static func balance(
        _ entry: Entry, _ context: ExecutionContext, _ state: any StateReader
    ) -> UInt256? {
        // balanceOf(address), and balanceOf(address,uint256) of ERC-1155.
        var data: Bytes = entry.id == nil ? [0x70, 0xa0, 0x82, 0x31] : [0x00, 0xfd, 0xd5, 0x8e]
        data += entry.holder.uint256.bigEndianBytes
        if let id = entry.id { data += id.bigEndianBytes }
        let request = CallRequest(to: entry.token, gas: gas, data: data)
        guard
            let outcome = try? simulateCall(
                request, in: context, state: JournaledState(reader: state), gasCap: gas),
            outcome.succeeded, outcome.output.count >= 32
        else { return nil }
        return UInt256(bigEndian: outcome.output[..<32])
    }

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
            if let stated = entry.stated {
                writer.string(stated.description)
            } else {
                writer.null()
            }
            writer.key("mismatch")
            if isVerified {
                writer.bool(entry.holding.isOverdrawn || entry.stated != entry.holding.balance)
            } else {
                writer.null()
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

/// Finds movements of tokens, of which many stand together.
private final class TransferReader {
    private let view: PluginView
    private var key: Bytes = []
    private var page: [TokenTransfer] = []

    init(_ view: PluginView) {
        self.view = view
    }

    func transfer(_ entry: TransferEntry) throws -> TokenTransfer {
        let key = TokenTransfer.pageKey(entry.block, entry.ordinal)
        if key != self.key {
            page = try TokenTransfer.all(in: try view.value(Table.transfers, key) ?? [])
            self.key = key
        }
        guard let transfer = page[checked: Int(entry.ordinal) % TokenTransfer.pageLimit] else {
            throw StorageError.corrupted("a token transfer in the analytics' tables")
        }
        return transfer
    }
}

/// The contracts that an account made, latest first.
struct DeploymentPage: RPCResult {
    let scope: ReportScope
    let deployments: [Deployment]

    init(_ view: PluginView, _ address: Address, _ limit: UInt64) throws {
        scope = try ReportScope(view, days: 1)
        var found: [Deployment] = []
        try view.forEachBackwards(
            Table.deployments, prefix: KeyBuilder.address(address)
        ) { key, contract in
            guard
                let deployment = try view.value(
                    Table.contracts, contract + key[20...], as: Deployment.self)
            else { throw StorageError.corrupted("a deployment in the analytics' tables") }
            found.append(deployment)
            return found.count < Int(limit)
        }
        deployments = found
    }

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            scope.writeBlock(to: &writer)
            writer.key("contracts")
            writer.array { writer in
                for deployment in deployments {
                    writer.object { writer in
                        writer.key("contract_address")
                        writer.string(deployment.address.checksummed)
                        writer.key("deployer")
                        writer.string(deployment.deployer.checksummed)
                        writer.key("factory")
                        writer.string(deployment.factory.checksummed)
                        writer.count("block", deployment.place.block)
                        writer.count("transaction_index", UInt64(deployment.place.transaction))
                        writer.key("init_code_hash")
                        writer.hash(deployment.initCodeHash)
                        writer.key("code_hash")
                        writer.hash(deployment.codeHash)
                    }
                }
            }
        }
    }

    static let schema: JSONValue = ["type": "object", "title": "DeploymentPage"]
}

/// The peers with which an account had the most to do.
struct ContactPage: RPCResult {
    let scope: ReportScope
    let contacts: [(peer: Address, totals: PeerTotals)]

    init(_ view: PluginView, _ address: Address, _ limit: UInt64) throws {
        scope = try ReportScope(view, days: 1)
        contacts = try view.topPeers(of: address, limit: Int(limit))
    }

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            scope.writeBlock(to: &writer)
            writer.key("contacts")
            writer.array { writer in
                for (peer, totals) in contacts { totals.write(peer, to: &writer) }
            }
        }
    }

    static let schema: JSONValue = ["type": "object", "title": "ContactPage"]
}
