//  Running blockchain tests.

import EthereumTypes
import Execution
import Primitives
import State
import Synchronization

extension BlockTestCase {
    /// Imports the blocks in order and compares the chain that results with the fixture.
    public func run() -> CaseResult {
        var result = CaseResult(name: name, fork: network)
        let state = InMemoryState(accounts: pre)
        checkGenesis(state, into: &result)
        var chain = FixtureChain(
            genesis: genesis, state: state, config: config,
            seal: checksSeals ? .proofOfWork : .unchecked)
        for (index, block) in blocks.enumerated() {
            do throws(Refusal) {
                let hash = try chain.importBlock(block.encoding)
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
                case .refused(nil): break
                case .refused(let names?):
                    if error.satisfies(names) { continue }
                    result.failures.append(
                        "block \(index) refused with \(error), but expected \(names)")
                }
            }
        }
        checkHead(chain, into: &result)
        return result
    }

    private func checkGenesis(_ state: InMemoryState, into result: inout CaseResult) {
        let root = state.stateRoot()
        if root != genesis.stateRoot {
            result.failures.append("genesis state root \(root), not \(genesis.stateRoot)")
        }
        if genesis.hash() != genesisHash {
            result.failures.append("genesis hash \(genesis.hash()), not \(genesisHash)")
        }
        if let genesisEncoding {
            let block = try? Block(encoded: genesisEncoding)
            if block?.header != genesis || block?.encoded() != genesisEncoding {
                result.failures.append("the genesis block's encoding is not its header's")
            }
        }
    }

    private func checkHead(_ chain: FixtureChain, into result: inout CaseResult) {
        let head = chain.head
        result.stateRoot = head.header.stateRoot
        if head.hash != lastBlockHash {
            result.failures.append("the head is \(head.hash), not \(lastBlockHash)")
        }
        if let postStateRoot, head.header.stateRoot != postStateRoot {
            result.failures.append("state root \(head.header.stateRoot), not \(postStateRoot)")
        }
        if let postState {
            result.failures += head.state.differences(from: InMemoryState(accounts: postState))
        }
    }
}

/// Whether seals are checked.
enum SealCheck { case unchecked, proofOfWork }

/// All blocks of a fixture, each with its state.
struct FixtureChain {
    struct Link {
        let header: Header
        let hash: Hash256
        let ommers: [Header]
        let totalDifficulty: UInt256
        let state: InMemoryState
    }

    private let config: ChainConfig
    private let seal: SealCheck
    private var links: [Hash256: Link] = [:]
    private(set) var head: Link

    init(genesis: Header, state: InMemoryState, config: ChainConfig, seal: SealCheck) {
        self.config = config
        self.seal = seal
        head = Link(
            header: genesis, hash: genesis.hash(), ommers: [], totalDifficulty: genesis.difficulty,
            state: state)
        links[head.hash] = head
    }

    /// Imports a block onto whatever block is its parent. It becomes the head if it is after the merge
    /// or its chain is the heaviest.
    ///
    /// - Returns: the block's hash.
    mutating func importBlock(_ encoding: Bytes) throws(Refusal) -> Hash256 {
        let block: Block
        do throws(BlockDecodingError) {
            block = try Block(encoded: encoding)
        } catch {
            throw .undecodable("\(error)")
        }
        guard let parent = links[block.header.parentHash] else { throw .unknownParent }
        let state = try execute(block, on: parent)

        let (total, _) = parent.totalDifficulty.addingReportingOverflow(block.header.difficulty)
        let link = Link(
            header: block.header, hash: block.hash(), ommers: block.ommers,
            totalDifficulty: total, state: state)
        links[link.hash] = link
        if block.header.isPostMerge || total > head.totalDifficulty { head = link }
        return link.hash
    }

    private func execute(_ block: Block, on parent: Link) throws(Refusal) -> InMemoryState {
        let ancestors = ancestors(from: parent)
        let parentBlock = ParentBlock(
            header: parent.header,
            state: FixtureReader(state: parent.state, hashes: hashes(from: parent)),
            totalDifficulty: parent.totalDifficulty,
            ancestors: ancestors.map { Ancestor(header: $0.header, ommers: $0.ommers) },
            stateRoot: { (diff) throws(StateReadError) in
                var state = parent.state
                state.apply(diff)
                return state.stateRoot()
            })
        let outcome: BlockOutcome
        do throws(BlockExecutionError) {
            outcome = try executeBlock(
                block, senders: try senders(of: block), on: parentBlock, config: config)
        } catch {
            switch error {
            case .invalid(let reason): throw .block(reason)
            case .stateRead(let failure): throw .undecodable(failure.message)
            }
        }
        if seal == .proofOfWork {
            for header in [block.header] + block.ommers
            where !ProofOfWorkCheck.isSealed(header) {
                throw .block(.proofOfWork)
            }
        }
        var state = parent.state
        state.apply(outcome.diff)
        let root = state.stateRoot()
        guard root == block.header.stateRoot else {
            throw .block(.stateRoot(have: block.header.stateRoot, want: root))
        }
        return state
    }

    private func senders(of block: Block) throws(BlockExecutionError) -> [Address] {
        let fork = config.fork(of: block.header)
        var senders: [Address] = []
        for (index, transaction) in block.transactions.enumerated() {
            guard let sender = transaction.recoverSender(at: fork) else {
                throw .invalid(.transaction(index: index, .invalidSignature))
            }
            senders.append(sender)
        }
        return senders
    }

    /// A block and the six before it.
    private func ancestors(from link: Link) -> [Link] {
        var found = [link]
        while found.count < 7, let last = found.last, let next = links[last.header.parentHash] {
            found.append(next)
        }
        return found
    }

    /// The hashes of a block and the 255 before it.
    private func hashes(from link: Link) -> [BlockNumber: Hash256] {
        var hashes: [BlockNumber: Hash256] = [:]
        var link: Link? = link
        while let current = link, hashes.count < 256 {
            hashes[current.header.number] = current.hash
            link = links[current.header.parentHash]
        }
        return hashes
    }
}

/// The state after a block of a fixture, with the hashes of the blocks up to it.
private struct FixtureReader: StateReader {
    let state: InMemoryState
    let hashes: [BlockNumber: Hash256]

    func account(_ address: Address) throws(StateReadError) -> Account? {
        try state.account(address)
    }

    func storage(_ address: Address, _ slot: UInt256) throws(StateReadError) -> UInt256 {
        try state.storage(address, slot)
    }

    func code(_ hash: Hash256) throws(StateReadError) -> Bytes { try state.code(hash) }

    func blockHash(_ number: BlockNumber) throws(StateReadError) -> Hash256? { hashes[number] }
}

/// The caches of the epochs that fixtures need: they take long to make.
private enum ProofOfWorkCheck {
    private static let caches = Mutex<[UInt64: Ethash]>([:])

    static func isSealed(_ header: Header) -> Bool {
        let epoch = header.number / Ethash.epochLength
        // Fixtures have short chains; a cache for whatever number a bad header claims is too costly.
        guard epoch < 4 else { return false }
        let ethash = caches.withLock { caches in
            let ethash = caches[epoch] ?? Ethash(epoch: epoch)
            caches[epoch] = ethash
            return ethash
        }
        return ethash.isSealed(header)
    }
}
