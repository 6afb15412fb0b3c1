public import PluginAPI
public import Primitives
import RPC
import Storage

/// An address in a transaction, or in what the protocol paid outside of one.
public struct Appearance: Hashable, Sendable {
    /// The block.
    public let block: BlockNumber
    /// The transaction's index in the block; `nil` if the protocol paid it.
    public let transaction: UInt32?
    /// In which roles.
    public let roles: Roles

    fileprivate init(_ entry: AppearanceEntry) {
        block = entry.block
        transaction = entry.transaction
        roles = entry.roles
    }

    fileprivate init(_ entry: PaymentEntry) {
        block = entry.block
        transaction = nil
        roles = entry.roles
    }

    /// The index that orders it in its block.
    public var order: UInt32 { transaction ?? AnalyticsPlugin.outsideTransaction }

    fileprivate var place: Place { Place(block: block, transaction: order) }
}

/// The appearances of an address, both ways; a page costs what is on it.
public struct AppearanceIndex: Sendable {
    let view: PluginView

    /// The index, as the analytics plugin's view has it.
    public init(_ view: PluginView) {
        self.view = view
    }

    /// Those before a place, latest first.
    ///
    /// - Parameter place: not among them; `nil` for the end of the chain.
    public func before(
        _ place: Place?, of address: Address, limit: Int
    ) throws -> [Appearance] {
        var found = try transactions(before: place, of: address, limit: limit)
        guard let record = try view.record(of: address) else { return found }
        let first = found.count
        try PagedList<PaymentEntry>(view, address, record.payments).forEachBackwards(
            before: place.map { Self.payment(before: $0).place }
        ) { entry in
            found.append(Appearance(entry))
            return found.count - first < limit
        }
        return Array(found.sorted { $0.place > $1.place }.prefix(limit))
    }

    /// Those after a place, earliest first.
    public func after(
        _ place: Place?, of address: Address, limit: Int
    ) throws -> [Appearance] {
        var found = try transactions(after: place, of: address, limit: limit)
        guard let record = try view.record(of: address) else { return found }
        let first = found.count
        try PagedList<PaymentEntry>(view, address, record.payments).forEach(
            from: place.map { Self.payment(after: $0).place }
        ) { entry in
            found.append(Appearance(entry))
            return found.count - first < limit
        }
        return Array(found.sorted { $0.place < $1.place }.prefix(limit))
    }

    /// The appearances in transactions, for the searches of other namespaces.
    static func source(_ handle: PluginHandle) -> AppearanceSource {
        AppearanceSource { chain in
            let view = handle.view(of: chain)
            guard try view.asOf == chain.reference, let start = try view.start else { return nil }
            return start.number + 1
        } page: { chain, address, bound, limit in
            let index = AppearanceIndex(handle.view(of: chain))
            let found =
                switch bound {
                case .before(let place):
                    try index.transactions(
                        before: place.map(Place.init), of: address, limit: limit)
                case .after(let place):
                    try index.transactions(
                        after: place.map(Place.init), of: address, limit: limit)
                }
            return found.map { appearance in
                TransactionAppearance(
                    location: TransactionLocation(
                        blockNumber: appearance.block, index: Int(appearance.order)),
                    isInCall: !appearance.roles.isDisjoint(with: .inCalls))
            }
        }
    }

    private func transactions(
        before place: Place?, of address: Address, limit: Int
    ) throws -> [Appearance] {
        guard let record = try view.record(of: address) else { return [] }
        var found: [Appearance] = []
        try PagedList<AppearanceEntry>(view, address, record.appearances).forEachBackwards(
            before: place.map { Self.entry($0).place }
        ) { entry in
            found.append(Appearance(entry))
            return found.count < limit
        }
        return found
    }

    private func transactions(
        after place: Place?, of address: Address, limit: Int
    ) throws -> [Appearance] {
        guard let record = try view.record(of: address) else { return [] }
        var found: [Appearance] = []
        try PagedList<AppearanceEntry>(view, address, record.appearances).forEach(
            from: place.map { Self.entry($0).place }
        ) { entry in
            let appearance = Appearance(entry)
            guard appearance.place != place else { return true }
            found.append(appearance)
            return found.count < limit
        }
        return found
    }

    private static func entry(_ place: Place) -> AppearanceEntry {
        AppearanceEntry(block: place.block, transaction: place.transaction, roles: [])
    }

    /// A payment comes after all transactions of its block.
    private static func payment(before place: Place) -> PaymentEntry {
        PaymentEntry(block: place.block, roles: [])
    }

    /// The first block whose payment comes after the place.
    private static func payment(after place: Place) -> PaymentEntry {
        let isPayment = place.transaction == AnalyticsPlugin.outsideTransaction
        return PaymentEntry(
            block: isPayment && place.block < .max ? place.block + 1 : place.block, roles: [])
    }
}

extension PluginView {
    /// What the index keeps of an address; `nil` if it never appeared.
    func record(of address: Address) throws(StorageError) -> AddressRecord? {
        try value(Table.addresses, KeyBuilder.address(address), as: AddressRecord.self)
    }
}

extension Place {
    fileprivate init(_ location: TransactionLocation) {
        self.init(block: location.blockNumber, transaction: UInt32(clamping: location.index))
    }
}

extension Roles {
    /// Those that an address has by a call of the transaction, its own message among them.
    fileprivate static let inCalls: Roles = [
        .sender, .recipient, .created, .caller, .called, .destroyed, .beneficiary,
    ]
}
