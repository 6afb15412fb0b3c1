import EVM
import EthereumTypes
package import Primitives
import Storage

/// Wei that went from one account to another, or were paid to or by the protocol.
package struct ValueMovement: Hashable, Comparable, Sendable {
    /// The transaction; a withdrawal comes after all of them.
    package let place: Place
    /// Its order in there. The fee comes first, then the message itself, then what is inside of it.
    package let ordinal: UInt32
    /// Who paid; `nil` for a withdrawal.
    package let from: Address?
    /// Who was paid; `nil` for a fee.
    package let to: Address?
    /// Above zero.
    package let value: Wei

    /// A movement of these parts.
    package init(place: Place, ordinal: UInt32, from: Address?, to: Address?, value: Wei) {
        self.place = place
        self.ordinal = ordinal
        self.from = from
        self.to = to
        self.value = value
    }

    /// In the order in which they happened.
    package static func < (left: ValueMovement, right: ValueMovement) -> Bool {
        (left.place, left.ordinal) < (right.place, right.ordinal)
    }
}

/// Value that moved inside of a transaction, for good, from one account to another: what its block and
/// its receipt do not tell. Before Byzantium, whose receipts do not say whether the message itself
/// succeeded, that is the first.
struct InnerMovement: TableValue {
    let from: Address
    let to: Address
    let value: Wei

    private init(_ call: CallRecord) {
        from = call.caller
        to = call.recipient
        value = call.value
    }

    /// Those of a transaction, in the order in which their calls began.
    static func all(of calls: ArraySlice<CallRecord>, _ receipt: Receipt) -> [InnerMovement] {
        let isMessageTold = receipt.succeeded != nil
        return calls.compactMap { call in
            guard call.movesValue, call.depth > 0 || !isMessageTold, call.caller != call.recipient
            else { return nil }
            return InnerMovement(call)
        }
    }

    static func key(_ place: Place) -> Bytes {
        var key = KeyBuilder(capacity: 12)
        key.append(place.block)
        key.append(place.transaction)
        return key.bytes
    }

    static func encoded(_ movements: [InnerMovement]) -> Bytes {
        var record = Record(capacity: 56 * movements.count)
        for movement in movements { movement.write(to: &record) }
        return record.bytes
    }

    init(_ record: inout Record) throws(StorageError) {
        from = try record.address()
        to = try record.address()
        value = try record.amount()
    }

    func write(to record: inout Record) {
        record.write(from)
        record.write(to)
        record.write(value)
    }
}
