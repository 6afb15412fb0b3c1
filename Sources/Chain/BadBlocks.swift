public import EthereumTypes
public import Primitives

/// A block that was found invalid.
public struct BadBlock: Sendable {
    /// The hash of the block.
    public let hash: Hash256
    /// The block itself.
    public let block: Block
    /// Why it is invalid.
    public let reason: ChainError
}

/// What is remembered of an invalid block.
public struct Invalidity: Sendable {
    /// Why it is invalid.
    public let reason: ChainError
    /// The last valid block before it.
    public let lastValid: Hash256
}

/// The blocks that were found invalid, so that they and what builds on them are not executed again.
///
/// Bounded: the newest with their bodies, more of them with their hashes only. In memory, because a
/// later program may be right where this one is wrong.
struct BadBlocks {
    /// The newest first.
    private(set) var blocks: [BadBlock] = []
    private(set) var facts: [Hash256: Invalidity] = [:]
    /// The hashes of `facts` in the order in which they came.
    private var order: [Hash256] = []

    /// Why a block is refused, if it or its parent was found invalid before; a child of an invalid
    /// block is remembered as well.
    mutating func refusal(of block: Block, _ hash: Hash256) -> ChainError? {
        if let fact = facts[hash] { return fact.reason }
        let parent = block.header.parentHash
        guard let fact = facts[parent] else { return nil }
        let ancestor =
            if case .invalidAncestor(let hash, _) = fact.reason { hash } else { parent }
        let reason = ChainError.invalidAncestor(ancestor, lastValid: fact.lastValid)
        insert(block, hash, Invalidity(reason: reason, lastValid: fact.lastValid))
        return reason
    }

    /// Remembers a block that was found invalid on a valid parent.
    mutating func insert(_ block: Block, _ hash: Hash256, reason: ChainError) {
        insert(block, hash, Invalidity(reason: reason, lastValid: block.header.parentHash))
    }

    private mutating func insert(_ block: Block, _ hash: Hash256, _ fact: Invalidity) {
        if facts.updateValue(fact, forKey: hash) == nil { order.append(hash) }
        if order.count > ChainLimits.badHashes {
            // Half at once, so that the cost of moving the others is spread.
            for hash in order.prefix(ChainLimits.badHashes / 2) { facts[hash] = nil }
            order.removeFirst(ChainLimits.badHashes / 2)
        }
        blocks.removeAll { $0.hash == hash }
        blocks.insert(BadBlock(hash: hash, block: block, reason: fact.reason), at: 0)
        if blocks.count > ChainLimits.badBlocks { blocks.removeLast() }
    }
}
