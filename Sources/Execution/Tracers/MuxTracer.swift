//  geth's `muxTracer` (`eth/tracers/native/mux.go`): several tracers in one run.

public import EVM
public import EthereumTypes
public import Primitives
public import State

/// Tells several tracers what happens.
public final class MuxTracer: TraceRecorder {
    private let recorders: [(name: String, recorder: any TraceRecorder)]

    /// A tracer of these, by the names that their results get.
    public init(_ recorders: [String: any TraceRecorder]) {
        self.recorders = recorders.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// Tells all of them.
    public func transactionBegins(
        _ transaction: RecoveredTransaction, fork: Fork, block: BlockEnvironment,
        state: JournaledState
    ) {
        for (_, recorder) in recorders {
            recorder.transactionBegins(transaction, fork: fork, block: block, state: state)
        }
    }

    /// Tells all of them.
    public func transactionEnds(gasUsed: Gas) {
        for (_, recorder) in recorders { recorder.transactionEnds(gasUsed: gasUsed) }
    }

    /// Tells all of them.
    public func step(_ step: borrowing Step) {
        for (_, recorder) in recorders { recorder.step(step) }
    }

    /// Tells all of them.
    public func stepEnd(gasCost: Gas, refund: Int, halt: Halt?) {
        for (_, recorder) in recorders {
            recorder.stepEnd(gasCost: gasCost, refund: refund, halt: halt)
        }
    }

    /// Tells all of them.
    public func callEnter(_ entry: CallEntry) {
        for (_, recorder) in recorders { recorder.callEnter(entry) }
    }

    /// Tells all of them.
    public func callExit(_ exit: CallExit) {
        for (_, recorder) in recorders { recorder.callExit(exit) }
    }

    /// Tells all of them.
    public func accountAccess(_ address: Address) {
        for (_, recorder) in recorders { recorder.accountAccess(address) }
    }

    /// Tells all of them.
    public func storageAccess(_ address: Address, slot: UInt256) {
        for (_, recorder) in recorders { recorder.storageAccess(address, slot: slot) }
    }

    /// Tells all of them.
    public func log(_ log: Log) {
        for (_, recorder) in recorders { recorder.log(log) }
    }

    /// The results by name.
    public func result(
        of outcome: TransactionOutcome, limit: Int
    ) throws(TraceTooLarge) -> Bytes {
        var writer = JSONWriter()
        writer.beginObject()
        for (name, recorder) in recorders {
            writer.key(name)
            writer.raw(
                try recorder.result(of: outcome, limit: max(0, limit - writer.bytes.count)))
        }
        writer.endObject()
        return try writer.bytes.within(limit)
    }
}
