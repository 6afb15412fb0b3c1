import BlockProduction
import Chain
import EthereumTypes
import Primitives
import TxPool

/// What developers' tools ask about the node.
extension DevnetNamespace {
    var infoMethods: [RPCMethod] {
        [
            RPCMethod("anvil_nodeInfo", result: Schema.devnetInfo, instant: nodeInfo),
            RPCMethod(
                "anvil_metadata", aliases: ["hardhat_metadata"], result: Schema.metadata,
                instant: metadata),
        ]
    }

    private func nodeInfo(_: RPCContext) -> JSONValue {
        let head = services.blockchain.head
        let next = services.pool.head
        let order =
            switch services.pool.options.order {
            case .fees: "fees"
            case .arrival: "fifo"
            }
        return [
            "currentBlockNumber": .string(UInt256(head.number).hexQuantity),
            "currentBlockTimestamp": .number(String(head.header.timestamp)),
            "currentBlockHash": .string(head.hash.description),
            "nextBlockTimestamp": .number(String(devnet.nextTimestamp)),
            "hardFork": .string(next.fork.name),
            "transactionOrder": .string(order),
            "environment": [
                "baseFee": .string((next.baseFee ?? .zero).hexQuantity),
                "chainId": .number(String(next.config.chainId)),
                "gasLimit": .string(UInt256(next.gasLimit).hexQuantity),
                "gasPrice": .string((next.baseFee ?? .zero).hexQuantity),
            ],
            "forkConfig": ["forkUrl": nil, "forkBlockNumber": nil, "forkRetryBackoff": nil],
        ]
    }

    private func metadata(_: RPCContext) throws -> JSONValue {
        let head = services.blockchain.head
        var snapshots = JSONObject()
        for (id, number) in devnet.snapshots.sorted(by: { $0.key < $1.key }) {
            let hash = try head.view.canonicalHash(number) ?? .zero
            snapshots[UInt256(id).hexQuantity] = [
                .number(String(number)), .string(hash.description),
            ]
        }
        return [
            "clientVersion": .string(services.clientVersion),
            "chainId": .number(String(services.blockchain.config.chainId)),
            "instanceId": .string(services.blockchain.identity.instanceId.description),
            "latestBlockNumber": .number(String(head.number)),
            "latestBlockHash": .string(head.hash.description),
            "forkedNetwork": nil,
            "snapshots": .object(snapshots),
        ]
    }
}
