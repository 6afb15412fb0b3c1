//  geth's `4byteTracer` (`eth/tracers/native/4byte.go`).

public import EVM
public import EthereumTypes
public import Primitives
public import State

/// Counts the selectors that contracts are called with, each with the size of its arguments.
public final class FourByteTracer: TraceRecorder {
    private var counts: [String: Int] = [:]
    private var fork = Fork.frontier

    private let limit: Int
    /// Memory of an entry: its key, its count and the room in the table.
    private static let entryBytes = 64

    /// A tracer that keeps no more than so many bytes.
    public init(limit: Int = .max) {
        self.limit = limit
    }

    /// Remembers the fork, for its precompiles.
    public func transactionBegins(
        _ transaction: RecoveredTransaction, fork: Fork, block: BlockEnvironment,
        state: JournaledState
    ) {
        self.fork = fork
    }

    /// Counts a call that is not of a precompile.
    public func callEnter(_ entry: CallEntry) {
        guard entry.input.count >= 4, counts.count <= limit / Self.entryBytes else { return }
        switch entry.kind {
        case .create, .create2, .selfDestruct: return
        case .call, .callCode, .delegateCall, .staticCall: break
        }
        guard !Precompiles.contains(entry.target, at: fork) else { return }
        let selector = Hex.encode(Bytes(entry.input.prefix(4)))
        counts["\(selector)-\(entry.input.count - 4)", default: 0] += 1
    }

    /// How often, by selector and size.
    public func result(
        of outcome: TransactionOutcome, limit: Int
    ) throws(TraceTooLarge) -> Bytes {
        guard counts.count <= min(limit, self.limit) / Self.entryBytes else {
            throw TraceTooLarge()
        }
        var writer = JSONWriter()
        writer.object { writer in
            for (key, count) in counts.sorted(by: { $0.key < $1.key }) {
                writer.key(key)
                writer.number(count)
            }
        }
        return try writer.bytes.within(limit)
    }
}
