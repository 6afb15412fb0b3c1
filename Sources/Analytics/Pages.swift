import PluginAPI
import Primitives
import Storage

// The lists of an address. The last entries stand in its record; when there are as many as a page
// holds they become a page of their own, and never change again.

/// Which list of an address.
enum AddressList: UInt8 {
    case appearances, payments, transfers, hours
}

/// An entry of a list.
protocol ListEntry: TableValue {
    static var list: AddressList { get }
    /// Entries of a page.
    static var pageLimit: Int { get }
    /// Where it stands in its list: in the order of the bytes.
    func appendPlace(to key: inout KeyBuilder)
}

extension ListEntry {
    static var pageLimit: Int { 16 }

    var place: Bytes {
        var key = KeyBuilder(capacity: 16)
        appendPlace(to: &key)
        return key.bytes
    }
}

/// An address in a transaction.
struct AppearanceEntry: ListEntry {
    static let list = AddressList.appearances

    let block: BlockNumber
    let transaction: UInt32
    let roles: Roles

    init(block: BlockNumber, transaction: UInt32, roles: Roles) {
        self.block = block
        self.transaction = transaction
        self.roles = roles
    }

    init(_ record: inout Record) throws(StorageError) {
        block = try record.number()
        transaction = UInt32(truncatingIfNeeded: try record.number())
        roles = Roles(rawValue: UInt16(truncatingIfNeeded: try record.number()))
    }

    func write(to record: inout Record) {
        record.write(block)
        record.write(UInt64(transaction))
        record.write(UInt64(roles.rawValue))
    }

    func appendPlace(to key: inout KeyBuilder) {
        key.append(block)
        key.append(transaction)
    }
}

/// What the protocol paid an address in a block.
struct PaymentEntry: ListEntry {
    static let list = AddressList.payments

    let block: BlockNumber
    let roles: Roles

    init(block: BlockNumber, roles: Roles) {
        self.block = block
        self.roles = roles
    }

    init(_ record: inout Record) throws(StorageError) {
        block = try record.number()
        roles = Roles(rawValue: UInt16(truncatingIfNeeded: try record.number()))
    }

    func write(to record: inout Record) {
        record.write(block)
        record.write(UInt64(roles.rawValue))
    }

    func appendPlace(to key: inout KeyBuilder) {
        key.append(block)
    }
}

/// A movement of tokens from or to an address.
struct TransferEntry: ListEntry {
    static let list = AddressList.transfers

    let block: BlockNumber
    let logIndex: UInt32
    let item: UInt32
    /// Its place among the block's movements: where it is found.
    let ordinal: UInt32

    init(block: BlockNumber, logIndex: UInt32, item: UInt32, ordinal: UInt32) {
        self.block = block
        self.logIndex = logIndex
        self.item = item
        self.ordinal = ordinal
    }

    init(_ record: inout Record) throws(StorageError) {
        block = try record.number()
        logIndex = UInt32(truncatingIfNeeded: try record.number())
        item = UInt32(truncatingIfNeeded: try record.number())
        ordinal = UInt32(truncatingIfNeeded: try record.number())
    }

    func write(to record: inout Record) {
        record.write(block)
        record.write(UInt64(logIndex))
        record.write(UInt64(item))
        record.write(UInt64(ordinal))
    }

    func appendPlace(to key: inout KeyBuilder) {
        key.append(block)
        key.append(logIndex)
        key.append(item)
    }
}

/// What an address did in an hour.
struct HourActivity: ListEntry {
    static let list = AddressList.hours
    static let pageLimit = 8

    let hour: UInt64
    let activity: ActivityTotals

    init(hour: UInt64, activity: ActivityTotals) {
        self.hour = hour
        self.activity = activity
    }

    init(_ record: inout Record) throws(StorageError) {
        hour = try record.number()
        activity = try ActivityTotals(&record)
    }

    func write(to record: inout Record) {
        record.write(hour)
        activity.write(to: &record)
    }

