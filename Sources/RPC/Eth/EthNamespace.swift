import Chain
import EthereumTypes
import Primitives

/// The `eth` namespace: the chain, its state, calls, transactions and filters.
///
/// One file a topic; each topic lists its methods.
struct EthNamespace: Sendable {
    let services: RPCServices
    let hub: SubscriptionHub

    var methods: [RPCMethod] {
        nodeMethods + stateMethods + blockMethods + transactionMethods + executionMethods
            + feeMethods + logMethods + accountMethods + sendingMethods + filterMethods
            + subscriptionMethods + bundleMethods + conditionalMethods
    }

    /// The chain as it is now, for one call.
    func chain() -> ChainAccess { ChainAccess(services) }
}
