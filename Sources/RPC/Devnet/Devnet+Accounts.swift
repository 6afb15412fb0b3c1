import BlockProduction
import Chain
import EthereumTypes
import Primitives
import State
import Storage

/// Accounts, changed by hand and used without a key.
extension DevnetNamespace {
    var accountMethods: [RPCMethod] {
        var methods = setter(
            "setBalance", ["address", "balance"],
            aliases: ["tenderly_setBalance", "evm_setAccountBalance"], setBalance)
        methods += setter(
            "addBalance", ["address", "amount"], aliases: ["tenderly_addBalance"], addBalance)
        methods += setter("setCode", ["address", "code"], aliases: ["evm_setAccountCode"], setCode)
        methods += setter(
            "setNonce", ["address", "nonce"], aliases: ["evm_setAccountNonce"], setNonce)
        methods += setter("impersonateAccount", ["address"], impersonate)
        methods += setter("autoImpersonateAccount", ["enabled"], autoImpersonate)
        methods.append(
            RPCMethod(
                "anvil_setStorageAt", ["address", "slot", "value"],
                aliases: ["hardhat_setStorageAt", "evm_setAccountStorageAt"],
                command: setStorageAt))
        methods.append(
            RPCMethod(
                "anvil_stopImpersonatingAccount", ["address"],
                command: { (context: RPCContext, address: Address) async throws in
                    _ = devnet.stopImpersonating(address)
                    return NullResult()
                }))
        methods.append(
            RPCMethod(
                "hardhat_stopImpersonatingAccount", ["address"],
                command: { (context: RPCContext, address: Address) async throws in
                    devnet.stopImpersonating(address)
                }))
        return methods
    }

    private func setBalance(
        _: RPCContext, _ address: Address, _ balance: LenientQuantity
    ) async throws {
        try await devnet.override([.balance(address, balance.value)])
    }

    private func addBalance(
        _: RPCContext, _ address: Address, _ amount: LenientQuantity
    ) async throws {
        let before = try services.blockchain.head.view.state.account(address)?.balance ?? .zero
        let (sum, overflow) = before.addingReportingOverflow(amount.value)
        if overflow { throw RPCError.invalidParams("the balance would exceed 256 bits") }
        try await devnet.override([.balance(address, sum)])
    }

    private func setCode(_: RPCContext, _ address: Address, _ code: HexData) async throws {
        try await devnet.override([.code(address, code.bytes)])
    }

    private func setNonce(
        _: RPCContext, _ address: Address, _ nonce: LenientQuantity
    ) async throws {
        try await devnet.override([.nonce(address, try nonce.uint64())])
    }

    private func setStorageAt(
        _: RPCContext, _ address: Address, _ slot: StorageKey, _ value: StorageKey
    ) async throws -> Bool {
        try await devnet.override([.storage(address, slot: slot.slot, value: value.slot)])
        return true
    }

    private func impersonate(_: RPCContext, _ address: Address) async throws {
        try devnet.impersonate(address)
    }

    private func autoImpersonate(_: RPCContext, _ isEnabled: Bool) async throws {
        devnet.impersonatesEveryone = isEnabled
    }
}