    func appendPlace(to key: inout KeyBuilder) {
        key.append(UInt32(truncatingIfNeeded: hour))
    }
}

/// A page that is full.
struct FullPage {
    let list: AddressList
    /// The place of its first entry.
    let place: Bytes
    let entries: Bytes

    func key(of address: Address) -> Bytes {
        var key = KeyBuilder(capacity: 21 + place.count)
        key.append(address)
        key.append(list.rawValue)
        key.append(place)
        return key.bytes
    }
}

/// The last entries of a list, as they stand in the record of the address.
struct OpenPage: TableValue {
    private(set) var count = 0
    private var entries: ArraySlice<UInt8> = []

    init() {}

    /// - Returns: the page with the entry, if that makes it full.
    mutating func append<Entry: ListEntry>(_ entry: Entry) -> FullPage? {
        var record = Record(capacity: 16)
        entry.write(to: &record)
        entries.append(contentsOf: record.bytes)
        count += 1
        guard count == Entry.pageLimit else { return nil }
        var first = Record(Bytes(entries))
        guard let place = try? Entry(&first).place else {
            preconditionFailure("What was just written can be read.")
        }
        defer { self = OpenPage() }
        return FullPage(list: Entry.list, place: place, entries: first.bytes)
    }

    init(_ record: inout Record) throws(StorageError) {
        count = Int(truncatingIfNeeded: try record.number())
        entries = try record.part()
    }

    func write(to record: inout Record) {
        record.write(UInt64(count))
        record.write(entries)
    }

    func decoded<Entry: ListEntry>(_: Entry.Type) throws(StorageError) -> [Entry] {
        try Entry.all(in: Bytes(entries))
    }
}

extension TableValue {
    /// Values one after another.
    static func all(in bytes: Bytes) throws(StorageError) -> [Self] {
        var record = Record(bytes)
        var all: [Self] = []
        while !record.isAtEnd { all.append(try Self(&record)) }
        return all
    }
}

/// A list of an address as a view has it, both ways; what is read of it costs what is on it and at
/// most a page more.
struct PagedList<Entry: ListEntry> {
    private let view: PluginView
    private let prefix: Bytes
    private let last: [Entry]

    init(_ view: PluginView, _ address: Address, _ open: OpenPage) throws {
        self.view = view
        var prefix = KeyBuilder(capacity: 21)
        prefix.append(address)
        prefix.append(Entry.list.rawValue)
        self.prefix = prefix.bytes
        last = try open.decoded(Entry.self)
    }

    /// Those before a place, latest first, until the function returns `false`.
    ///
    /// - Parameter place: not among them; `nil` for the end.
    func forEachBackwards(before place: Bytes?, _ body: (Entry) throws -> Bool) throws {
        func take(_ entries: [Entry]) throws -> Bool {
            for entry in entries.reversed() {
                if let place, !entry.place.lexicographicallyPrecedes(place) { continue }
                guard try body(entry) else { return false }
            }
            return true
        }
        guard try take(last) else { return }
        try view.forEachBackwards(Table.pages, prefix: prefix, before: place.map { prefix + $0 }) {
            try take(Entry.all(in: $1))
        }
    }

    /// Those from a place on, earliest first, until the function returns `false`.
    func forEach(from place: Bytes?, _ body: (Entry) throws -> Bool) throws {
        func take(_ entries: [Entry]) throws -> Bool {
            for entry in entries {
                if let place, entry.place.lexicographicallyPrecedes(place) { continue }
                guard try body(entry) else { return false }
            }
            return true
        }
        var start: Bytes?
        if let place {
            // The page that it may be in is the last that begins before it.
            try view.forEachBackwards(Table.pages, prefix: prefix, before: prefix + place) {
                key, _ in
                start = key
                return false
            }
            start = start ?? prefix + place
        }
        var goesOn = true
        try view.forEach(Table.pages, prefix: prefix, from: start) { _, value in
            goesOn = try take(Entry.all(in: value))
            return goesOn
        }
        if goesOn { _ = try take(last) }
    }
}
