import Chain
import EthereumTypes
import Execution
import Primitives
import State
import Storage

/// Resolves what clients call a block to what the chain has under that name.
///
/// A value made for each call: it holds one head, so that all of a call's reads see the same chain.
struct ChainAccess {
    let head: Head
    let services: RPCServices

    init(_ services: RPCServices) {
        self.services = services
        head = services.blockchain.head
    }

    var view: ChainView { head.view }
    var config: ChainConfig { services.blockchain.config }

    /// The number that a tag stands for; the pending block counts as the one after the head.
    func number(of tag: BlockTag) throws -> BlockNumber {
        switch tag {
        case .latest: head.number
        case .pending: head.number + 1
        case .earliest: 0
        // Where one producer makes the chain, a block is final as soon as it is there.
        case .safe: view.safe?.number ?? head.number
        case .finalized: view.finalized?.number ?? head.number
        case .number(let number): number
        }
    }

    /// The number of a mined block; the pending one counts as the head.
    func minedNumber(of reference: BlockReference?) throws -> BlockNumber {
        switch reference {
        case nil: return head.number
        case .tag(let tag): return min(try number(of: tag), tag == .pending ? head.number : .max)
        case .hash(let hash, let requireCanonical):
            guard let number = try view.number(of: hash) else {
                throw RPCError.server("header for hash not found")
            }
            guard try view.canonicalHash(number) == hash else {
                throw RPCError.server(
                    requireCanonical ? "hash is not currently canonical" : "header not found")
            }
            return number
        }
    }

    /// The block that would be made now, and the state after it; nil where the head has moved on
    /// meanwhile, or nobody knows what a block would be made with.
    func pendingBlock() throws -> PendingBlock? {
        if let devnet = services.devnet {
            let built = try devnet.pendingBlock()
            guard built.block.header.parentHash == head.hash else { return nil }
            return pendingBlock(built, built.block.transactions.map { $0.hash() })
        }
        let content = try services.nextBlock?.content(
            on: head, from: services.pool, keptFor: services.limits.pendingSeconds)
        return content.map { pendingBlock($0.built, $0.transactionHashes) }
    }

    private func pendingBlock(_ built: BuiltBlock, _ hashes: [Hash256]) -> PendingBlock {
        PendingBlock(
            block: built.block, senders: built.senders, transactionHashes: hashes,
            receipts: built.outcome.receipts,
            state: StateOverlay(base: view.state, diff: built.outcome.diff))
    }

    /// The block of a tag, or nil if the chain has none; not the pending one.
    func block(_ tag: BlockTag) throws -> StoredBlock? {
        try view.block(try number(of: tag))
    }

    /// The block of a reference, or nil if the chain has none; not the pending one.
    func block(_ reference: BlockReference) throws -> StoredBlock? {
        switch reference {
        case .tag(let tag): try block(tag)
        case .hash(let hash, _): try view.block(hash: hash)
        }
    }

    /// The state after a block.
    func state(at reference: BlockReference?) throws -> any StateReader {
        if case .tag(.pending) = reference {
            return try pendingBlock()?.state ?? view.state
        }
        let number = try minedNumber(of: reference)
        if number == head.number { return view.state }
        guard number < head.number else { throw RPCError.headerNotFound }
        return try view.state(at: number)
    }

    /// What a call at a block runs in: the block itself with the state after it.
    func callContext(
        at reference: BlockReference?
    ) throws -> (context: ExecutionContext, state: any StateReader) {
        if case .tag(.pending) = reference, let pending = try pendingBlock() {
            return (ExecutionContext(header: pending.block.header, config: config), pending.state)
        }
        let number = try minedNumber(of: reference)
        if number == head.number {
            return (ExecutionContext(header: head.header, config: config), view.state)
        }
        guard number < head.number, let header = try view.header(number) else {
            throw RPCError.headerNotFound
        }
        return (ExecutionContext(header: header, config: config), try view.state(at: number))
    }
}

/// A block that is not mined yet.
struct PendingBlock {
    let block: Block
    let senders: [Address]
    let transactionHashes: [Hash256]
    let receipts: [Receipt]
    /// The state after it.
    let state: any StateReader
}
