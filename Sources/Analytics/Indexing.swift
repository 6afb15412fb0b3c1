import Chain
import EthereumTypes
import PluginAPI
import Primitives
import State
import Storage

/// Takes a block into the tables.
///
/// Each address of the block costs two reads and two writes, each appearance a write, each pair of
/// addresses two reads and about three writes, each token transfer three reads and about seven
/// writes, and each changed balance a write where its rank changes. Nothing depends on the length of
/// the chain.
struct Indexing {
    let batch: PluginBatch

    func add(_ committing: CommittingBlock, _ digest: BlockDigest) throws {
        let header = committing.stored.block.header
        let hour = header.timestamp / 3600
        var network = digest.network
        var newThisHour: UInt64 = 0
        var activeThisHour: UInt64 = 0
        var activeThisDay: UInt64 = 0
        for part in digest.addresses {
            let lastActiveHour = try add(part, header: header, hour: hour)
            guard part.isActive else { continue }
            if lastActiveHour == 0 { newThisHour += 1 }
            if lastActiveHour != hour + 1 { activeThisHour += 1 }
            if lastActiveHour == 0 || (lastActiveHour - 1) / 24 != hour / 24 { activeThisDay += 1 }
        }
        for appearance in digest.appearances {
            var key = KeyBuilder(capacity: 32)
            key.append(appearance.address)
            key.append(header.number)
            key.append(appearance.transaction)
            let roles = appearance.roles.rawValue
            let isOutside = appearance.transaction == AnalyticsPlugin.outsideTransaction
            batch.insert(
                isOutside ? Table.payments : Table.appearances, key.bytes,
                [UInt8(truncatingIfNeeded: roles >> 8), UInt8(truncatingIfNeeded: roles)])
        }
        for part in digest.peers {
            try add(part.address, part.peer, part.totals)
            try add(part.peer, part.address, part.totals.reversed)
        }
        for (call, deployment) in digest.deployments { add(deployment, call, header.number) }
        for transfer in digest.transfers { try add(transfer) }
        try addWealth(committing.diff)

        network.newAddresses = newThisHour
        network.activeAddresses = activeThisHour
        try add(network, to: Table.networkHours, hour)
        network.activeAddresses = activeThisDay
        try add(network, to: Table.networkDays, hour / 24)
    }

    /// - Returns: the hour, plus one, in which the address was last active before this block.
    private func add(
        _ part: BlockDigest.AddressPart, header: Header, hour: UInt64
    ) throws(StorageError) -> UInt64 {
        let key = KeyBuilder.address(part.address)
        var totals =
            try batch.value(Table.addresses, key, as: AddressTotals.self) ?? AddressTotals()
        let lastActiveHour = totals.lastActiveHour
        if totals.appearances == 0 {
            totals.firstBlock = header.number
            totals.firstTime = header.timestamp
        }
        totals.appearances += part.appearances
        totals.lastBlock = header.number
        totals.lastTime = header.timestamp
        if part.isActive { totals.lastActiveHour = hour + 1 }
        totals.activity.add(part.activity)
        try batch.put(Table.addresses, key, totals.encoded)
        guard part.activity != ActivityTotals() else { return lastActiveHour }
        var hourKey = KeyBuilder(capacity: 24)
        hourKey.append(part.address)
        hourKey.append(UInt32(truncatingIfNeeded: hour))
        var hourly =
            try batch.value(Table.hours, hourKey.bytes, as: ActivityTotals.self)
            ?? ActivityTotals()
        hourly.add(part.activity)
        try batch.put(Table.hours, hourKey.bytes, hourly.encoded)
        return lastActiveHour
    }

    private func add(
        _ address: Address, _ peer: Address, _ part: PeerTotals
    ) throws(StorageError) {
        var key = KeyBuilder(capacity: 40)
        key.append(address)
        key.append(peer)
        var totals = try batch.value(Table.peers, key.bytes, as: PeerTotals.self) ?? PeerTotals()
        let before = Rank.of(UInt256(totals.interactions))
        totals.add(part)
        let after = Rank.of(UInt256(totals.interactions))
        try batch.put(Table.peers, key.bytes, totals.encoded)
        if before != after {
            if before > 0 {
                try batch.delete(Table.peerRanks, Self.rankKey(address, before, peer))
            }
            batch.insert(Table.peerRanks, Self.rankKey(address, after, peer), [])
        }
    }

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

