import BlockProduction
import EthereumTypes
import Primitives
import TxPool

/// What the next block will have, and what waits for it.
extension DevnetNamespace {
    var nextBlockMethods: [RPCMethod] {
        var methods = setter("setCoinbase", ["address"], setCoinbase)
        methods += setter("setNextBlockBaseFeePerGas", ["baseFee"], setNextBlockBaseFeePerGas)
        methods.append(
            RPCMethod(
                "anvil_setNextBlockPrevRandao", ["prevRandao"],
                command: { (context: RPCContext, prevRandao: Hash256) async throws in
                    try devnet.setNextPrevRandao(prevRandao)
                    return NullResult()
                }))
        methods.append(
            RPCMethod(
                "hardhat_setPrevRandao", ["prevRandao"],
                command: { (context: RPCContext, prevRandao: Hash256) async throws in
                    try devnet.setNextPrevRandao(prevRandao)
                    return true
                }))
        methods.append(
            RPCMethod(
                "anvil_setBlockGasLimit", ["gasLimit"], aliases: ["evm_setBlockGasLimit"],
                command: setBlockGasLimit))
        return methods
    }

    var poolMethods: [RPCMethod] {
        [
            RPCMethod("anvil_dropTransaction", ["hash"], command: anvilDropTransaction),
            RPCMethod("hardhat_dropTransaction", ["hash"], command: hardhatDropTransaction),
        ] + setter("dropAllTransactions", [], dropAllTransactions)
            + setter("removePoolTransactions", ["address"], removePoolTransactions)
    }

    private func setCoinbase(_: RPCContext, _ address: Address) async throws {
        try devnet.setCoinbase(address)
    }

    private func setNextBlockBaseFeePerGas(
        _: RPCContext, _ baseFee: LenientQuantity
    ) async throws {
        try devnet.setNextBaseFee(baseFee.value)
    }

    private func setBlockGasLimit(
        _: RPCContext, _ gasLimit: LenientQuantity
    ) async throws -> Bool {
        try devnet.setGasLimit(try gasLimit.uint64())
        return true
    }

    /// - Returns: the hash if the transaction was in the pool.
    private func anvilDropTransaction(_: RPCContext, _ hash: Hash256) async throws -> Hash256? {
        services.pool.remove(hash) ? hash : nil
    }

    private func hardhatDropTransaction(_: RPCContext, _ hash: Hash256) async throws -> Bool {
        if services.pool.remove(hash) { return true }
        if try services.blockchain.head.view.transactionLocation(hash) != nil {
            throw RPCError.server(
                "Transaction \(hash) cannot be dropped because it's already mined")
        }
        return false
    }

    private func dropAllTransactions(_: RPCContext) async throws {
        services.pool.removeAll()
    }

    private func removePoolTransactions(_: RPCContext, _ sender: Address) async throws {
        services.pool.removeAll(from: sender)
    }
}
