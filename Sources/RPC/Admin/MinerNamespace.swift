import BlockProduction
import Primitives

/// The `miner` namespace: what geth and Ganache let their users say about the blocks to come.
struct MinerNamespace: Sendable {
    let devnet: Devnet

    var methods: [RPCMethod] {
        [
            RPCMethod("miner_setGasLimit", ["gasLimit"], command: setGasLimit),
            RPCMethod(
                "miner_setEtherbase", ["address"], aliases: ["dev_setFeeRecipient"],
                command: setEtherbase),
            RPCMethod("miner_setExtra", ["extraData"], command: setExtra),
            RPCMethod("miner_start", command: start),
            RPCMethod("miner_stop", command: stop),
        ]
    }

    private func setGasLimit(_: RPCContext, _ gasLimit: UInt64) async throws -> Bool {
        try devnet.setGasLimit(gasLimit)
        return true
    }

    private func setEtherbase(_: RPCContext, _ address: Address) async throws -> Bool {
        try devnet.setCoinbase(address)
        return true
    }

    /// What the headers to come carry, as text, as in geth.
    private func setExtra(_: RPCContext, _ extra: String) async throws -> Bool {
        guard extra.utf8.count <= 32 else {
            throw RPCError.server("extra exceeds max length. \(extra.utf8.count) > 32")
        }
        try devnet.setExtraData(Bytes(extra.utf8))
        return true
    }

    private func start(_: RPCContext) async throws -> NullResult {
        if devnet.mode == .manual { try await devnet.setMode(.automine) }
        return NullResult()
    }

    private func stop(_: RPCContext) async throws -> NullResult {
        try await devnet.setMode(.manual)
        return NullResult()
    }
}
