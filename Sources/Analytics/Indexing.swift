import Chain
import EthereumTypes
import PluginAPI
import Primitives
import State
import Storage

/// Takes a block into the tables. Nothing depends on the length of the chain; what a block costs stands
/// in docs/analytics.md, and a test holds it.
///
/// The records of the block's addresses are read first and written last; what happens to them in between
/// happens in memory.
struct Indexing {
    private let batch: PluginBatch
    private var addresses: [Address] = []
    private var records: [AddressRecord] = []
    /// Where an address of the block stands in both.
    private var places: [Address: Int] = [:]

    init(batch: PluginBatch) {
        self.batch = batch
    }

    mutating func add(_ committing: CommittingBlock, _ digest: BlockDigest) throws {
        let header = committing.stored.block.header
        let hour = header.timestamp / 3600
        var network = digest.network
        var newThisHour: UInt64 = 0
        var activeThisHour: UInt64 = 0
        var activeThisDay: UInt64 = 0
        addresses = digest.addresses.map(\.address)
        places = digest.places
        records = []
        records.reserveCapacity(addresses.count)
        for part in digest.addresses {
            let record =
                try batch.value(
                    Table.addresses, KeyBuilder.address(part.address), as: AddressRecord.self)
                ?? AddressRecord()
            records.append(record)
            let lastActiveHour = add(part, to: record, header: header, hour: hour)
            guard part.isActive else { continue }
            if lastActiveHour == 0 { newThisHour += 1 }
            if lastActiveHour != hour + 1 { activeThisHour += 1 }
            if lastActiveHour == 0 || (lastActiveHour - 1) / 24 != hour / 24 { activeThisDay += 1 }
        }
        add(digest.appearances, in: header.number)
        for pair in digest.pairs { try add(pair) }
        for (call, deployment) in digest.deployments { add(deployment, call, header.number) }
        try add(digest.transfers, in: header.number)
        for (transaction, inside) in digest.movements {
            let place = Place(block: header.number, transaction: transaction)
            batch.insert(Table.movements, InnerMovement.key(place), InnerMovement.encoded(inside))
        }
        var encoding = Record(capacity: 1024)
        for (address, record) in zip(addresses, records) {
            encoding.clear()
            record.write(to: &encoding)
            // A copy has just the bytes that it needs, and many are remembered.
            try batch.put(
                Table.addresses, KeyBuilder.address(address), Bytes(encoding.bytes[...]))
        }
        try addWealth(committing.diff)

        network.newAddresses = newThisHour
        network.activeAddresses = activeThisHour
        try add(network, to: Table.networkHours, hour)
        network.activeAddresses = activeThisDay
        try add(network, to: Table.networkDays, hour / 24)
    }

    /// Adds to the sums of an address.
    ///
    /// - Returns: the hour, plus one, in which the address was last active before this block.
    private func add(
        _ part: BlockDigest.AddressPart, to record: AddressRecord, header: Header, hour: UInt64
    ) -> UInt64 {
        var totals = record.totals
        let lastActiveHour = totals.lastActiveHour
        if totals.appearances == 0 {
            totals.firstBlock = header.number
            totals.firstTime = header.timestamp
        }
        totals.appearances += part.appearances
        totals.lastBlock = header.number
        totals.lastTime = header.timestamp
        if part.isActive { totals.lastActiveHour = hour + 1 }
        record.totals = totals
        guard part.activity != ActivityTotals() else { return lastActiveHour }
        write(record.add(part.activity, in: hour), of: part.address)
        return lastActiveHour
    }

    private func add(_ appearances: [BlockDigest.Appearance], in block: BlockNumber) {
        for appearance in appearances {
            let index = appearance.address
            let full =
                if appearance.transaction == AnalyticsPlugin.outsideTransaction {
                    records[index].payments.append(
                        PaymentEntry(block: block, roles: appearance.roles))
                } else {
                    records[index].appearances.append(
                        AppearanceEntry(
                            block: block, transaction: appearance.transaction,
                            roles: appearance.roles))
                }
            write(full, of: addresses[index])
        }
    }

    private func write(_ page: FullPage?, of address: Address) {
        guard let page else { return }
        batch.insert(Table.pages, page.key(of: address), page.entries)
    }

    // MARK: - Pairs