    private func add(_ transfer: TokenTransfer) throws(StorageError) {
        let tokenKey = KeyBuilder.address(transfer.token)
        var token =
            try batch.value(Table.tokens, tokenKey, as: TokenTotals.self)
            ?? TokenTotals(standard: transfer.standard, firstBlock: transfer.place.block)
        token.transfers += 1
        if transfer.from.isZero { token.minted = token.minted &+ transfer.amount }
        if transfer.to.isZero { token.burned = token.burned &+ transfer.amount }
        let value = transfer.encoded
        for holder in transfer.holders {
            var key = KeyBuilder(capacity: 36)
            key.append(holder)
            key.append(transfer.place.block)
            key.append(transfer.logIndex)
            key.append(transfer.item)
            batch.insert(Table.transfers, key.bytes, value)
        }
        try change(transfer, transfer.from, &token) { $0.sent = $0.sent &+ transfer.amount }
        try change(transfer, transfer.to, &token) { $0.received = $0.received &+ transfer.amount }
        try batch.put(Table.tokens, tokenKey, token.encoded)
    }

    private func change(
        _ transfer: TokenTransfer, _ holder: Address, _ token: inout TokenTotals,
        _ body: (inout Holding) -> Void
    ) throws(StorageError) {
        guard !holder.isZero else { return }
        var key = KeyBuilder(capacity: 72)
        key.append(holder)
        key.append(transfer.token)
        if transfer.standard == .erc1155 { key.append(transfer.id) }
        var holding = try batch.value(Table.holdings, key.bytes, as: Holding.self) ?? Holding()
        let before = holding.balance
        body(&holding)
        let after = holding.balance
        try batch.put(Table.holdings, key.bytes, holding.encoded)
        if before.isZero, !after.isZero { token.holders += 1 }
        if !before.isZero, after.isZero { token.holders -= 1 }
        let (oldRank, newRank) = (Rank.of(before), Rank.of(after))
        guard oldRank != newRank else { return }
        func rankKey(_ rank: UInt16) -> Bytes {
            var key = KeyBuilder(capacity: 74)
            key.append(transfer.token)
            key.append(~rank)
            key.append(holder)
            if transfer.standard == .erc1155 { key.append(transfer.id) }
            return key.bytes
        }
        if oldRank > 0 { try batch.delete(Table.holderRanks, rankKey(oldRank)) }
        if newRank > 0 { try batch.put(Table.holderRanks, rankKey(newRank), []) }
    }

    // MARK: - Wealth

    /// Puts every account of a state into its rank.
    func beginWealth(_ start: IndexStart) throws {
        var sums: [UInt16: WealthRank] = [:]
        try start.forEachAccount { address, account in
            let rank = Rank.of(account.balance)
            guard rank > 0 else { return }
            batch.insert(Table.wealthRanks, Self.wealthKey(rank, address), [])
            sums[rank, default: WealthRank()].add(account.balance)
        }
        for (rank, sum) in sums.sorted(by: { $0.key < $1.key }) {
            batch.insert(Table.wealth, Self.bigEndian(rank), sum.encoded)
        }
    }

    private func addWealth(_ diff: StateDiff) throws(StorageError) {
        var changes: [UInt16: (from: [Wei], to: [Wei])] = [:]
        for (address, change) in diff.accounts.sorted(by: { $0.key < $1.key }) {
            let before = change.before?.balance ?? .zero
            let after = change.after?.balance ?? .zero
            guard before != after else { continue }
            let (oldRank, newRank) = (Rank.of(before), Rank.of(after))
            if oldRank > 0 { changes[oldRank, default: ([], [])].from.append(before) }
            if newRank > 0 { changes[newRank, default: ([], [])].to.append(after) }
            guard oldRank != newRank else { continue }
            if oldRank > 0 { try batch.delete(Table.wealthRanks, Self.wealthKey(oldRank, address)) }
            if newRank > 0 {
                try batch.put(Table.wealthRanks, Self.wealthKey(newRank, address), [])
            }
        }
        for (rank, change) in changes.sorted(by: { $0.key < $1.key }) {
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

    static func rankKey(_ address: Address, _ rank: UInt16, _ peer: Address) -> Bytes {
        var key = KeyBuilder(capacity: 42)
        key.append(address)
        key.append(~rank)
        key.append(peer)
        return key.bytes
    }

    static func wealthKey(_ rank: UInt16, _ address: Address) -> Bytes {
        var key = KeyBuilder(capacity: 22)
        key.append(~rank)
        key.append(address)
        return key.bytes
    }

    static func bigEndian(_ number: some FixedWidthInteger & UnsignedInteger) -> Bytes {
        var key = KeyBuilder(capacity: 8)
        key.append(number)
        return key.bytes
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
