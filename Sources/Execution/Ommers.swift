//  Ommers: blocks beside the chain that a block before the merge may name, and the rewards for
//  both.

import Cryptography
public import EthereumTypes
public import Primitives
import State

/// EELS `MAX_OMMER_DEPTH`: an ommer is at most this many blocks older than the one that names it.
private let maxOmmerDepth = 6

/// The most ommers of a block.
public let maxOmmers = 2

/// Checks the ommers of a block: EELS `validate_ommers`.
///
/// - Parameter ancestors: the block's parent and the ancestors before it, as many as there are, but
///   no more than seven count.
func validateOmmers(
    of block: Block, ancestors: [Ancestor], config: ChainConfig
) throws(InvalidBlock) {
    let ommers = block.ommers
    guard !ommers.isEmpty else { return }
    guard ommers.count <= maxOmmers else { throw .tooManyOmmers(ommers.count) }

    let recent = ancestors.prefix(maxOmmerDepth + 1)
    var headers: [Hash256: Header] = [:]
    var seen: Set<Hash256> = []
    for ancestor in recent {
        headers[ancestor.header.hash()] = ancestor.header
        for ommer in ancestor.ommers { seen.insert(ommer.hash()) }
    }
    let blockHash = block.header.hash()
    for (index, ommer) in ommers.enumerated() {
        let hash = ommer.hash()
        guard seen.insert(hash).inserted else { throw .ommer(index: index, .duplicate) }
        guard headers[hash] == nil, hash != blockHash else {
            throw .ommer(index: index, .isAncestor)
        }
        guard let parent = headers[ommer.parentHash] else {
            throw .ommer(index: index, .parentNotAncestor)
        }
        guard ommer.parentHash != block.header.parentHash else {
            throw .ommer(index: index, .isSibling)
        }
        // Only blocks before the merge have ommers, and those are from before it as well.
        let fork = config.fork(
            number: ommer.number, timestamp: ommer.timestamp, isPostMerge: false)
        do throws(InvalidBlock) {
            try validateHeader(ommer, parent: parent, at: fork, config: config)
        } catch {
            throw .ommer(index: index, .header(error))
        }
        // The parent is at most seven blocks back, so the ommer is at most six: its age is right.
        guard ommer.number < block.header.number else {
            throw .ommer(index: index, .parentNotAncestor)
        }
    }
}

/// A payment for making a block or one of its ommers.
public struct BlockReward: Hashable, Sendable {
    /// Who is paid.
    public var recipient: Address
    /// In wei.
    public var amount: Wei

    /// A payment.
    public init(recipient: Address, amount: Wei) {
        self.recipient = recipient
        self.amount = amount
    }
}

/// What whoever made the block and its ommers gets: EELS `pay_rewards`.
public func blockRewards(ommers: [Header], in context: ExecutionContext) -> [BlockReward] {
    guard let reward = blockReward(at: context.fork) else { return [] }
    let inclusion = reward.divided(by: 32) &* UInt256(ommers.count)
    var rewards = [
        BlockReward(recipient: context.block.coinbase, amount: reward &+ inclusion)
    ]
    for ommer in ommers {
        // Validated to be between one and six.
        let age = context.block.number &- ommer.number
        guard age < 8 else { continue }
        rewards.append(
            BlockReward(
                recipient: ommer.coinbase,
                amount: (UInt256(8 - age) &* reward).divided(by: 8)))
    }
    return rewards
}

/// The reward of a block with proof of work (EIP-649, EIP-1234); nil after the merge.
private func blockReward(at fork: Fork) -> Wei? {
    let ether: Wei = 1_000_000_000_000_000_000
    if fork >= .paris { return nil }
    if fork >= .constantinople { return ether &* 2 }
    if fork >= .byzantium { return ether &* 3 }
    return ether &* 5
}
