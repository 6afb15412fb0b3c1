//  geth's `callTracer` (`eth/tracers/native/call.go`): the calls of a transaction, each inside its
//  caller.

public import EVM
public import EthereumTypes
public import Primitives
public import State

/// Shows the calls of a transaction as nested objects.
public final class CallTracer: TraceRecorder {
    /// What is shown.
    public struct Options: Hashable, Sendable {
        /// Only the message of the transaction itself (`onlyTopCall`).
        public var isTopCallOnly: Bool
        /// The logs of frames that took effect (`withLog`).
        public var includesLogs: Bool

        /// Options; by default all calls and no logs.
        public init(isTopCallOnly: Bool = false, includesLogs: Bool = false) {
            self.isTopCallOnly = isTopCallOnly
            self.includesLogs = includesLogs
        }
    }

    private let tree: CallTree

    /// A tracer that keeps no more than so many bytes.
    public init(_ options: Options = Options(), limit: Int = .max) {
        tree = CallTree(
            limit: limit, includesLogs: options.includesLogs,
            isTopCallOnly: options.isTopCallOnly)
    }

    /// Passes it to the tree.
    public func transactionBegins(
        _ transaction: RecoveredTransaction, fork: Fork, block: BlockEnvironment,
        state: JournaledState
    ) {
        tree.transactionBegins(transaction, fork: fork, block: block, state: state)
    }

    /// Passes it to the tree.
    public func transactionEnds(gasUsed: Gas) { tree.transactionEnds(gasUsed: gasUsed) }
    /// Passes it to the tree.
    public func callEnter(_ entry: CallEntry) { tree.callEnter(entry) }
    /// Passes it to the tree.
    public func callExit(_ exit: CallExit) { tree.callExit(exit) }
    /// Passes it to the tree.
    public func log(_ log: Log) { tree.log(log) }

    /// The outermost call, with the gas of the whole transaction, and the others in it.
    public func result(
        of outcome: TransactionOutcome, limit: Int
    ) throws(TraceTooLarge) -> Bytes {
        try tree.nested(limit: limit) { index, _, writer in
            tree.writeCall(index, to: &writer)
        } end: { index, hasFailed, writer in
            tree.writeEffects(index, hasFailed: hasFailed, to: &writer)
            tree.writeType(index, to: &writer)
        }
    }
}
