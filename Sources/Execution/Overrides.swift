//  What-if changes for a simulation: of accounts and of the block.

import Cryptography
import EthereumTypes
public import Primitives
public import State

/// Changes of one account for a simulation. What is nil stays.
public struct StateOverride: Hashable, Sendable {
    /// What becomes of the storage.
    public enum Storage: Hashable, Sendable {
        /// The storage holds these slots and no other.
        case replaced([UInt256: UInt256])
        /// These slots change.
        case changed([UInt256: UInt256])
    }

    /// The nonce.
    public var nonce: Nonce?
    /// The balance.
    public var balance: Wei?
    /// The code; empty makes the account one without code.
    public var code: Bytes?
    /// The storage.
    public var storage: Storage?

    /// Whether nothing is overridden.
    var isEmpty: Bool {
        nonce == nil && balance == nil && code == nil
            && (storage == nil || storage == .changed([:]))
    }

    /// Overrides of what is given.
    public init(
        nonce: Nonce? = nil, balance: Wei? = nil, code: Bytes? = nil, storage: Storage? = nil
    ) {
        self.nonce = nonce
        self.balance = balance
        self.code = code
        self.storage = storage
    }
}

extension StateDiff {
    /// The changes that make the overrides true of a state. An overridden account exists.
    public init(
        overriding state: any StateReader, with overrides: [Address: StateOverride]
    ) throws(StateReadError) {
        self.init()
        for (address, override) in overrides where !override.isEmpty {
            let before = try state.account(address)
            var after = before ?? .empty
            if let nonce = override.nonce { after.nonce = nonce }
            if let balance = override.balance { after.balance = balance }
            if let newCode = override.code {
                after.codeHash = newCode.isEmpty ? .keccakEmpty : keccak256(newCode)
                if !newCode.isEmpty { code[after.codeHash] = newCode }
            }
            var change = AccountChange(before: before, after: after)
            switch override.storage {
            case nil: break
            case .replaced(let slots):
                change.storageWasCleared = before != nil
                change.after?.storageRoot = .emptyTrieRoot
                for (slot, value) in slots where !value.isZero {
                    change.storage.append(StorageChange(slot: slot, before: .zero, after: value))
                }
            case .changed(let slots):
                for (slot, value) in slots {
                    let old = try state.storage(address, slot)
                    change.storage.append(StorageChange(slot: slot, before: old, after: value))
                }
            }
            change.storage.sort { $0.slot < $1.slot }
            accounts[address] = change
        }
    }
}

/// Changes of the block that a simulation runs in. What is nil stays.
public struct BlockOverrides: Hashable, Sendable {
    /// The number.
    public var number: BlockNumber?
    /// The time.
    public var timestamp: Timestamp?
    /// The gas limit.
    public var gasLimit: Gas?
    /// Who gets the fees.
    public var coinbase: Address?
    /// What PREVRANDAO gives.
    public var prevRandao: Hash256?
    /// What DIFFICULTY gives; without effect after the merge.
    public var difficulty: UInt256?
    /// The base fee.
    public var baseFeePerGas: Wei?
    /// The price of blob gas.
    public var blobBaseFee: Wei?

    /// Overrides of nothing.
    public init() {}
}

extension ExecutionContext {
    /// The context with overrides. Another number or time may mean another fork.
    public func applying(_ overrides: BlockOverrides) -> ExecutionContext {
        var context = self
        if let number = overrides.number { context.block.number = number }
        if let timestamp = overrides.timestamp { context.block.timestamp = timestamp }
        if let gasLimit = overrides.gasLimit { context.block.gasLimit = gasLimit }
        if let coinbase = overrides.coinbase { context.block.coinbase = coinbase }
        if let prevRandao = overrides.prevRandao { context.block.prevRandao = prevRandao }
        if let baseFee = overrides.baseFeePerGas { context.block.baseFeePerGas = baseFee }
        if let blobBaseFee = overrides.blobBaseFee { context.block.blobBaseFee = blobBaseFee }
        if let difficulty = overrides.difficulty, !fork.isPostMerge {
            context.block.difficulty = difficulty
        }
        context.fork = config.fork(
            number: context.block.number, timestamp: context.block.timestamp,
            isPostMerge: fork.isPostMerge)
        context.blobParameters = config.blobParameters(at: context.fork)
        return context
    }
}