    private func add(_ pair: BlockDigest.Pair) throws(StorageError) {
        let known = try totals(pair)
        var totals = known ?? PeerTotals()
        totals.add(pair.totals)
        if known == nil {
            try makeRoom(for: pair.second, in: pair.first)
            try makeRoom(for: pair.first, in: pair.second)
        }
        write(totals, known, pair.first, pair.second)
        write(totals.reversed, known?.reversed, pair.second, pair.first)
    }

    /// What two addresses had to do with each other so far. If one of them has few peers, its record
    /// knows.
    private func totals(_ pair: BlockDigest.Pair) throws(StorageError) -> PeerTotals? {
        let (first, second) = (pair.first, pair.second)
        if !records[first].hasManyPeers {
            return records[first].peers.first { $0.address == addresses[second] }?.totals
        }
        if !records[second].hasManyPeers {
            return records[second].peers.first { $0.address == addresses[first] }?.totals.reversed
        }
        let key = Self.peerKey(addresses[first], addresses[second])
        return try batch.value(Table.peers, key, as: PeerTotals.self)
    }

    /// Counts a new peer. If there are many with it, those in the record go to the tables.
    private func makeRoom(for peer: Int, in index: Int) throws(StorageError) {
        let record = records[index]
        record.peerCount += 1
        guard record.hasManyPeers else {
            let address = addresses[peer]
            return record.peers.append(AddressRecord.Peer(address: address, totals: PeerTotals()))
        }
        let address = addresses[index]
        for few in record.peers {
            let isShared = try hasManyPeers(few.address)
            batch.insert(
                Table.peers, Self.peerKey(address, few.address),
                few.totals.entry(recordKnows: !isShared))
            addRank(few.totals.rank, address, few.address)
            if isShared {
                let totals = few.totals.reversed
                replacePeer(
                    few.address, address, totals.entry(recordKnows: true),
                    with: totals.entry(recordKnows: false))
            }
        }
        record.peers = []
    }

    private func hasManyPeers(_ address: Address) throws(StorageError) -> Bool {
        if let place = places[address] { return records[place].hasManyPeers }
        let key = KeyBuilder.address(address)
        return try batch.value(Table.addresses, key, as: AddressRecord.self)?.hasManyPeers ?? false
    }

    private func write(
        _ totals: PeerTotals, _ before: PeerTotals?, _ index: Int, _ other: Int
    ) {
        let (address, peer) = (addresses[index], addresses[other])
        let record = records[index]
        guard record.hasManyPeers else {
            if let place = record.peers.firstIndex(where: { $0.address == peer }) {
                record.peers[place].totals = totals
            }
            return
        }
        let recordKnows = !records[other].hasManyPeers
        replacePeer(
            address, peer, before?.entry(recordKnows: recordKnows),
            with: totals.entry(recordKnows: recordKnows))
        if before?.rank != totals.rank { addRank(totals.rank, address, peer) }
    }

    private func replacePeer(
        _ address: Address, _ peer: Address, _ present: Bytes?, with entry: Bytes
    ) {
        guard present != entry else { return }
        batch.replace(Table.peers, Self.peerKey(address, peer), present, with: entry)
    }

    /// The lower ranks of before stay: whoever reads meets the highest of a peer first.
    private func addRank(_ rank: UInt16?, _ address: Address, _ peer: Address) {
        guard let rank else { return }
        batch.insert(Table.peerRanks, Self.rankKey(address, rank, peer), [])
    }

    // MARK: - Contracts

    private func add(_ deployment: Deployment, _ call: UInt32, _ number: BlockNumber) {
        func key(_ address: Address) -> Bytes {
            var key = KeyBuilder(capacity: 32)
            key.append(address)
            key.append(number)
            key.append(call)
            return key.bytes
        }
        batch.insert(Table.contracts, key(deployment.address), deployment.encoded)
        let creators =
            deployment.deployer == deployment.factory
            ? [deployment.deployer] : [deployment.deployer, deployment.factory]
        for creator in creators {
            batch.insert(
                Table.deployments, key(creator), KeyBuilder.address(deployment.address))
        }
    }

    // MARK: - Tokens

