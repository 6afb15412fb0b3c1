import Chain
import EthereumTypes
import Primitives
import State
import Storage

/// Accounts and their storage at a block.
extension EthNamespace {
    var stateMethods: [RPCMethod] {
        [
            RPCMethod("eth_getBalance", ["address", "block"], instant: getBalance),
            RPCMethod("eth_getCode", ["address", "block"], instant: getCode),
            RPCMethod("eth_getStorageAt", ["address", "slot", "block"], instant: getStorageAt),
            RPCMethod("eth_getStorageValues", ["slots", "block"], execution: getStorageValues),
            RPCMethod("eth_getAccount", ["address", "block"], execution: getAccount),
            RPCMethod(
                "eth_getAccountInfo", ["address", "block"], result: Schema.accountInfo,
                instant: getAccountInfo),
            RPCMethod("eth_getProof", ["address", "storageKeys", "block"], execution: getProof),
        ]
    }

    private func getBalance(
        _: RPCContext, _ address: Address, _ block: BlockReference?
    ) throws -> UInt256 {
        try chain().state(at: block).account(address)?.balance ?? .zero
    }

    private func getCode(
        _: RPCContext, _ address: Address, _ block: BlockReference?
    ) throws -> HexData {
        let state = try chain().state(at: block)
        guard let account = try state.account(address), account.hasCode else { return HexData([]) }
        return HexData(try state.code(account.codeHash))
    }

    private func getStorageAt(
        _: RPCContext, _ address: Address, _ key: StorageKey, _ block: BlockReference?
    ) throws -> StorageWord {
        StorageWord(value: try chain().state(at: block).storage(address, key.slot))
    }

    /// Many slots of many accounts at once (execution-apis, `eth_getStorageValues`).
    private func getStorageValues(
        context: RPCContext, _ request: StorageRequest, _ block: BlockReference?
    ) throws -> StorageValues {
        guard !request.slots.isEmpty else { throw RPCError.invalidParams("empty request") }
        let count = request.slots.reduce(0) { $0 + $1.keys.count }
        guard count <= context.limits.proofKeys else {
            throw RPCError.invalidParams("too many slots (max \(context.limits.proofKeys))")
        }
        let state = try chain().state(at: block)
        return StorageValues(
            accounts: try request.slots.map { address, keys in
                (address, try keys.map { StorageWord(value: try state.storage(address, $0.slot)) })
            })
    }

    private func getAccount(
        _: RPCContext, _ address: Address, _ block: BlockReference?
    ) throws -> AccountResult? {
        let chain = chain()
        let number = try chain.minedNumber(of: block)
        guard number <= chain.head.number else { throw RPCError.headerNotFound }
        return try chain.view.builtAccount(address, at: number).map(AccountResult.init)
    }

    private func getAccountInfo(
        _: RPCContext, _ address: Address, _ block: BlockReference?
    ) throws -> JSONValue {
        let state = try chain().state(at: block)
        let account = try state.account(address) ?? .empty
        let code = account.hasCode ? try state.code(account.codeHash) : []
        return [
            "balance": .string(account.balance.hexQuantity),
            "nonce": .string(UInt256(account.nonce).hexQuantity),
            "code": .string(Hex.encode(code)),
        ]
    }

    /// The Merkle proofs of an account and of some of its slots (EIP-1186).
    private func getProof(
        context: RPCContext, _ address: Address, _ keys: [StorageKey], _ block: BlockReference?
    ) throws -> ProofResult {
        guard keys.count <= context.limits.proofKeys else {
            throw RPCError.invalidParams("too many keys (max \(context.limits.proofKeys))")
        }
        let chain = chain()
        let number = try chain.minedNumber(of: block)
        guard number <= chain.head.number else { throw RPCError.headerNotFound }
        let proof = try chain.view.proof(of: address, slots: keys.map(\.slot), at: number)
        return ProofResult(proof: proof, keys: keys)
    }
}

/// A storage value, always with all its digits.
struct StorageWord: RPCResult {
    let value: UInt256

    func write(to writer: inout JSONWriter) { writer.hexWord(value) }
    static let schema: JSONValue = Hash256.schema
}

/// The parameter of `eth_getStorageValues`: slots by account, in the order of the addresses.
struct StorageRequest: RPCParameter {
    let slots: [(address: Address, keys: [StorageKey])]

    static func decode(_ text: JSONText) throws(RPCParameterError) -> StorageRequest {
        guard let members = text.members else {
            throw RPCParameterError(
                "json: cannot unmarshal \(text.goKind) into Go value of type "
                    + "map[common.Address][]common.Hash")
        }
        var slots: [(address: Address, keys: [StorageKey])] = []
        for (name, keys) in members {
            let address = try Address.decode(JSONText(.string(name)))
            slots.append((address, try [StorageKey].decode(keys)))
        }
        slots.sort { $0.address < $1.address }
        return StorageRequest(slots: slots)
    }

    static let schema: JSONValue = ["type": "object"]
}

struct StorageValues: RPCResult {
    let accounts: [(Address, [StorageWord])]

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            for (address, values) in accounts {
                writer.key(address.description)
                values.write(to: &writer)
            }
        }
    }

    static let schema = Schema.map(Schema.list(Schema.hash))
}

/// An account as the state trie holds it.
struct AccountResult: RPCResult {
    let account: Account

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("balance")
            writer.hexQuantity(account.balance)
            writer.key("codeHash")
            writer.hash(account.codeHash)
            writer.key("nonce")
            writer.hexQuantity(account.nonce)
            writer.key("storageRoot")
            writer.hash(account.storageRoot)
        }
    }

    static let schema = Schema.object(
        "Account",
        [
            "balance": Schema.quantity, "codeHash": Schema.hash, "nonce": Schema.quantity,
            "storageRoot": Schema.hash,
        ])
}

/// The answer of `eth_getProof`, with each key spelled as it was asked for: in full if it was given
/// in full, else as a quantity.
struct ProofResult: RPCResult {
    let proof: AccountProof
    let keys: [StorageKey]

    func write(to writer: inout JSONWriter) {
        let account = proof.account ?? .empty
        writer.object { writer in
            writer.key("address")
            writer.address(proof.address)
            writer.key("accountProof")
            proof.accountProof.map(HexData.init).write(to: &writer)
            writer.key("balance")
            writer.hexQuantity(account.balance)
            writer.key("codeHash")
            writer.hash(account.codeHash)
            writer.key("nonce")
            writer.hexQuantity(account.nonce)
            writer.key("storageHash")
            writer.hash(account.storageRoot)
            writer.key("storageProof")
            writer.array { writer in
                for (key, storage) in zip(keys, proof.storageProofs) {
                    writer.object { writer in
                        writer.key("key")
                        if key.isFullLength {
                            writer.hexWord(key.slot)
                        } else {
                            writer.hexQuantity(key.slot)
                        }
                        writer.key("value")
                        writer.hexQuantity(storage.value)
                        writer.key("proof")
                        storage.proof.map(HexData.init).write(to: &writer)
                    }
                }
            }
        }
    }

    static let schema = Schema.object(
        "Proof",
        [
            "address": Schema.address, "accountProof": Schema.list(Schema.data),
            "balance": Schema.quantity, "codeHash": Schema.hash, "nonce": Schema.quantity,
            "storageHash": Schema.hash, "storageProof": Schema.list(Schema.storageProof),
        ])
}
