import Chain
import EVM
import EthereumTypes
import PluginAPI
import Primitives
import State
import Storage

/// Reads what the evidence of risk rests on, each address once: whom it has to do with, and what it was
/// paid and paid, in order.
final class RiskReader {
    /// An address with at least so many peers is a hub. Without this cut-off, sharing a peer tells
    /// nothing: nearly everyone shares an exchange.
    static let hubPeers = 200
    /// Transactions and withdrawals of an address that are read, the earliest: each may take a
    /// millisecond, where blocks are large.
    static let historyLimit = 1_000
    /// Entries of each of its lists that are looked at for them: logs and tips move no value.
    static let entryLimit = 20_000
    /// Peers, and movements, that are kept for the next question.
    private static let keptLimit = 100_000

    /// Whom an address has to do with.
    struct Neighbours {
        let isHub: Bool
        /// None of a hub.
        let peers: [Address: PeerTotals]
        /// Those that paid it, the largest sum first.
        let payers: [(address: Address, totals: PeerTotals)]

        init(isHub: Bool, peers: [Address: PeerTotals]) {
            self.isHub = isHub
            self.peers = peers
            payers = peers.filter { !$0.value.valueIn.isZero }
                .sorted { ($1.value.valueIn, $0.key) < ($0.value.valueIn, $1.key) }
                .map { ($0.key, $0.value) }
        }
    }

    let view: PluginView
    let checkTime: () throws -> Void
    private var knownNeighbours: [Address: Neighbours] = [:]
    private var knownHistories: [Address: MovementHistory] = [:]
    private var keptPeers = 0
    private var keptMovements = 0

    /// - Parameter checkTime: called for whatever is read; throws when there is no more time.
    init(_ view: PluginView, checkTime: @escaping () throws -> Void) {
        self.view = view
        self.checkTime = checkTime
    }

    func neighbours(of address: Address) throws -> Neighbours {
        if let known = knownNeighbours[address] { return known }
        try checkTime()
        let isHub = try view.record(of: address)?.peerCount ?? 0 >= UInt64(Self.hubPeers)
        let found = Neighbours(
            isHub: isHub, peers: isHub ? [:] : try view.peers(of: address, limit: Self.hubPeers))
        keptPeers += 1 + found.peers.count
        if keptPeers > Self.keptLimit {
            knownNeighbours = [:]
            keptPeers = 1 + found.peers.count
        }
        knownNeighbours[address] = found
        return found
    }

    /// What an address has, and all that ever came to it.
    func funds(of address: Address) throws -> Funds {
        guard let asOf = try view.asOf else { return Funds(.zero, ActivityTotals()) }
        let balance = try view.chain.state(at: asOf.number).account(address)?.balance ?? .zero
        return Funds(balance, try view.record(of: address)?.totals.activity ?? ActivityTotals())
    }

    // MARK: - Histories

    func history(of address: Address) throws -> MovementHistory {
        if let known = knownHistories[address] { return known }
        let history = try read(address)
        keptMovements += history.movements.count
        if keptMovements > Self.keptLimit {
            knownHistories = [:]
            keptMovements = history.movements.count
        }
        knownHistories[address] = history
        return history
    }

    private func read(_ address: Address) throws -> MovementHistory {
        var history = MovementHistory(opening: try funds(of: address).opening)
        guard let record = try view.record(of: address) else { return history }
        let transactions = try entries(
            PagedList<AppearanceEntry>(view, address, record.appearances), .movingValue
        ) { $0 }
        let payments = try entries(
            PagedList<PaymentEntry>(view, address, record.payments), .withdrawal
        ) { entry in
            AppearanceEntry(
                block: entry.block, transaction: AnalyticsPlugin.outsideTransaction,
                roles: entry.roles)
        }
        history.end = [transactions.end, payments.end].compactMap(\.self).min()
        var found = (transactions.found + payments.found)
            .filter { history.covers($0.location) }
            .sorted { $0.location < $1.location }
        if found.count > Self.historyLimit {
            found.removeLast(found.count - Self.historyLimit)
            history.end = found.last?.location
        }
        for entry in found {
            try checkTime()
            if entry.transaction == AnalyticsPlugin.outsideTransaction {
                for movement in try withdrawals(in: entry.block) where movement.to == address {
                    history.movements.append(movement)
                }
            } else {
                try read(entry, of: address, into: &history)
            }
            history.readCount += 1
        }
        return history
    }

    /// The first entries of a list with some of the roles, and the last that was looked at if there are
    /// more.
    private func entries<Entry: ListEntry>(
        _ list: PagedList<Entry>, _ roles: Roles, _ appearance: (Entry) -> AppearanceEntry
    ) throws -> (found: [AppearanceEntry], end: Place?) {
        var found: [AppearanceEntry] = []
        var looked = 0
        var last: Place?
        var end: Place?
        try list.forEach(from: nil) { entry in
            guard looked < Self.entryLimit, found.count < Self.historyLimit else {
                end = last
                return false
            }
            try checkTime()
            looked += 1
            let entry = appearance(entry)
            last = entry.location
            if !entry.roles.isDisjoint(with: roles) { found.append(entry) }
            return true
        }
        return (found, end)
    }

