import Cryptography
import EVM
import EthereumTypes
import Execution
import Primitives
import State

/// The third parameter of `eth_call`: accounts that a call finds changed (geth's `StateOverride`).
struct StateOverridesParameter: RPCParameter {
    private let accounts: [Address: Execution.StateOverride]
    /// Where precompiles are to go, by the address where they stand.
    private let moved: [Address: Address]
    /// Accounts whose storage is to be replaced and to be changed.
    private let ambiguous: [Address]

    static func decode(_ text: JSONText) throws(RPCParameterError) -> StateOverridesParameter {
        guard let members = text.members else {
            throw RPCParameterError(
                "json: cannot unmarshal \(text.goKind) into Go value of type override.StateOverride"
            )
        }
        var accounts: [Address: Execution.StateOverride] = [:]
        var moved: [Address: Address] = [:]
        var ambiguous: [Address] = []
        for (name, member) in members {
            let address = try Address.decode(JSONText(.string(name)))
            let fields = try ObjectFields(
                member, type: "override.OverrideAccount", name: "OverrideAccount")
            moved[address] = try fields.read("movePrecompileToAddress", Address.self)
            let state = try fields.read("state", StorageMap.self)?.slots
            let difference = try fields.read("stateDiff", StorageMap.self)?.slots
            if state != nil, difference != nil { ambiguous.append(address) }
            accounts[address] = Execution.StateOverride(
                nonce: try fields.read("nonce", UInt64.self),
                balance: try fields.read("balance", UInt256.self),
                code: try fields.read("code", HexData.self)?.bytes,
                storage: state.map { .replaced($0) } ?? difference.map { .changed($0) })
        }
        return StateOverridesParameter(
            accounts: accounts, moved: moved, ambiguous: ambiguous.sorted())
    }

    /// The changes that make the overrides true of a state.
    ///
    /// - Throws: `RPCError` if an account's storage is to be replaced and to be changed.
    func changes(of state: any StateReader) throws -> StateDiff {
        if let address = ambiguous.first {
            throw RPCError.server(
                "account \(address.checksummed) has both 'state' and 'stateDiff'")
        }
        return try StateDiff(overriding: state, with: accounts)
    }

    /// The precompiles as the overrides leave them; nil if all stay. One that is overridden in any
    /// way gives way to the account, as in geth (`StateOverride.Apply`).
    func movedPrecompiles(at fork: Fork) throws(RPCError) -> MovedPrecompiles? {
        for (address, target) in moved.sorted(by: { $0.key < $1.key }) {
            guard Precompiles.contains(address, at: fork) else {
                throw .server("account \(address.checksummed) is not a precompile")
            }
            guard accounts[target] == nil else {
                throw .server("account \(target.checksummed) is already overridden")
            }
        }
        let removed = accounts.keys.filter { Precompiles.contains($0, at: fork) }
        if removed.isEmpty { return nil }
        return MovedPrecompiles(fork: fork, moves: moved, removed: Set(removed))
    }

    static let schema: JSONValue = [
        "type": "object", "title": "StateOverride",
        "additionalProperties": [
            "type": "object",
            "properties": [
                "balance": UInt256.schema, "nonce": UInt256.schema, "code": HexData.schema,
                "state": ["type": "object"], "stateDiff": ["type": "object"],
                "movePrecompileToAddress": Address.schema,
            ],
        ],
    ]
}

/// Storage slots with their values.
private struct StorageMap: RPCParameter {
    let slots: [UInt256: UInt256]

    static func decode(_ text: JSONText) throws(RPCParameterError) -> StorageMap {
        guard let members = text.members else {
            throw RPCParameterError(
                "json: cannot unmarshal \(text.goKind) into Go value of type "
                    + "map[common.Hash]common.Hash")
        }
        var slots: [UInt256: UInt256] = [:]
        for (name, value) in members {
            let key = try StorageKey.decode(JSONText(.string(name)))
            slots[key.slot] = try StorageKey.decode(value).slot
        }
        return StorageMap(slots: slots)
    }

    static let schema: JSONValue = ["type": "object"]
}

/// The fourth parameter of `eth_call`: what is different about the block (geth's `BlockOverrides`).
struct BlockOverridesParameter: RPCParameter {
    private let overrides: BlockOverrides
    /// A member that only `eth_simulateV1` takes.
    private let refused: String?

    static func decode(_ text: JSONText) throws(RPCParameterError) -> BlockOverridesParameter {
        let fields = try ObjectFields(text, type: "override.BlockOverrides", name: "BlockOverrides")
        var overrides = BlockOverrides()
        overrides.number = try fields.read("number", UInt64.self)
        overrides.timestamp = try fields.read("time", UInt64.self)
        overrides.gasLimit = try fields.read("gasLimit", UInt64.self)
        overrides.coinbase = try fields.read("feeRecipient", Address.self)
        overrides.prevRandao = try fields.read("prevRandao", Hash256.self)
        overrides.difficulty = try fields.read("difficulty", UInt256.self)
        overrides.baseFeePerGas = try fields.read("baseFeePerGas", UInt256.self)
        overrides.blobBaseFee = try fields.read("blobBaseFee", UInt256.self)
        var refused: String?
        if try fields.read("beaconRoot", Hash256.self) != nil {
            refused = "beaconRoot"
        } else if try fields.read("withdrawals", [Withdrawal].self) != nil {
            refused = "withdrawals"
        }
        return BlockOverridesParameter(overrides: overrides, refused: refused)
    }

    /// A context with the overrides.
    func applied(to context: ExecutionContext) throws(RPCError) -> ExecutionContext {
        if let refused {
            throw .server("block override \"\(refused)\" is not supported for this RPC method")
        }
        return context.applying(overrides)
    }

    static let schema: JSONValue = ["type": "object", "title": "BlockOverrides"]
}
