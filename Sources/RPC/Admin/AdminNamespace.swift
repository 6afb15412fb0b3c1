import Chain
import Cryptography
import EthereumTypes
import Primitives

/// The `admin` namespace. The node speaks to no peers: what is about them answers as a geth that
/// dials nobody does, so that programs that manage nodes need no exception for this one.
struct AdminNamespace: Sendable {
    let services: RPCServices

    var methods: [RPCMethod] {
        [
            RPCMethod("admin_nodeInfo", result: Schema.nodeInfo, instant: nodeInfo),
            RPCMethod("admin_peers", result: Schema.list(["type": "object"]), instant: peers),
            RPCMethod(
                "admin_addPeer", ["enode"],
                aliases: ["admin_removePeer", "admin_addTrustedPeer", "admin_removeTrustedPeer"],
                instant: changePeer),
            RPCMethod("admin_datadir", instant: dataDirectory),
            RPCMethod("admin_clearTxpool", instant: clearPool),
        ]
    }

    private func nodeInfo(_: RPCContext) throws -> JSONValue {
        let head = services.blockchain.head
        let identity = services.blockchain.identity
        let id = keccak256(identity.instanceId).description.dropFirst(2)
        let key = id + keccak256(keccak256(identity.instanceId)).description.dropFirst(2)
        return [
            "id": .string(String(id)),
            "name": .string(services.clientVersion),
            "enode": .string("enode://\(key)@127.0.0.1:0"),
            "ip": "127.0.0.1",
            "ports": ["discovery": .number("0"), "listener": .number("0")],
            "listenAddr": "",
            "protocols": [
                "eth": [
                    "network": .number(String(services.blockchain.config.chainId)),
                    "genesis": .string(services.blockchain.genesisHash.description),
                    "config": services.blockchain.config.json,
                    "head": .string(head.hash.description),
                ]
            ],
        ]
    }

    private func peers(_: RPCContext) -> [JSONValue] { [] }

    /// Takes note of a peer that is never dialled, or strikes it off.
    private func changePeer(_: RPCContext, _ enode: String) throws -> Bool {
        guard let scheme = enode.split(separator: "://", maxSplits: 1).first, scheme == "enode",
            let key = enode.dropFirst(8).split(separator: "@", maxSplits: 1).first,
            key.count == 128, Hex.decode(key) != nil, enode.contains("@")
        else { throw RPCError.server("invalid enode: invalid public key") }
        return true
    }

    private func dataDirectory(_: RPCContext) -> String { services.dataDirectory }

    /// - Returns: how many transactions there were.
    private func clearPool(_: RPCContext) -> UInt64 {
        let status = services.pool.status
        services.pool.removeAll()
        return UInt64(status.pending + status.queued)
    }
}
