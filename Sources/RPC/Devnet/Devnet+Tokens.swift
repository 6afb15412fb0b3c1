import Chain
import EthereumTypes
import Execution
import Primitives
import State
import Storage

/// Balances and allowances of ERC-20 tokens, set where the token keeps them.
///
/// The place is found by asking the token: of the slots that it reads for its answer, the one whose
/// value comes back when it is another.
extension DevnetNamespace {
    var tokenMethods: [RPCMethod] {
        setter("dealERC20", ["to", "token", "amount"], dealTokens)
            + setter("setERC20Balance", ["to", "token", "amount"], dealTokens)
            + setter(
                "setERC20Allowance", ["owner", "spender", "token", "amount"], setAllowance)
    }

    private func dealTokens(
        context: RPCContext, _ owner: Address, _ token: Address, _ amount: LenientQuantity
    ) async throws {
        // balanceOf(address)
        let question = [0x70, 0xa0, 0x82, 0x31] + owner.uint256.bigEndianBytes
        try await set(question, of: token, to: amount.value, context)
    }

    private func setAllowance(
        context: RPCContext, _ owner: Address, _ spender: Address, _ token: Address,
        _ amount: LenientQuantity
    ) async throws {
        // allowance(address,address)
        let question =
            [0xdd, 0x62, 0xed, 0x3e] + owner.uint256.bigEndianBytes
            + spender.uint256.bigEndianBytes
        try await set(question, of: token, to: amount.value, context)
    }

    private func set(
        _ question: Bytes, of token: Address, to amount: UInt256, _ context: RPCContext
    ) async throws {
        let call = CallRequest(to: token, data: question)
        let place = try await context.execute { [services] in
            try Self.place(of: call, ChainAccess(services), context)
        }
        guard let place else {
            throw RPCError.server("the token keeps the value in no slot that could be found")
        }
        try await devnet.override([
            .storage(place.address, slot: place.slot, value: amount)
        ])
    }

    /// Where the answer to a call comes from.
    private static func place(
        of call: CallRequest, _ chain: ChainAccess, _ context: RPCContext
    ) throws -> (address: Address, slot: UInt256)? {
        let gasCap = context.limits.callGas
        let tracer = AccessListTracer(ignoring: [], startingWith: [])
        let scene = try CallScene(chain, nil)
        let answer = try scene.run(call, gasCap: gasCap, tracer: tracer)
        guard answer.succeeded, answer.output.count == 32 else { return nil }
        // A value that no token has by itself, and that no rounding changes by chance.
        let probe = UInt256(0x5eed_5eed_5eed_5eed)
        for entry in tracer.accesses.list {
            for key in entry.storageKeys {
                guard .now < context.deadline else { throw RPCError.timedOut }
                let override = StateOverride(storage: .changed([key.uint256: probe]))
                let difference = try StateDiff(
                    overriding: scene.state, with: [entry.address: override])
                let changed = try CallScene(
                    scene.context, StateOverlay(base: scene.state, diff: difference), nil, nil
                ).run(call, gasCap: gasCap)
                if changed.succeeded, changed.output == probe.bigEndianBytes {
                    return (entry.address, key.uint256)
                }
            }
        }
        return nil
    }
}
