import Chain
import Primitives

/// The `net` namespace. The node speaks to no peers; clients probe these methods all the same.
struct NetNamespace: Sendable {
    let services: RPCServices

    var methods: [RPCMethod] {
        [
            RPCMethod("net_version", aliases: ["eth_networkId"], instant: version),
            RPCMethod("net_listening", instant: listening),
            RPCMethod("net_peerCount", instant: peerCount),
        ]
    }

    /// The network's number in decimal digits: the same as the chain's.
    private func version(_: RPCContext) -> String { String(services.blockchain.config.chainId) }

    private func listening(_: RPCContext) -> Bool { true }

    private func peerCount(_: RPCContext) -> UInt64 { 0 }
}
