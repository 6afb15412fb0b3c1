import Primitives

/// A block by its number or by one of the names that clients use.
enum BlockTag: RPCParameter, Hashable {
    case latest
    case pending
    case earliest
    case safe
    case finalized
    case number(BlockNumber)

    /// Reads a tag or a quantity as geth's `rpc.BlockNumber` does, and also a bare JSON number, which
    /// Otterscan and anvil's clients send.
    static func decode(_ text: JSONText) throws(RPCParameterError) -> BlockTag {
        if text.isNumber {
            guard let number = text.value.uint64Value else {
                throw RPCParameterError("invalid block number \(text.value)")
            }
            return try within(number)
        }
        guard let characters = text.characters else {
            throw RPCParameterError("hex string without 0x prefix")
        }
        switch String(decoding: characters, as: UTF8.self) {
        case "latest": return .latest
        case "pending": return .pending
        case "earliest": return .earliest
        case "safe": return .safe
        case "finalized": return .finalized
        default: return try within(try HexText.blockNumber(characters))
        }
    }

    private static func within(_ number: UInt64) throws(RPCParameterError) -> BlockTag {
        guard number <= UInt64(Int64.max) else {
            throw RPCParameterError("block number larger than int64")
        }
        return .number(number)
    }

    static let schema: JSONValue = [
        "oneOf": [
            [
                "type": "string",
                "enum": ["latest", "pending", "earliest", "safe", "finalized"],
            ], UInt256.schema,
        ]
    ]
}

/// A block by number, name or hash (EIP-1898).
enum BlockReference: RPCParameter, Hashable {
    case tag(BlockTag)
    case hash(Hash256, requireCanonical: Bool)

    static func decode(_ text: JSONText) throws(RPCParameterError) -> BlockReference {
        if let members = text.members { return try decode(members) }
        if let characters = text.characters, characters.count == 66 {
            return .hash(try Hash256.decode(text), requireCanonical: false)
        }
        return .tag(try BlockTag.decode(text))
    }

    private static func decode(
        _ members: [String: JSONText]
    ) throws(RPCParameterError) -> BlockReference {
        let number = try members["blockNumber"].flatMap { text throws(RPCParameterError) in
            text.isNull ? nil : try BlockTag.decode(text)
        }
        let hash = try members["blockHash"].flatMap { text throws(RPCParameterError) in
            text.isNull ? nil : try Hash256.decode(text)
        }
        switch (number, hash) {
        case (.some, .some):
            throw RPCParameterError(
                "cannot specify both BlockHash and BlockNumber, choose one or the other")
        case (let number?, nil): return .tag(number)
        case (nil, let hash?):
            let requireCanonical = try members["requireCanonical"].map {
                text throws(RPCParameterError) in try Bool.decode(text)
            }
            return .hash(hash, requireCanonical: requireCanonical ?? false)
        case (nil, nil):
            throw RPCParameterError("invalid arguments; neither block nor hash specified")
        }
    }

    static let schema: JSONValue = [
        "oneOf": [
            BlockTag.schema, Hash256.schema,
            [
                "type": "object",
                "properties": [
                    "blockHash": Hash256.schema, "blockNumber": BlockTag.schema,
                    "requireCanonical": ["type": "boolean"],
                ],
            ],
        ]
    ]
}

extension HexText {
    /// A block number, with the bare error texts that geth has for it.
    static func blockNumber(
        _ characters: ArraySlice<UInt8>
    ) throws(RPCParameterError) -> UInt64 {
        guard !characters.isEmpty else { throw RPCParameterError("empty hex string") }
        guard characters.starts(with: "0x".utf8) || characters.starts(with: "0X".utf8) else {
            throw RPCParameterError("hex string without 0x prefix")
        }
        let digits = characters.dropFirst(2)
        guard let first = digits.first else { throw RPCParameterError("hex string \"0x\"") }
        guard first != UInt8(ascii: "0") || digits.count == 1 else {
            throw RPCParameterError("hex number with leading zero digits")
        }
        var number: UInt64 = 0
        for digit in digits {
            guard let nibble = nibble(digit) else { throw RPCParameterError("invalid hex string") }
            guard number >> 60 == 0 else { throw RPCParameterError("hex number > 64 bits") }
            number = number << 4 | UInt64(nibble)
        }
        return number
    }
}
