//  geth's `noopTracer`: what tracing costs without a trace.

import EVM
public import Primitives

/// Sees every step and keeps nothing.
public final class NoopTracer: TraceRecorder {
    /// A tracer.
    public init() {}

    /// An empty object.
    public func result(
        of outcome: TransactionOutcome, limit: Int
    ) throws(TraceTooLarge) -> Bytes {
        Bytes("{}".utf8)
    }
}