    private func add(
        _ transfers: [BlockDigest.Transfer], in block: BlockNumber
    ) throws(StorageError) {
        var tokens: [Address: TokenTotals] = [:]
        var page = Record(capacity: 1024)
        for (ordinal, transfer) in transfers.enumerated() {
            let moved = transfer.transfer
            var token: TokenTotals
            if let known = tokens[moved.token] {
                token = known
            } else {
                token =
                    try batch.value(
                        Table.tokens, KeyBuilder.address(moved.token), as: TokenTotals.self)
                    ?? TokenTotals(standard: moved.standard, firstBlock: block)
            }
            token.transfers += 1
            if moved.from.isZero { token.minted = token.minted &+ moved.amount }
            if moved.to.isZero { token.burned = token.burned &+ moved.amount }
            if let from = transfer.from {
                list(moved, UInt32(ordinal), of: from)
                try change(moved, from, &token) { $0.sent = $0.sent &+ moved.amount }
            }
            if let to = transfer.to {
                if transfer.from != to { list(moved, UInt32(ordinal), of: to) }
                try change(moved, to, &token) { $0.received = $0.received &+ moved.amount }
            }
            tokens[moved.token] = token
            moved.write(to: &page)
            if ordinal % TokenTransfer.pageLimit == TokenTransfer.pageLimit - 1
                || ordinal == transfers.count - 1
            {
                batch.insert(
                    Table.transfers, TokenTransfer.pageKey(block, UInt32(ordinal)), page.bytes)
                page = Record(capacity: 1024)
            }
        }
        for (address, token) in tokens {
            try batch.put(Table.tokens, KeyBuilder.address(address), token.encoded)
        }
    }

    private func list(_ transfer: TokenTransfer, _ ordinal: UInt32, of index: Int) {
        let entry = TransferEntry(
            block: transfer.place.block, logIndex: transfer.logIndex, item: transfer.item,
            ordinal: ordinal)
        write(records[index].transfers.append(entry), of: addresses[index])
    }

    private func change(
        _ transfer: TokenTransfer, _ index: Int, _ token: inout TokenTotals,
        _ body: (inout Holding) -> Void
    ) throws(StorageError) {
        let key = HoldingKey(
            token: transfer.token, id: transfer.standard == .erc1155 ? transfer.id : nil)
        let holder = addresses[index]
        let known =
            if records[index].hasManyHoldings {
                try batch.value(
                    Table.holdings, Self.holdingKey(holder, key), as: Holding.self)
            } else {
                records[index].holdings.first { $0.key == key }?.holding
            }
        var holding = known ?? Holding()
        let before = holding.balance
        body(&holding)
        let after = holding.balance
        write(holding, known, key, of: index)
        if before.isZero, !after.isZero { token.holders += 1 }
        if !before.isZero, after.isZero { token.holders -= 1 }
        let (oldRank, newRank) = (Rank.of(before), Rank.of(after))
        guard oldRank != newRank else { return }
        if oldRank > 0 {
            batch.replace(Table.holderRanks, Self.rankKey(key, oldRank, holder), [], with: nil)
        }
        if newRank > 0 {
            batch.replace(Table.holderRanks, Self.rankKey(key, newRank, holder), nil, with: [])
        }
    }

    private func write(
        _ holding: Holding, _ known: Holding?, _ key: HoldingKey, of index: Int
    ) {
        let holder = addresses[index]
        let record = records[index]
        if !record.hasManyHoldings {
            if let place = record.holdings.firstIndex(where: { $0.key == key }) {
                record.holdings[place].holding = holding
                return
            }
            if record.holdings.count < AddressRecord.fewLimit {
                record.holdings.append(AddressRecord.TokenHolding(key: key, holding: holding))
                record.holdingCount += 1
                return
            }
            for few in record.holdings {
                batch.replace(
                    Table.holdings, Self.holdingKey(holder, few.key), nil,
                    with: few.holding.encoded)
            }
            record.holdings = []
        }
        if known == nil { record.holdingCount += 1 }
        batch.replace(
            Table.holdings, Self.holdingKey(holder, key), known?.encoded, with: holding.encoded)
    }

    // MARK: - Wealth

    /// Puts every account of a state into its rank.
    func beginWealth(_ start: IndexStart) throws {
        var sums: [UInt16: WealthRank] = [:]
        try start.forEachAccount { address, account in
            let rank = Rank.of(account.balance)
            guard rank > 0 else { return }
            batch.insert(Table.wealthRanks, Self.wealthKey(account.balance, address), [])
            sums[rank, default: WealthRank()].add(account.balance)
        }
        for (rank, sum) in sums.sorted(by: { $0.key < $1.key }) {
            batch.insert(Table.wealth, Self.bigEndian(rank), sum.encoded)
        }
    }

