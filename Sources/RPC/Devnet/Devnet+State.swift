import BlockProduction
import Chain
import Compression
import EthereumTypes
import Primitives
import Storage

/// The whole state as one text, in anvil's format.
///
/// A dump has the accounts and where the chain stood; blocks stay in the data folder. Loading lays
/// accounts over the present state, as in anvil.
extension DevnetNamespace {
    var stateMethods: [RPCMethod] {
        [
            RPCMethod(
                "anvil_dumpState", ["preserveHistoricalStates"], aliases: ["hardhat_dumpState"],
                execution: dumpState),
            RPCMethod(
                "anvil_loadState", ["state"], aliases: ["hardhat_loadState"], command: loadState),
        ]
    }

    private func dumpState(context: RPCContext, _: Bool?) throws -> HexData {
        let head = services.blockchain.head
        let limit = context.limits.stateDumpBytes
        var writer = JSONWriter(capacity: 1 << 16)
        var failure: (any Error)?
        writer.object { writer in
            writer.key("block")
            writer.blockEnvironment(of: head.header)
            writer.key("accounts")
            writer.object { writer in
                do {
                    try head.view.forEachAccount { listed in
                        do {
                            try write(listed, of: head.view, limit: limit, to: &writer)
                        } catch {
                            failure = error
                        }
                        // What is longer is refused below.
                        return failure == nil && writer.bytes.count <= limit
                    }
                } catch {
                    failure = error
                }
            }
            writer.key("best_block_number")
            writer.number(head.number)
            writer.key("blocks")
            writer.array { _ in }
            writer.key("transactions")
            writer.array { _ in }
            writer.key("historical_states")
            writer.null()
        }
        if let failure { throw failure }
        if writer.bytes.count > limit {
            throw RPCError(
                code: RPCErrorCode.responseTooLarge,
                message: "the state is larger than \(limit) bytes")
        }
        guard let packed = Gzip.wrap(writer.bytes) else { throw RPCError.internalError }
        return HexData(packed)
    }

    private func write(
        _ listed: ListedAccount, of view: ChainView, limit: Int, to writer: inout JSONWriter
    ) throws {
        let account = listed.account
        writer.key(listed.address.description)
        let code = account.hasCode ? try view.state.code(account.codeHash) : []
        var failure: (any Error)?
        writer.object { writer in
            writer.key("nonce")
            writer.number(account.nonce)
            writer.key("balance")
            writer.hexQuantity(account.balance)
            writer.key("code")
            writer.hexData(code)
            writer.key("storage")
            writer.object { writer in
                do {
                    try view.forEachSlot(of: listed.address) { slot in
                        writer.key(Hash256(slot.slot).description)
                        writer.hexWord(slot.value)
                        // The caller refuses what is longer.
                        return writer.bytes.count <= limit
                    }
                } catch {
                    failure = error
                }
            }
        }
        if let failure { throw failure }
    }

    private func loadState(context: RPCContext, _ state: HexData) async throws -> Bool {
        let limit = context.limits.stateDumpBytes
        let overrides = try await context.execute { () throws -> [PreBlockOverride] in
            guard let text = try? Gzip.unwrap(state.bytes, limit: limit) else {
                throw RPCError.invalidParams("the state is not gzip, or larger than \(limit) bytes")
            }
            return try Self.overrides(in: text)
        }
        try await devnet.override(overrides)
        return true
    }

    private static func overrides(in text: Bytes) throws -> [PreBlockOverride] {
        guard let dump = try? JSONValue(parsing: text), let accounts = dump["accounts"]?.objectValue
        else { throw RPCError.invalidParams("the state has no accounts") }
        var overrides: [PreBlockOverride] = []
        for name in accounts.keys {
            guard let address = Address(hex: name), let account = accounts[name] else {
                throw RPCError.invalidParams("'\(name)' is no address")
            }
            func number(_ value: JSONValue?) throws -> UInt256? {
                switch value {
                case nil, .null: return nil
                case .number(let digits):
                    if let number = UInt256(decimal: digits) { return number }
                case .string(let digits):
                    if let number = UInt256(hex: digits) ?? UInt256(decimal: digits) {
                        return number
                    }
                default: break
                }
                throw RPCError.invalidParams("account \(address) has an invalid number")
            }
            if let balance = try number(account["balance"]) {
                overrides.append(.balance(address, balance))
            }
            if let nonce = try number(account["nonce"])?.asUInt64 {
                overrides.append(.nonce(address, nonce))
            }
            if let code = account["code"]?.stringValue, code != "0x" {
                guard let bytes = Hex.decode(code) else {
                    throw RPCError.invalidParams("account \(address) has invalid code")
                }
                overrides.append(.code(address, bytes))
            }
            guard let storage = account["storage"]?.objectValue else { continue }
            for slot in storage.keys {
                guard let key = UInt256(hex: slot), let value = try number(storage[slot]) else {
                    throw RPCError.invalidParams("account \(address) has an invalid slot")
                }
                overrides.append(.storage(address, slot: key, value: value))
            }
        }
        return overrides
    }
}

extension JSONWriter {
    /// The block that a dump was made at, as revm describes one.
    fileprivate mutating func blockEnvironment(of header: Header) {
        object { writer in
            writer.key("number")
            writer.hexQuantity(header.number)
            writer.key("beneficiary")
            writer.address(header.coinbase)
            writer.key("timestamp")
            writer.hexQuantity(header.timestamp)
            writer.key("gas_limit")
            writer.number(header.gasLimit)
            writer.key("basefee")
            writer.number(header.baseFeePerGas?.clampedToUInt64 ?? 0)
            writer.key("difficulty")
            writer.hexQuantity(header.difficulty)
            writer.key("prevrandao")
            writer.hash(header.prevRandao)
        }
    }
}
