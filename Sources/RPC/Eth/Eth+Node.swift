import BlockProduction
import Chain
import EVM
import EthereumTypes
import Execution
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
            RPCMethod("eth_capabilities", result: Schema.capabilities, execution: capabilities),
            RPCMethod("eth_config", result: Schema.configuration, instant: configuration),
        ]
    }

    private func chainId(_: RPCContext) -> UInt64 { services.blockchain.config.chainId }

    private func blockNumber(_: RPCContext) -> UInt64 { services.blockchain.head.number }

    /// False, but while a replica is catching up. Who makes a chain is never behind it.
    private func syncing(_: RPCContext) -> SyncStatus {
        SyncStatus(progress: services.progress?())
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

    /// The rules now, next and last on the schedule (EIP-7910).
    private func configuration(_: RPCContext) throws -> JSONValue {
        let chain = chain()
        let genesis = try chain.view.header(0)?.timestamp ?? 0
        let scheduled = chain.config.scheduledForks
        let isActive = { (time: Timestamp) in time <= chain.head.header.timestamp }
        let describe = { (entry: (fork: Fork, time: Timestamp)) in
            chain.config.json(
                of: entry.fork, from: entry.time, genesisHash: services.blockchain.genesisHash,
                genesisTime: genesis)
        }
        let current =
            scheduled.last { isActive($0.time) } ?? (chain.config.fork(of: chain.head.header), 0)
        let next = scheduled.first { !isActive($0.time) }
        return [
            "current": describe(current), "next": next.map(describe) ?? .null,
            "last": next == nil ? .null : scheduled.last.map(describe) ?? .null,
        ]
    }

    /// Which blocks the node can answer for (execution-apis, `eth_capabilities`).
    private func capabilities(_: RPCContext) throws -> JSONValue {
        let head = services.blockchain.head
        func from(_ oldest: BlockNumber) -> JSONValue {
            ["disabled": false, "oldestBlock": .string(UInt256(oldest).hexQuantity)]
        }
        let everything = from(0)
        return [
            "head": [
                "number": .string(UInt256(head.number).hexQuantity),
                "hash": .string(head.hash.description),
            ],
            "state": from(head.view.oldestState), "tx": everything, "logs": everything,
            "receipts": everything, "blocks": everything,
            "stateproofs": from(try head.view.oldestProof()),
        ]
    }
}

extension ChainConfig {
    /// The forks that begin at a time, in order; of several that begin together the newest.
    fileprivate var scheduledForks: [(fork: Fork, time: Timestamp)] {
        var scheduled: [(fork: Fork, time: Timestamp)] = []
        for fork in Fork.allCases {
            guard let time = timestamp(of: fork) else { continue }
            if scheduled.last?.time == time { scheduled.removeLast() }
            scheduled.append((fork, time))
        }
        return scheduled
    }

    /// A fork as `eth_config` describes it (EIP-7910).
    fileprivate func json(
        of fork: Fork, from time: Timestamp, genesisHash: Hash256, genesisTime: Timestamp
    ) -> JSONValue {
        let identifier = forkIdentifier(
            genesisHash: genesisHash, genesisTime: genesisTime, number: .max, timestamp: time)
        let blobs = blobParameters(at: fork).map { parameters -> JSONValue in
            [
                "baseFeeUpdateFraction": .number(String(parameters.baseFeeUpdateFraction)),
                "max": .number(String(parameters.max)),
                "target": .number(String(parameters.target)),
            ]
        }
        let addresses = { (named: [String: Address]) -> JSONValue in
            .object(
                JSONObject(
                    named.sorted { $0.key < $1.key }
                        .map { (key: $0.key, value: .string($0.value.description)) }))
        }
        return [
            "activationTime": .number(String(genesisTime >= time ? 0 : time)),
            "blobSchedule": blobs ?? .null,
            "chainId": .string(UInt256(chainId).hexQuantity),
            "forkId": .string(
                Hex.encode(
                    (0..<4).map { UInt8(truncatingIfNeeded: identifier.hash >> (24 - 8 * $0)) })),
            "precompiles": addresses(Precompiles.named(at: fork)),
            "systemContracts": addresses(SystemContract.named(at: fork, config: self)),
        ]
    }
}

/// The answer of `eth_syncing`: how far the node is, or false.
private struct SyncStatus: RPCResult {
    let progress: SyncProgress?

    func write(to writer: inout JSONWriter) {
        if let progress { progress.write(to: &writer) } else { writer.bool(false) }
    }

    static let schema: JSONValue = [
        "oneOf": [["type": "boolean", "enum": [false]], SyncProgress.schema]
    ]
}
