//  A block of the chain, once more.

public import EthereumTypes
public import Primitives

/// Executes a block that the chain has, and compares all that comes of it with the header but for the
/// state root: `executeBlock`, except that the header's own fields are taken as they are. What a
/// header says of time, gas limit and fees is not compared with its parent, because a devnet's user
/// may have set it: `validateHeader` tells.
public func reexecuteBlock(
    _ block: Block, senders: [Address], on parent: ParentBlock, config: ChainConfig
) throws(BlockExecutionError) -> BlockOutcome {
    do throws(InvalidBlock) {
        try validateBody(of: block, parent: parent, config: config)
        guard senders.count == block.transactions.count else {
            throw .senderCount(have: senders.count, want: block.transactions.count)
        }
    } catch {
        throw .invalid(error)
    }
    let outcome = try applyBody(of: block, senders: senders, on: parent, config: config)
    do throws(InvalidBlock) {
        try validate(outcome, of: block)
    } catch {
        throw .invalid(error)
    }
    return outcome
}
