import BlockProduction
import Chain
import EthereumTypes
import Primitives

/// What the node is and where its chain ends.
extension EthNamespace {
    var nodeMethods: [RPCMethod] {
        [
            RPCMethod("eth_chainId", instant: chainId),
            RPCMethod("eth_blockNumber", instant: blockNumber),
            RPCMethod("eth_syncing", instant: syncing),
            RPCMethod("eth_mining", instant: mining),
            RPCMethod("eth_hashrate", instant: hashrate),
            RPCMethod("eth_coinbase", instant: coinbase),
            RPCMethod("eth_protocolVersion", instant: protocolVersion),
            RPCMethod("eth_capabilities", instant: capabilities),
        ]
    }

    private func chainId(_: RPCContext) -> UInt64 { services.blockchain.config.chainId }

    private func blockNumber(_: RPCContext) -> UInt64 { services.blockchain.head.number }

    /// False, but while a replica is catching up. Who makes a chain is never behind it.
    private func syncing(_: RPCContext) -> JSONValue {
        guard let progress = services.progress?() else { return false }
        return [
            "startingBlock": .string(UInt256(progress.start).hexQuantity),
            "currentBlock": .string(UInt256(progress.current).hexQuantity),
            "highestBlock": .string(UInt256(progress.highest).hexQuantity),
        ]
    }

    /// Whether blocks are made without being asked for.
    private func mining(_: RPCContext) -> Bool {
        services.devnet.map { $0.mode != .manual } ?? true
    }

    private func hashrate(_: RPCContext) -> UInt64 { 0 }

    private func coinbase(_: RPCContext) -> Address {
        services.devnet?.coinbase ?? services.blockchain.head.header.coinbase
    }

    /// The number of `eth/68`, the protocol that nodes speak to each other today.
    private func protocolVersion(_: RPCContext) -> UInt64 { 68 }

    /// Which blocks the node can answer for (execution-apis, `eth_capabilities`).
    private func capabilities(_: RPCContext) -> JSONValue {
        let head = services.blockchain.head
        let everything: JSONValue = ["disabled": false, "oldestBlock": "0x0"]
        let retained: JSONValue = [
            "disabled": false,
            "oldestBlock": .string(UInt256(head.view.oldestState).hexQuantity),
        ]
        return [
            "head": [
                "number": .string(UInt256(head.number).hexQuantity),
                "hash": .string(head.hash.description),
            ],
            "state": retained, "tx": everything, "logs": everything, "receipts": everything,
            "blocks": everything, "stateproofs": retained,
        ]
    }
}
