import Chain
import EthereumTypes
import PluginAPI
import Primitives
import RPC
import Storage

/// The `analytics` namespace and the routes under `/api/analytics`: each answer from one view.
struct AnalyticsQueries: Sendable {
    /// Entries of a page.
    static let page: UInt64 = 1_000
    /// Days of a window.
    static let days: ClosedRange<UInt64> = 1...366

    let handle: PluginHandle
    let labels: LabelList?
    /// Ends what contracts are asked for too long.
    let limiter = RunLimiter()

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
            "limit", "The most entries of the answer.", default: 25, in: 1...Self.page,
            units: 0.1)
        let direction = RESTParameter<Direction>.query(
            "direction", "'before' for the latest first, 'after' for the earliest first.",
            default: .before)
        let block = RESTParameter<UInt64?>.query("block", "Where to go on: the block.")
        let index = RESTParameter<UInt64?>.query("index", "Where to go on: the index in it.")
        let verify = RESTParameter<Bool>.query(
            "verify", "Whether balances are compared with what the contract says.", default: false,
            units: 90)
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
                    self.handle.view(of: context.view), address, direction, block, index, limit,
                    deadline: context.deadline)
            },
            RESTRoute(
                .get, "/api/analytics/{address}/transfers",
                "The token transfers from and to an account.", role: .reader, cost: .execution,
                cache: .index,
                address, direction, block, index, limit
            ) { context, address, direction, block, index, limit in
                try TransferPage(
                    self.handle.view(of: context.view), address, direction, block, index, limit,
                    deadline: context.deadline)
            },
            RESTRoute(
                .get, "/api/analytics/{address}/tokens", "What an account holds of tokens.",
                role: .reader, cost: .execution, cache: .index, address, limit, verify
            ) { context, address, limit, verify in
                let page = try HoldingPage(
                    self.handle.view(of: context.view), holder: address, limit,
                    deadline: context.deadline)
                return verify ? try self.verified(page, until: context.deadline) : page
            },
            RESTRoute(
                .get, "/api/analytics/{address}/holders", "Who holds a token.", role: .reader,
                cost: .execution, cache: .index, address, limit, verify
            ) { context, address, limit, verify in
                let page = try HoldingPage(
                    self.handle.view(of: context.view), token: address, limit,
                    deadline: context.deadline)
                return verify ? try self.verified(page, until: context.deadline) : page
            },
            RESTRoute(
                .get, "/api/analytics/{address}/contracts", "The contracts that an account made.",
                role: .reader, cost: .execution, cache: .index, address, limit
            ) { context, address, limit in
                try DeploymentPage(
                    self.handle.view(of: context.view), address, limit, deadline: context.deadline)
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
        context: RPCContext, _ address: Address, _ direction: Direction?, _ block: LenientQuantity?,
        _ index: LenientQuantity?, _ limit: LenientQuantity?
    ) throws -> AppearanceListing {
        try translating {
            try AppearanceListing(
                handle.view, address, direction ?? .before, try block?.uint64(),
                try index?.uint64(), try bounded(limit), deadline: context.deadline)
        }
    }

    private func transfers(
        context: RPCContext, _ address: Address, _ direction: Direction?, _ block: LenientQuantity?,
        _ index: LenientQuantity?, _ limit: LenientQuantity?
    ) throws -> TransferPage {
        try translating {
            try TransferPage(
                handle.view, address, direction ?? .before, try block?.uint64(),
                try index?.uint64(), try bounded(limit), deadline: context.deadline)
        }
    }

    private func tokens(
        context: RPCContext, _ address: Address, _ limit: LenientQuantity?, _ verify: Bool?
    ) throws -> HoldingPage {
        try translating {
            let page = try HoldingPage(
                handle.view, holder: address, try bounded(limit), deadline: context.deadline)
            return verify == true ? try verified(page, until: context.deadline) : page
        }
    }

    private func holders(
        context: RPCContext, _ token: Address, _ limit: LenientQuantity?, _ verify: Bool?
    ) throws -> HoldingPage {
        try translating {
            let page = try HoldingPage(
                handle.view, token: token, try bounded(limit), deadline: context.deadline)
            return verify == true ? try verified(page, until: context.deadline) : page
        }
    }

    /// A page with what the contracts say.
    private func verified(
        _ page: HoldingPage, until deadline: ContinuousClock.Instant
    ) throws -> HoldingPage {
        var page = page
        try page.verify(by: limiter, deadline: deadline)
        return page
    }

    private func deployments(
        context: RPCContext, _ address: Address, _ limit: LenientQuantity?
    ) throws -> DeploymentPage {
        try translating {
            try DeploymentPage(
                handle.view, address, try bounded(limit), deadline: context.deadline)
        }
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

extension ContinuousClock.Instant {
    /// Ends the work of a request whose time is over.
    ///
    /// - Throws: `RESTError` with 504.
    func check() throws(RESTError) {
        guard .now < self else {
            throw RESTError(
                status: 504, title: "Timed out", detail: "the answer takes too long to make")
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
        _ index: UInt64?, _ limit: UInt64, deadline: ContinuousClock.Instant
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
        let page = found.prefix(Int(limit))
        var hashes: [BlockNumber: [Int: Hash256]] = [:]
        for (block, appearances) in Dictionary(grouping: page, by: \.block) {
            try deadline.check()
            let indexes = Set(appearances.compactMap { $0.transaction.map { Int($0) } })
            hashes[block] = try view.chain.transactionHashes(block, at: indexes)
        }
        entries = page.map { appearance in
            (appearance, appearance.transaction.flatMap { hashes[appearance.block]?[Int($0)] })
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
        _ index: UInt64?, _ limit: UInt64, deadline: ContinuousClock.Instant
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
            try deadline.check()
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

    init(
        _ view: PluginView, _ address: Address, _ limit: UInt64, deadline: ContinuousClock.Instant
    ) throws {
        scope = try ReportScope(view, days: 1)
        var found: [Deployment] = []
        try view.forEachBackwards(
            Table.deployments, prefix: KeyBuilder.address(address)
        ) { key, contract in
            try deadline.check()
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