    private func withdrawals(in number: BlockNumber) throws -> [ValueMovement] {
        let place = Place(block: number, transaction: AnalyticsPlugin.outsideTransaction)
        guard let stored = try view.chain.block(number) else {
            throw StorageError.corrupted("an appearance in the analytics' tables")
        }
        return stored.block.withdrawals.map { withdrawals in
            withdrawals.enumerated().map { index, withdrawal in
                ValueMovement(
                    place: place, ordinal: UInt32(index), from: nil, to: withdrawal.address,
                    value: withdrawal.amountInWei)
            }
        } ?? []
    }

    private func read(
        _ entry: AppearanceEntry, of address: Address, into history: inout MovementHistory
    ) throws {
        var meets: Set<Address> = []
        func add(_ ordinal: UInt32, _ from: Address, _ to: Address?, _ value: Wei) {
            guard from == address || to == address, from != to, !value.isZero else { return }
            history.movements.append(
                ValueMovement(
                    place: entry.location, ordinal: ordinal, from: from, to: to, value: value))
            if let to { meets.insert(from == address ? to : from) }
        }
        if !entry.roles.isDisjoint(with: .inMessage) {
            let message = try message(entry)
            add(0, message.sender, nil, message.fee)
            add(1, message.sender, message.recipient, message.value)
            if message.sender == address { meets.insert(message.recipient) }
            if message.recipient == address { meets.insert(message.sender) }
        }
        let inside = try view.value(Table.movements, InnerMovement.key(entry.location)) ?? []
        for (index, movement) in try InnerMovement.all(in: inside).enumerated() {
            add(2 + UInt32(index), movement.from, movement.to, movement.value)
        }
        for peer in meets where peer != address {
            history.meetings[peer, default: []].append(entry.location)
        }
    }

    /// What a transaction moves by itself, and takes for it.
    private struct Message {
        let sender: Address
        let recipient: Address
        /// Zero if it failed, or if its receipt does not say.
        let value: Wei
        let fee: Wei
    }

    private func message(_ entry: AppearanceEntry) throws -> Message {
        let location = TransactionLocation(
            blockNumber: entry.block, index: Int(entry.transaction))
        guard let stored = try view.chain.transaction(at: location),
            let receipt = try view.chain.receipt(at: location)
        else { throw StorageError.corrupted("an appearance in the analytics' tables") }
        let (header, transaction) = (stored.header, stored.transaction)
        let blobFee =
            UInt256(transaction.blobGas) &* view.chain.config.blobBaseFee(of: header)
        return Message(
            sender: stored.sender,
            recipient: transaction.to
                ?? contractAddress(creator: stored.sender, nonce: transaction.nonce),
            value: receipt.receipt.succeeded == true ? transaction.value : .zero,
            fee: UInt256(receipt.gasUsed)
                &* transaction.effectiveGasPrice(baseFee: header.baseFeePerGas) &+ blobFee)
    }
}

/// What an account has, and what it must have had before its first movement, by the sums of the index.
struct Funds {
    let balance: Wei
    /// What it had when the index began, and what the protocol paid it for blocks since.
    let opening: Wei
    /// All that ever came to it, ``opening`` among it.
    var received: Wei
    /// What movements brought, those from itself among them.
    let valueIn: Wei

    /// Ether that a contract destroys with itself is in no sum: what it had may then be more.
    init(_ balance: Wei, _ activity: ActivityTotals) {
        self.balance = balance
        valueIn = activity.valueIn
        let came = activity.valueIn &+ activity.withdrawn
        let gone = balance &+ activity.valueOut &+ activity.fees
        opening = gone > came ? gone &- came : .zero
        received = max(gone, came)
    }
}

/// What an address was paid and paid, in order, as far as it was read.
struct MovementHistory {
    /// What it had before.
    let opening: Wei
    /// None is from the address to itself.
    var movements: [ValueMovement] = []
    /// The transactions that are interactions with a peer, in order.
    var meetings: [Address: [Place]] = [:]
    /// Transactions and withdrawals that were read.
    var readCount = 0
    /// The last place that was read; `nil` if there is nothing after it.
    var end: Place?

    init(opening: Wei) {
        self.opening = opening
    }

    /// Whether all up to a place was read.
    func covers(_ place: Place) -> Bool { end.map { place <= $0 } ?? true }
}

extension AppearanceEntry {
    var location: Place { Place(block: block, transaction: transaction) }
}

extension Roles {
    /// Those of an address that the message itself may have moved value from or to.
    fileprivate static let inMessage: Roles = [.sender, .recipient, .created]
    /// Those of an address that value may have moved from or to.
    fileprivate static let movingValue: Roles = inMessage.union([
        .caller, .called, .destroyed, .beneficiary,
    ])
}