    private func addWealth(_ diff: StateDiff) throws(StorageError) {
        var changes: [UInt16: (from: [Wei], to: [Wei])] = [:]
        for (address, change) in diff.accounts {
            let before = change.before?.balance ?? .zero
            let after = change.after?.balance ?? .zero
            guard before != after else { continue }
            let (oldRank, newRank) = (Rank.of(before), Rank.of(after))
            if oldRank > 0 { changes[oldRank, default: ([], [])].from.append(before) }
            if newRank > 0 { changes[newRank, default: ([], [])].to.append(after) }
            let (oldKey, newKey) = (
                Self.wealthKey(before, address), Self.wealthKey(after, address)
            )
            guard oldKey != newKey else { continue }
            // An account is in the table under its balance, and nowhere else.
            if oldRank > 0 { batch.replace(Table.wealthRanks, oldKey, [], with: nil) }
            if newRank > 0 { batch.insert(Table.wealthRanks, newKey, []) }
        }
        for (rank, change) in changes {
            let key = Self.bigEndian(rank)
            var sum = try batch.value(Table.wealth, key, as: WealthRank.self) ?? WealthRank()
            for balance in change.to { sum.add(balance) }
            for balance in change.from { sum.remove(balance) }
            if sum.count == 0 {
                try batch.delete(Table.wealth, key)
            } else {
                try batch.put(Table.wealth, key, sum.encoded)
            }
        }
    }

    // MARK: - Network

    private func add(
        _ totals: NetworkTotals, to table: PluginTable, _ time: UInt64
    ) throws(StorageError) {
        let key = Self.bigEndian(UInt32(truncatingIfNeeded: time))
        var sum = try batch.value(table, key, as: NetworkTotals.self) ?? NetworkTotals()
        sum.add(totals)
        try batch.put(table, key, sum.encoded)
    }

    // MARK: - Keys

    static func peerKey(_ address: Address, _ peer: Address) -> Bytes {
        var key = KeyBuilder(capacity: 40)
        key.append(address)
        key.append(peer)
        return key.bytes
    }

    static func holdingKey(_ holder: Address, _ holding: HoldingKey) -> Bytes {
        var key = KeyBuilder(capacity: 72)
        key.append(holder)
        key.append(holding.token)
        if let id = holding.id { key.append(id) }
        return key.bytes
    }

    private static func rankKey(
        _ holding: HoldingKey, _ rank: UInt16, _ holder: Address
    ) -> Bytes {
        var key = KeyBuilder(capacity: 74)
        key.append(holding.token)
        key.append(~rank)
        key.append(holder)
        if let id = holding.id { key.append(id) }
        return key.bytes
    }

    static func rankKey(_ address: Address, _ rank: UInt16, _ peer: Address) -> Bytes {
        var key = KeyBuilder(capacity: 42)
        key.append(address)
        key.append(~rank)
        key.append(peer)
        return key.bytes
    }

    static func wealthKey(_ balance: Wei, _ address: Address) -> Bytes {
        var key = KeyBuilder(capacity: 22)
        key.append(~Rank.wealth(balance))
        key.append(address)
        return key.bytes
    }

    static func bigEndian(_ number: some FixedWidthInteger & UnsignedInteger) -> Bytes {
        var key = KeyBuilder(capacity: 8)
        key.append(number)
        return key.bytes
    }
}

extension PeerTotals {
    /// From so many interactions on a rank is more than one number, and whoever lists the peers with
    /// the most has to read what they are.
    private static let exactRanks: UInt64 = 16

    /// What stands in `peers`: nothing where another record says it, as long as nobody reads many.
    fileprivate func entry(recordKnows: Bool) -> Bytes {
        recordKnows && interactions < Self.exactRanks ? [] : encoded
    }
}

/// The accounts of one rank.
struct WealthRank: Hashable, TableValue {
    var count: UInt64 = 0
    var sum = Wei.zero

    init() {}

    mutating func add(_ balance: Wei) {
        count += 1
        sum = sum &+ balance
    }

    mutating func remove(_ balance: Wei) {
        count -= min(count, 1)
        sum = sum &- balance
    }

    init(_ record: inout Record) throws(StorageError) {
        count = try record.number()
        sum = try record.amount()
    }

    func write(to record: inout Record) {
        record.write(count)
        record.write(sum)
    }
}
