import Cryptography
import Primitives

/// The `web3` namespace.
struct Web3Namespace: Sendable {
    let services: RPCServices

    var methods: [RPCMethod] {
        [
            RPCMethod("web3_clientVersion", instant: clientVersion),
            RPCMethod("web3_sha3", ["data"], instant: sha3),
        ]
    }

    private func clientVersion(_: RPCContext) -> String { services.clientVersion }

    private func sha3(_: RPCContext, _ data: HexData) -> Hash256 { keccak256(data.bytes) }
}
