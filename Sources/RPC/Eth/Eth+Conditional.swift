import Chain
import EthereumTypes
import Primitives

/// Transactions that are only sent if the chain is as their sender believes (EIP-7796), as bundlers
/// of account abstraction send them.
extension EthNamespace {
    var conditionalMethods: [RPCMethod] {
        [
            RPCMethod(
                "eth_sendRawTransactionConditional", ["data", "conditions"],
                command: sendRawTransactionConditional)
        ]
    }

    /// Checks the conditions at the head and then sends. They hold when the transaction is taken, and
    /// say nothing about the block that it will be in.
    private func sendRawTransactionConditional(
        context: RPCContext, _ data: HexData, _ conditions: TransactionConditions
    ) async throws -> Hash256 {
        guard conditions.cost <= context.limits.conditionCost else {
            throw RPCError(
                code: RPCErrorCode.limitExceeded,
                message: "the conditions cost \(conditions.cost), "
                    + "more than \(context.limits.conditionCost)")
        }
        try await context.execute { try conditions.check(chain()) }
        return try await submit(data.bytes, context)
    }
}

/// What must hold for a transaction to be sent.
struct TransactionConditions: RPCParameter {
    enum Storage {
        case root(Hash256)
        case slots([UInt256: UInt256])
    }

    let accounts: [Address: Storage]
    let blocks: ClosedRange<UInt64>
    let times: ClosedRange<UInt64>

    /// How many reads it takes to check them.
    var cost: Int {
        accounts.values.reduce(2) { cost, storage in
            switch storage {
            case .root: cost + 1
            case .slots(let slots): cost + slots.count
            }
        }
    }

    static func decode(_ text: JSONText) throws(RPCParameterError) -> TransactionConditions {
        let fields = try ObjectFields(
            text, type: "TransactionConditional", name: "TransactionConditional")
        var accounts: [Address: Storage] = [:]
        for (name, known) in try fields.read("knownAccounts", JSONMembers.self)?.members ?? [:] {
            let address = try Address.decode(JSONText(.string(name)))
            accounts[address] =
                known.isString ? .root(try Hash256.decode(known)) : .slots(try slots(known))
        }
        return TransactionConditions(
            accounts: accounts, blocks: try range("blockNumber", fields),
            times: try range("timestamp", fields))
    }

    private static func range(
        _ name: String, _ fields: ObjectFields
    ) throws(RPCParameterError) -> ClosedRange<UInt64> {
        func read(_ end: String) throws(RPCParameterError) -> UInt64? {
            guard let value = try fields.read(name + end, LenientQuantity.self) else { return nil }
            return value.value.clampedToUInt64
        }
        let least = try read("Min") ?? 0
        let most = try read("Max") ?? .max
        guard least <= most else { throw RPCParameterError("\(name)Min is above \(name)Max") }
        return least...most
    }

    private static func slots(_ text: JSONText) throws(RPCParameterError) -> [UInt256: UInt256] {
        var slots: [UInt256: UInt256] = [:]
        for (name, value) in try JSONMembers.decode(text).members {
            slots[try StorageKey.decode(JSONText(.string(name))).slot] =
                try StorageKey.decode(value).slot
        }
        return slots
    }

    /// - Throws: which condition does not hold.
    func check(_ chain: ChainAccess) throws {
        let header = chain.head.header
        guard blocks.contains(header.number) else {
            throw RPCError.conditionFailed("the block is \(header.number)")
        }
        guard times.contains(header.timestamp) else {
            throw RPCError.conditionFailed("the time is \(header.timestamp)")
        }
        for (address, storage) in accounts.sorted(by: { $0.key < $1.key }) {
            switch storage {
            case .root(let root):
                guard
                    try chain.view.state.account(address)?.storageRoot ?? .emptyTrieRoot == root
                else {
                    throw RPCError.conditionFailed("the storage root of \(address) differs")
                }
            case .slots(let slots):
                for (slot, value) in slots.sorted(by: { $0.key < $1.key }) {
                    guard try chain.view.state.storage(address, slot) == value else {
                        throw RPCError.conditionFailed(
                            "slot \(slot.hexQuantity) of \(address) differs")
                    }
                }
            }
        }
    }

    static let schema: JSONValue = [
        "type": "object", "title": "TransactionConditional",
        "properties": [
            "knownAccounts": ["type": "object"], "blockNumberMin": LenientQuantity.schema,
            "blockNumberMax": LenientQuantity.schema, "timestampMin": LenientQuantity.schema,
            "timestampMax": LenientQuantity.schema,
        ],
    ]
}

/// An object whose members are decoded by whoever asked for it.
private struct JSONMembers: RPCParameter {
    let members: [String: JSONText]

    static func decode(_ text: JSONText) throws(RPCParameterError) -> JSONMembers {
        guard let members = text.members else {
            throw RPCParameterError(
                "json: cannot unmarshal \(text.goKind) into Go value of type map")
        }
        return JSONMembers(members: members)
    }

    static let schema: JSONValue = ["type": "object"]
}

extension RPCError {
    /// A condition of a transaction does not hold (EIP-1474: transaction rejected).
    fileprivate static func conditionFailed(_ reason: String) -> RPCError {
        RPCError(
            code: RPCErrorCode.transactionRejected, message: "transaction rejected: \(reason)")
    }
}
