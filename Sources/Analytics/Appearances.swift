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

    fileprivate init(_ key: Bytes, _ value: Bytes) throws(StorageError) {
        guard key.count == 32, value.count == 2 else {
            throw .corrupted("an appearance in the analytics' tables")
        }
        block = key[20..<28].reduce(0) { $0 << 8 | UInt64($1) }
        let index = key[28...].reduce(0 as UInt32) { $0 << 8 | UInt32($1) }
        transaction = index == AnalyticsPlugin.outsideTransaction ? nil : index
        roles = Roles(rawValue: UInt16(value[0]) << 8 | UInt16(value[1]))
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
        let found =
            try before(place, of: address, limit: limit, in: Table.appearances)
            + before(place, of: address, limit: limit, in: Table.payments)
        return Array(found.sorted { $0.place > $1.place }.prefix(limit))
    }

    /// Those after a place, earliest first.
    public func after(
        _ place: Place?, of address: Address, limit: Int
    ) throws -> [Appearance] {
        let found =
            try after(place, of: address, limit: limit, in: Table.appearances)
            + after(place, of: address, limit: limit, in: Table.payments)
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
                    try index.before(
                        place.map(Place.init), of: address, limit: limit, in: Table.appearances)
                case .after(let place):
                    try index.after(
                        place.map(Place.init), of: address, limit: limit, in: Table.appearances)
                }
            return found.map { appearance in
                TransactionAppearance(
                    location: TransactionLocation(
                        blockNumber: appearance.block, index: Int(appearance.order)),
                    isInCall: !appearance.roles.isDisjoint(with: .inCalls))
            }
        }
    }

    private func before(
        _ place: Place?, of address: Address, limit: Int, in table: PluginTable
    ) throws -> [Appearance] {
        var found: [Appearance] = []
        try view.forEachBackwards(
            table, prefix: KeyBuilder.address(address),
            before: place.map { Self.key(address, $0) }
        ) { key, value in
            found.append(try Appearance(key, value))
            return found.count < limit
        }
        return found
    }

    private func after(
        _ place: Place?, of address: Address, limit: Int, in table: PluginTable
    ) throws -> [Appearance] {
        var found: [Appearance] = []
        let start = place.map { Self.key(address, $0) }
        try view.forEach(table, prefix: KeyBuilder.address(address), from: start) { key, value in
            guard key != start else { return true }
            found.append(try Appearance(key, value))
            return found.count < limit
        }
        return found
    }

    private static func key(_ address: Address, _ place: Place) -> Bytes {
        var key = KeyBuilder(capacity: 32)
        key.append(address)
        key.append(place.block)
        key.append(place.transaction)
        return key.bytes
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
