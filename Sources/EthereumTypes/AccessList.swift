public import Primitives

/// An address and the storage slots of it that a transaction announces: EIP-2930.
public struct AccessListEntry: Hashable, Sendable {
    /// The account.
    public var address: Address
    /// Slots of the account.
    public var storageKeys: [Hash256]

    /// An entry of these parts.
    public init(address: Address, storageKeys: [Hash256]) {
        self.address = address
        self.storageKeys = storageKeys
    }
}

/// What a transaction announces, in its order; repetitions count.
public typealias AccessList = [AccessListEntry]

extension RLPEncoder {
    /// Appends `[[address, [key…]]…]`.
    mutating func append(_ accessList: AccessList) {
        list { entries in
            for entry in accessList {
                entries.list { fields in
                    fields.append(entry.address)
                    fields.list { keys in
                        for key in entry.storageKeys { keys.append(key) }
                    }
                }
            }
        }
    }
}

extension RLPDecoder {
    mutating func accessList() throws(RLPError) -> AccessList {
        var entries = try list()
        var accessList: AccessList = []
        while !entries.isAtEnd {
            var fields = try entries.list()
            let address = try fields.address()
            var keys = try fields.list()
            try fields.finish()
            var storageKeys: [Hash256] = []
            while !keys.isAtEnd { storageKeys.append(try keys.hash()) }
            accessList.append(AccessListEntry(address: address, storageKeys: storageKeys))
        }
        return accessList
    }
}
