import EthereumTypes
import Execution
public import Primitives
import State
public import Storage

// Blocks of the chain once more, with all that came of them: for an index that begins later than
// the chain.

extension ChainView {
    /// Executes a block of the chain again, with what was changed by hand before it, and gives what
    /// its commit gave to those who take part.
    ///
    /// - Parameter number: 1 or more; the state of its parent must be retained.
    public func replay(_ number: BlockNumber) throws(ChainError) -> CommittingBlock {
        var parent = try parentBlock(of: number)
        parent.recordsCalls = true
        guard let stored = try block(number), let receipts = try receipts(number) else {
            throw .unknownBlock(number)
        }
        let block = stored.block
        let outcome: BlockOutcome
        do {
            outcome = try applyBody(
                of: block, senders: stored.senders, on: parent, config: config)
        } catch {
            throw ChainError(error)
        }
        let overrides = try overrides(before: number)
        let world = try earlierWorld(number - 1)
        var diff = try stateReading { () throws(StateReadError) in
            try StateDiff(applying: overrides, to: world)
        }
        diff.merge(outcome.diff)
        return CommittingBlock(
            stored: stored, receipts: receipts, diff: diff, calls: outcome.calls ?? [])
    }

    /// Calls a function with every account as it was after a retained block, until it returns
    /// `false`. Reads all accounts and their history; what was changed by hand since the head is
    /// not among them.
    public func forEachAccount(
        after number: BlockNumber, from start: Hash256 = .zero, _ body: (ListedAccount) -> Bool
    ) throws(ChainError) {
        let state = try earlierWorld(number)
        try storing { () throws(StorageError) in
            try state.forEachAccount(from: start) { (listed) throws(StorageError) in
                body(listed)
            }
        }
    }
}
