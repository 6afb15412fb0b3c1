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
        guard !tree.isTooLarge else { throw TraceTooLarge() }
        guard !tree.frames.isEmpty else { return Bytes("null".utf8) }
        var writer = JSONWriter(capacity: 512 * tree.frames.count)
        // Frames are up to 1024 deep, so the tree is written with a stack of its own.
        var open: [(frame: Int, nextCall: Int, hasFailed: Bool)] = [
            (0, 0, tree.frames[0].halt != nil)
        ]
        begin(0, to: &writer)
        while let (index, nextCall, hasFailed) = open.last {
            guard writer.bytes.count <= limit else { throw TraceTooLarge() }
            let calls = tree.frames[index].calls
            if nextCall < calls.count {
                if nextCall == 0 {
                    writer.key("calls")
                    writer.beginArray()
                }
                open[open.count - 1].nextCall += 1
                let call = calls[nextCall]
                open.append((call, 0, hasFailed || tree.frames[call].halt != nil))
                begin(call, to: &writer)
            } else {
                if !calls.isEmpty { writer.endArray() }
                end(tree.frames[index], hasFailed: hasFailed, to: &writer)
                open.removeLast()
            }
        }
        return try writer.bytes.within(limit)
    }

    /// The members before the inner calls.
    private func begin(_ index: Int, to writer: inout JSONWriter) {
        let frame = tree.frames[index]
        writer.beginObject()
        writer.key("from")
        writer.address(frame.entry.caller)
        writer.key("gas")
        writer.hexQuantity(index == 0 ? tree.gasLimit : frame.entry.gas)
        writer.key("gasUsed")
        writer.hexQuantity(index == 0 ? tree.gasUsed : frame.exit?.gasUsed ?? 0)
        if !frame.isCreation || frame.halt == nil {
            writer.key("to")
            writer.address(frame.target)
        }
        writer.key("input")
        writer.hexData(frame.entry.input)
        let output = frame.exit?.output ?? []
        if !output.isEmpty, frame.halt == nil || frame.halt == .reverted {
            writer.key("output")
            writer.hexData(output)
        }
        guard let error = frame.errorText else { return }
        writer.key("error")
        writer.string(error)
        if frame.halt == .reverted, let reason = RevertReason(output).text {
            writer.key("revertReason")
            writer.string(reason)
        }
    }

    /// The members after the inner calls.
    private func end(_ frame: CallTree.Frame, hasFailed: Bool, to writer: inout JSONWriter) {
        // What a failed call logged never happened, nor what its calls did.
        if !frame.logs.isEmpty, !hasFailed {
            writer.key("logs")
            writer.array { writer in
                for log in frame.logs { write(log, to: &writer) }
            }
        }
        if frame.entry.kind != .staticCall {
            writer.key("value")
            writer.hexQuantity(frame.entry.value)
        }
        writer.key("type")
        writer.string(frame.entry.kind.tracedName)
        writer.endObject()
    }

    private func write(_ entry: CallTree.FrameLog, to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("address")
            writer.address(entry.log.address)
            writer.key("topics")
            writer.array { writer in
                for topic in entry.log.topics { writer.hash(topic) }
            }
            writer.key("data")
            writer.hexData(entry.log.data)
            writer.key("index")
            writer.hexQuantity(UInt64(entry.index))
            writer.key("position")
            writer.hexQuantity(UInt64(entry.position))
        }
    }
}
