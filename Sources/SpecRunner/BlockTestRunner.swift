//  Running blockchain tests: on the node's own chain, in a database that is empty before.

import Chain
import EthereumTypes
import Execution
import Primitives
import State
import Storage

extension BlockTestCase {
    /// Imports the blocks in order and compares the chain that results with the fixture.
    public func run(in databases: FixtureDatabases) async -> CaseResult {
        do {
            return try await databases.withDatabase { database in
                var result = CaseResult(name: name, fork: network)
                try await run(in: database, into: &result)
                return result
            }
        } catch {
            var result = CaseResult(name: name, fork: network)
            result.failures.append("\(error)")
            return result
        }
    }

    private func run(in database: Database, into result: inout CaseResult) async throws {
        let chain = try FixtureChain(
            in: database, genesis: genesisOfChain, seal: checksSeals ? .proofOfWork : .unchecked)
        checkGenesis(chain, into: &result)
        await importBlocks(to: chain, into: &result)
        try checkHead(of: chain, into: &result)
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

    private func checkGenesis(_ chain: FixtureChain, into result: inout CaseResult) {
        let head = chain.head
        if head.header != genesis {
            result.failures.append("genesis header \(head.header), not \(genesis)")
        }
        if head.hash != genesisHash {
            result.failures.append("genesis hash \(head.hash), not \(genesisHash)")
        }
        if let genesisEncoding {
            let block = try? Block(encoded: genesisEncoding)
            if block?.header != genesis || block?.encoded() != genesisEncoding {
                result.failures.append("the genesis block's encoding is not its header's")
            }
        }
    }

    private func importBlocks(to chain: FixtureChain, into result: inout CaseResult) async {
        for (index, block) in blocks.enumerated() {
            do throws(Refusal) {
                let hash = try await chain.importBlock(block.encoding)
                switch block.expectation {
                case .accepted(hash): break
                case .accepted(let expected):
                    result.failures.append("block \(index) has hash \(hash), not \(expected)")
                case .refused(let names):
                    result.failures.append(
                        "block \(index) accepted, but expected \(names ?? "a refusal")")
                }
            } catch {
                switch block.expectation {
                case .accepted: result.failures.append("block \(index) refused: \(error)")
                case .refused(let names):
                    if error.isExpected(by: names) { continue }
                    result.failures.append(
                        "block \(index) refused with \(error), but expected \(names ?? "a refusal")"
                    )
                }
            }
        }
    }

    private func checkHead(of chain: FixtureChain, into result: inout CaseResult) throws {
        let head = chain.head
        let root = head.header.stateRoot
        result.stateRoot = root
        if head.hash != lastBlockHash {
            result.failures.append("the head is \(head.hash), not \(lastBlockHash)")
        }
        if let postStateRoot, root != postStateRoot {
            result.failures.append("state root \(root), not \(postStateRoot)")
        }
        if let postState {
            let expected = InMemoryState(accounts: postState)
            if expected.stateRoot() != root {
                result.failures.append("state root \(root), not \(expected.stateRoot())")
            }
            // The root is of the tries; reads come from the flat state, which must agree.
            result.failures += try expected.differences(of: head.view.state)
        }
    }
}
