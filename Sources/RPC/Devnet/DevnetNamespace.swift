import BlockProduction
import Chain
import EthereumTypes
import Execution
import Primitives
import Storage
import TxPool

/// The methods of developers' tools, by which a devnet's state, blocks and clock are changed at will.
///
/// Names are those of anvil; `hardhat_` and `evm_` names of the same methods are served with the
/// result that their own tools give: `true` where anvil answers null. One file a topic.
struct DevnetNamespace: Sendable {
    let services: RPCServices
    let devnet: Devnet

    var methods: [RPCMethod] {
        miningMethods + clockMethods + snapshotMethods + accountMethods + nextBlockMethods
            + poolMethods + infoMethods + chainMethods + tokenMethods + stateMethods
            + detailedMethods
    }

    /// Declares a method that only does something under both of its names.
    func setter<each Parameter: RPCParameter>(
        _ name: String, _ parameters: [String], aliases: [String] = [],
        _ run: @escaping @Sendable (RPCContext, repeat each Parameter) async throws -> Void
    ) -> [RPCMethod] {
        [
            RPCMethod(
                "anvil_" + name, parameters,
                command: { (context: RPCContext, arguments: repeat each Parameter) in
                    try await run(context, repeat each arguments)
                    return NullResult()
                }),
            RPCMethod(
                "hardhat_" + name, parameters, aliases: aliases,
                command: { (context: RPCContext, arguments: repeat each Parameter) in
                    try await run(context, repeat each arguments)
                    return true
                }),
        ]
    }
}
