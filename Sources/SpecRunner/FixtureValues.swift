//  Reading the values of the official fixtures: hex strings with or without leading zeros, empty
//  strings for empty bytes, objects of accounts.

import Cryptography
import EthereumTypes
import Execution
import Primitives

/// A file is not a fixture of the format expected.
public struct FixtureError: Error, Sendable, CustomStringConvertible {
    /// What is wrong, in a few words.
    public let description: String

    init(_ description: String) { self.description = description }
}

extension JSONValue {
    /// The member of an object, which must be there.
    func member(_ key: String) throws(FixtureError) -> JSONValue {
        guard let value = self[key] else { throw FixtureError("\(key) is missing") }
        return value
    }

    func string(_ key: String) throws(FixtureError) -> String {
        guard let text = try member(key).stringValue else {
            throw FixtureError("\(key) is not a string")
        }
        return text
    }

    func array(_ key: String) throws(FixtureError) -> [JSONValue] {
        guard let array = try member(key).arrayValue else {
            throw FixtureError("\(key) is not an array")
        }
        return array
    }

    func object(_ key: String) throws(FixtureError) -> JSONObject {
        guard let object = try member(key).objectValue else {
            throw FixtureError("\(key) is not an object")
        }
        return object
    }

    func word(_ key: String) throws(FixtureError) -> UInt256 {
        let text = try string(key)
        guard let word = UInt256(fixture: text) else {
            throw FixtureError("\(key) is not a word: \(text.prefix(80))")
        }
        return word
    }

    func uint64(_ key: String) throws(FixtureError) -> UInt64 {
        guard let value = try word(key).asUInt64 else {
            throw FixtureError("\(key) is more than 64 bits")
        }
        return value
    }

    func bytes(_ key: String) throws(FixtureError) -> Bytes {
        let text = try string(key)
        guard let bytes = Hex.decode(text) else {
            throw FixtureError("\(key) is not hexadecimal")
        }
        return bytes
    }

    func hash(_ key: String) throws(FixtureError) -> Hash256 {
        guard let hash = Hash256(hex: try string(key)) else {
            throw FixtureError("\(key) is not a hash")
        }
        return hash
    }

    func address(_ key: String) throws(FixtureError) -> Address {
        guard let address = Address(hex: try string(key)) else {
            throw FixtureError("\(key) is not an address")
        }
        return address
    }

    /// An optional word: nil if the member is missing.
    func optionalWord(_ key: String) throws(FixtureError) -> UInt256? {
        self[key] == nil ? nil : try word(key)
    }

    /// The accounts of `pre`, `post` and `postState`.
    func accounts() throws(FixtureError) -> [Address: GenesisAccount] {
        guard let object = objectValue else { throw FixtureError("accounts are not an object") }
        var accounts: [Address: GenesisAccount] = [:]
        for (key, value) in object {
            guard let address = Address(hex: key) else {
                throw FixtureError("not an address: \(key)")
            }
            var storage: [UInt256: UInt256] = [:]
            for (slotKey, slotValue) in try value.object("storage") {
                guard let slot = UInt256(fixture: slotKey),
                    let text = slotValue.stringValue, let word = UInt256(fixture: text)
                else { throw FixtureError("not a storage slot: \(slotKey)") }
                if !word.isZero { storage[slot] = word }
            }
            accounts[address] = GenesisAccount(
                balance: try value.word("balance"), nonce: try value.uint64("nonce"),
                code: try value.bytes("code"), storage: storage)
        }
        return accounts
    }
}

extension UInt256 {
    /// A word as fixtures write it: hex with any number of leading zeros, or decimal.
    init?(fixture text: String) {
        guard text.hasPrefix("0x") else {
            self.init(decimal: text)
            return
        }
        let digits = text.dropFirst(2).drop { $0 == "0" }
        self.init(hex: digits.isEmpty ? "0x0" : "0x" + digits)
    }
}
