public import Primitives

/// Genesis files in geth's format, and in Besu's, which differs in names only. Numbers may be JSON
/// numbers, decimal or `0x` strings.
extension Genesis {
    /// Reads the text of a genesis file.
    public init(json bytes: Bytes) throws(GenesisError) {
        let value: JSONValue
        do throws(JSONError) { value = try JSONValue(parsing: bytes) } catch { throw .json(error) }
        try self.init(json: value)
    }

    /// Reads a genesis file that is parsed already.
    public init(json: JSONValue) throws(GenesisError) {
        let file = JSONField(path: "", value: json)
        let config = try file.required("config")
        self.init(config: try ChainConfig(field: config))
        nonce = try file.optional("nonce")?.uint64() ?? 0
        timestamp = try file.optional("timestamp")?.uint64() ?? 0
        extraData = try file.optional("extraData")?.bytes() ?? []
        let limit = try file.required("gasLimit").uint64()
        gasLimit = limit == 0 ? Self.defaultGasLimit : limit
        difficulty =
            try file.optional("difficulty")?.uint256()
            ?? (self.config.terminalTotalDifficulty == .zero ? .zero : Self.defaultDifficulty)
        prevRandao = try file.optional("mixHash")?.hash() ?? .zero
        coinbase = try file.optional("coinbase")?.address() ?? .zero
        number = try file.optional("number")?.uint64() ?? 0
        gasUsed = try file.optional("gasUsed")?.uint64() ?? 0
        parentHash = try file.optional("parentHash")?.hash() ?? .zero
        baseFeePerGas = try file.optional("baseFeePerGas")?.uint256()
        excessBlobGas = try file.optional("excessBlobGas")?.uint64()
        blobGasUsed = try file.optional("blobGasUsed")?.uint64()
        alloc = try Self.alloc(file.required("alloc"))
        notes = try Self.notes(on: config)
    }

    private static func notes(on config: JSONField) throws(GenesisError) -> [String] {
        var notes: [String] = []
        for key in ChainConfig.authoritySections where try config.optional(key) != nil {
            notes.append(
                "config.\(key) is left aside: who makes the blocks is what 'apus node' is told "
                    + "(--sealer, --period, --empty-blocks), and their seals stand beside the headers"
            )
            if try config.optional("terminalTotalDifficulty") == nil {
                notes.append(
                    "terminalTotalDifficulty is taken to be 0: from block 1 on the rules of the "
                        + "merge hold")
            }
        }
        for key in ["ethash", "transitions", "discovery", "checkpoint"]
        where try config.optional(key) != nil {
            notes.append("config.\(key) is left aside")
        }
        return notes
    }

    private static func alloc(
        _ field: JSONField
    ) throws(GenesisError) -> [Address: GenesisAccount] {
        var alloc: [Address: GenesisAccount] = [:]
        for (key, field) in try field.members() {
            guard let bytes = Hex.decode(key), let address = Address(bytes) else {
                throw .invalid(
                    path: field.path, expected: "named by 20 hexadecimal bytes", found: key)
            }
            guard alloc.updateValue(try GenesisAccount(field: field), forKey: address) == nil
            else {
                throw .invalid(path: field.path, expected: "there only once", found: key)
            }
        }
        return alloc
    }

    /// The file that reads as this value.
    public var json: JSONValue {
        var object: JSONObject = [
            "config": config.json,
            "nonce": .quantity(nonce),
            "timestamp": .quantity(timestamp),
            "extraData": .string(Hex.encode(extraData)),
            "gasLimit": .quantity(gasLimit),
            "difficulty": .string(difficulty.hexQuantity),
            "mixHash": .string(prevRandao.description),
            "coinbase": .string(coinbase.description),
            "number": .quantity(number),
            "gasUsed": .quantity(gasUsed),
            "parentHash": .string(parentHash.description),
        ]
        if let baseFeePerGas { object["baseFeePerGas"] = .string(baseFeePerGas.hexQuantity) }
        if let excessBlobGas { object["excessBlobGas"] = .quantity(excessBlobGas) }
        if let blobGasUsed { object["blobGasUsed"] = .quantity(blobGasUsed) }
        var accounts = JSONObject()
        for (address, account) in alloc.sorted(by: { $0.key < $1.key }) {
            accounts[address.description] = account.json
        }
        object["alloc"] = .object(accounts)
        return .object(object)
    }
}

extension GenesisAccount {
    init(field: JSONField) throws(GenesisError) {
        self.init(
            balance: try field.optional("balance")?.uint256() ?? .zero,
            nonce: try field.optional("nonce")?.uint64() ?? 0,
            code: try field.optional("code")?.bytes() ?? [])
        guard let storage = try field.optional("storage") else { return }
        for (key, value) in try storage.members() {
            guard let slot = JSONField.word(key) else {
                throw .invalid(
                    path: value.path, expected: "named by a hexadecimal slot", found: key)
            }
            self.storage[slot] = try value.word()
        }
    }

    var json: JSONValue {
        var object: JSONObject = ["balance": .string(balance.hexQuantity)]
        if nonce > 0 { object["nonce"] = .quantity(nonce) }
        if !code.isEmpty { object["code"] = .string(Hex.encode(code)) }
        if !storage.isEmpty {
            var slots = JSONObject()
            for (slot, value) in storage.sorted(by: { $0.key < $1.key }) {
                slots[Hash256(slot).description] = .string(Hash256(value).description)
            }
            object["storage"] = .object(slots)
        }
        return .object(object)
    }
}

extension JSONValue {
    /// `"0x1f"`.
    static func quantity(_ value: UInt64) -> JSONValue {
        .string("0x" + String(value, radix: 16))
    }
}
