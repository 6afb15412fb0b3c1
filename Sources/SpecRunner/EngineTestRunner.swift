//  Running engine tests: a node of its own for each, called over HTTP with signed tokens.

import AsyncHTTPClient
import Chain
import EthereumTypes
import Execution
import Foundation
import Logging
import Primitives
import RPC
import Storage
import Sync
import TxPool

extension EngineTestCase {
    /// Gives the blocks in order to a node as a consensus client does, and compares its answers
    /// and the chain that results with the fixture.
    public func run(in databases: FixtureDatabases) async -> CaseResult {
        do {
            return try await databases.withDatabase { database in
                var result = CaseResult(name: name, fork: network)
                let node = try await EngineNode(database: database, genesis: genesisOfChain)
                do {
                    try await run(on: node, into: &result)
                } catch {
                    result.failures.append("\(error)")
                }
                try await node.stop()
                return result
            }
        } catch {
            var result = CaseResult(name: name, fork: network)
            result.failures.append("\(error)")
            return result
        }
    }

    private var genesisOfChain: Genesis {
        Genesis(
            config: config, nonce: genesis.nonce, timestamp: genesis.timestamp,
            extraData: genesis.extraData, gasLimit: genesis.gasLimit,
            difficulty: genesis.difficulty, prevRandao: genesis.prevRandao,
            coinbase: genesis.coinbase, alloc: pre, number: genesis.number,
            gasUsed: genesis.gasUsed, parentHash: genesis.parentHash,
            baseFeePerGas: genesis.baseFeePerGas, excessBlobGas: genesis.excessBlobGas,
            blobGasUsed: genesis.blobGasUsed)
    }

    private func run(on node: EngineNode, into result: inout CaseResult) async throws {
        if node.chain.head.hash != genesisHash {
            result.failures.append("genesis hash \(node.chain.head.hash), not \(genesisHash)")
        }
        let method = payloads.first?.forkchoiceMethod ?? "engine_forkchoiceUpdatedV3"
        if let failure = try await node.choose(genesisHash, by: method) {
            result.failures.append("the genesis as head: \(failure)")
        }
        for (index, payload) in payloads.enumerated() {
            if let failure = try await give(payload, to: node) {
                result.failures.append("payload \(index): \(failure)")
            }
        }
        let head = node.chain.head
        result.stateRoot = head.header.stateRoot
        if head.hash != lastBlockHash {
            result.failures.append("the head is \(head.hash), not \(lastBlockHash)")
        }
        if let postState {
            result.failures += try InMemoryState(accounts: postState)
                .differences(of: head.view.state)
        }
    }

    /// - Returns: what is not as expected.
    private func give(_ payload: EngineTestPayload, to node: EngineNode) async throws -> String? {
        let status: JSONValue
        do throws(RPCClientError) {
            status = try await node.client.call(payload.method, payload.params)
        } catch {
            if case .refused(let refusal) = error,
                payload.expectation == .error(refusal.code)
            {
                return nil
            }
            return "\(error), but expected \(payload.expectation)"
        }
        let name = status["status"]?.stringValue ?? ""
        switch payload.expectation {
        case .error: return "\(status), but expected \(payload.expectation)"
        case .invalid(let reason):
            guard name == "INVALID" else { return "\(status), but expected INVALID" }
            return check(status, of: payload, refusedFor: reason, by: node)
        case .valid:
            guard name == "VALID",
                status["latestValidHash"]?.stringValue == payload.blockHash.description
            else { return "\(status), but expected VALID" }
            return try await node.choose(payload.blockHash, by: payload.forkchoiceMethod)
        }
    }

    /// Checks why a payload is invalid, and the last valid block that the node names: the parent,
    /// or none if the payload is no block at all.
    ///
    /// - Returns: what is not as expected.
    private func check(
        _ status: JSONValue, of payload: EngineTestPayload, refusedFor reason: String,
        by node: EngineNode
    ) -> String? {
        let bad = node.chain.badBlocks.first { $0.hash == payload.blockHash }
        let refusal = bad.map { Refusal($0.reason) } ?? Refusal(ofPayload: status)
        guard refusal.isExpected(by: reason) else {
            return "INVALID because of \(refusal), but expected \(reason)"
        }
        let lastValid = status["latestValidHash"]?.stringValue
        let expected = bad == nil ? nil : payload.parentHash.description
        return lastValid == expected
            ? nil : "latestValidHash \(lastValid ?? "null"), but expected \(expected ?? "null")"
    }
}

extension Refusal {
    /// Why a payload gave no block, by the answer's own words.
    fileprivate init(ofPayload status: JSONValue) {
        let text = status["validationError"]?.stringValue ?? ""
        if text.hasPrefix("a transaction cannot be decoded") {
            self = .undecodable(text)
        } else if text.hasPrefix("blockhash mismatch") {
            self = .blockHash
        } else {
            self = .failed(text)
        }
    }
}

/// A node that is served on the authenticated port of the Engine API, and a client of it.
struct EngineNode {
    let chain: Blockchain
    let client: RPCClient
    private let rpc: RPCNode
    private let server: RPCServer

    init(database: Database, genesis: Genesis) async throws {
        // What a test wrote is of no use after a power failure.
        chain = try Blockchain.open(
            database: database, genesis: genesis,
            options: ChainOptions(sync: .interval(milliseconds: 60_000)))
        let logger = Logger(label: "enginetest") { _ in SwiftLogNoOpLogHandler() }
        let now: @Sendable () -> Timestamp = { Timestamp(max(0, Date.now.timeIntervalSince1970)) }
        let pool = try TransactionPool(
            store: nil, head: PoolHead(chain.head, now: now()),
            options: PoolOptions(policy: .network))
        var limits = RPCLimits()
        limits.executionThreads = 1
        var services = RPCServices(
            blockchain: chain, pool: pool, devnet: nil, keys: [], clientVersion: "apus/enginetest",
            limits: limits)
        services.engine = EngineOptions()
        rpc = RPCNode(services: services, logger: logger)
        server = RPCServer(
            dispatcher: rpc.dispatcher, eventLoops: 1, logger: logger, health: { [:] })
        let key = TokenKey.random()
        let port = try await server.listen(
            .engine(host: "127.0.0.1", port: 0, key: key, now: now))
        client = RPCClient(
            url: "http://127.0.0.1:\(port)", http: .shared,
            authorization: { key.bearer(issuedAt: now()) })
    }

    /// Makes a block the head.
    ///
    /// - Returns: the node's answer, unless it is that the block is valid.
    func choose(_ hash: Hash256, by method: String) async throws -> String? {
        let state: JSONValue = [
            "headBlockHash": .string(hash.description), "safeBlockHash": .string(zero),
            "finalizedBlockHash": .string(zero),
        ]
        let answer = try await client.call(method, [state, nil])
        guard answer["payloadStatus"]?["status"]?.stringValue == "VALID" else {
            return "\(method): \(answer)"
        }
        return nil
    }

    private var zero: String { Hash256.zero.description }

    func stop() async throws {
        try await server.stop()
        await rpc.shutDown()
        try await chain.shutDown()
    }
}
