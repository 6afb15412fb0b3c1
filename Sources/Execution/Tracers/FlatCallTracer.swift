//  geth's `flatCallTracer` (`eth/tracers/native/call_flat.go`): the calls of a transaction one after
//  another, each with its address in the tree, much as Parity showed them.

public import EVM
public import EthereumTypes
public import Primitives
public import State

/// Shows the calls of a transaction as a list.
public final class FlatCallTracer: TraceRecorder {
    /// What is shown.
    public struct Options: Hashable, Sendable {
        /// Errors in Parity's words (`convertParityErrors`).
        public var hasParityErrors: Bool
        /// Calls of precompiles too (`includePrecompiles`).
        public var includesPrecompiles: Bool

        /// Options; by default geth's errors and no precompiles.
        public init(hasParityErrors: Bool = false, includesPrecompiles: Bool = false) {
            self.hasParityErrors = hasParityErrors
            self.includesPrecompiles = includesPrecompiles
        }
    }

    private let options: Options
    private let subject: TraceSubject
    private let tree: CallTree

    /// A tracer that keeps no more than so many bytes.
    public init(_ options: Options, of subject: TraceSubject, limit: Int = .max) {
        self.options = options
        self.subject = subject
        tree = CallTree(limit: limit)
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

    /// All calls, each before those that it made.
    public func result(
        of outcome: TransactionOutcome, limit: Int
    ) throws(TraceTooLarge) -> Bytes {
        guard !tree.isTooLarge else { throw TraceTooLarge() }
        var writer = JSONWriter(capacity: 512 * tree.frames.count)
        writer.beginArray()
        try tree.forEachFlat(
            precompiles: options.includesPrecompiles ? .included : .left
        ) { (index, address, callCount) throws(TraceTooLarge) in
            guard writer.bytes.count <= limit else { throw TraceTooLarge() }
            write(index, address, callCount, to: &writer)
        }
        writer.endArray()
        return try writer.bytes.within(limit)
    }

    private func write(
        _ index: Int, _ address: [Int], _ callCount: Int, to writer: inout JSONWriter
    ) {
        let frame = tree.frames[index]
        writer.object { writer in
            writer.key("action")
            writer.object { writer in writeAction(index, to: &writer) }
            writer.key("blockHash")
            if let hash = subject.blockHash { writer.hash(hash) } else { writer.null() }
            writer.key("blockNumber")
            writer.number(subject.blockNumber ?? 0)
            if let error = frame.errorText {
                writer.key("error")
                writer.string(options.hasParityErrors ? ParityError.text(of: frame) : error)
            }
            if frame.entry.kind != .selfDestruct, frame.halt == nil || frame.halt == .reverted {
                writer.key("result")
                writer.object { writer in writeResult(index, to: &writer) }
            }
            writer.key("subtraces")
            writer.number(callCount)
            writer.key("traceAddress")
            writer.array { writer in for step in address { writer.number(step) } }
            writer.key("transactionHash")
            if let hash = subject.transactionHash { writer.hash(hash) } else { writer.null() }
            writer.key("transactionPosition")
            writer.number(subject.transactionIndex ?? 0)
            writer.key("type")
            writer.string(frame.entry.kind.flatType)
        }
    }

    private func writeAction(_ index: Int, to writer: inout JSONWriter) {
        let frame = tree.frames[index]
        let entry = frame.entry
        if entry.kind == .selfDestruct {
            writer.key("address")
            writer.address(entry.caller)
            writer.key("balance")
            writer.hexQuantity(entry.value)
            writer.key("refundAddress")
            writer.address(entry.recipient)
            return
        }
        writer.key(frame.isCreation ? "creationMethod" : "callType")
        writer.string(entry.kind.tracedName.lowercased())
        writer.key("from")
        writer.address(entry.caller)
        writer.key("gas")
        writer.hexQuantity(index == 0 ? tree.gasLimit : entry.gas)
        writer.key(frame.isCreation ? "init" : "input")
        writer.hexData(entry.input)
        if !frame.isCreation {
            writer.key("to")
            writer.address(frame.target)
        }
        writer.key("value")
        writer.hexQuantity(entry.kind == .staticCall ? .zero : entry.value)
    }

    private func writeResult(_ index: Int, to writer: inout JSONWriter) {
        let frame = tree.frames[index]
        if frame.isCreation, frame.halt == nil {
            writer.key("address")
            writer.address(frame.entry.recipient)
        }
        if frame.isCreation {
            writer.key("code")
            writer.hexData(frame.exit?.output ?? [])
        }
        writer.key("gasUsed")
        writer.hexQuantity(index == 0 ? tree.gasUsed : frame.exit?.gasUsed ?? 0)
        if !frame.isCreation {
            writer.key("output")
            writer.hexData(frame.exit?.output ?? [])
        }
    }
}

extension CallTree {
    /// Whether calls of precompiles are listed.
    public enum PrecompileRule: Sendable { case included, left }

    /// Calls a function with each frame before those that it made: its index, its address (which
    /// call of which call …) and how many calls it made that are listed.
    public func forEachFlat<Failure: Error>(
        precompiles: PrecompileRule,
        _ body: (_ index: Int, _ address: [Int], _ callCount: Int) throws(Failure) -> Void
    ) throws(Failure) {
        guard !frames.isEmpty else { return }
        func listed(_ index: Int) -> [Int] {
            precompiles == .included
                ? frames[index].calls : frames[index].calls.filter { !isPrecompileCall($0) }
        }
        var open: [(calls: [Int], next: Int)] = [(listed(0), 0)]
        var address: [Int] = []
        try body(0, address, open[0].calls.count)
        while let (calls, next) = open.last {
            guard next < calls.count else {
                open.removeLast()
                if !open.isEmpty { address.removeLast() }
                continue
            }
            open[open.count - 1].next += 1
            address.append(next)
            let inner = listed(calls[next])
            try body(calls[next], address, inner.count)
            open.append((inner, 0))
        }
    }

    private func isPrecompileCall(_ index: Int) -> Bool {
        let entry = frames[index].entry
        return (entry.kind == .call || entry.kind == .staticCall)
            && Precompiles.contains(entry.target, at: fork)
    }
}

extension CallKind {
    /// The kind in a list of calls.
    public var flatType: String {
        switch self {
        case .call, .callCode, .delegateCall, .staticCall: "call"
        case .create, .create2: "create"
        case .selfDestruct: "suicide"
        }
    }
}

/// Errors in the words of Parity and OpenEthereum, which their clients match on.
public enum ParityError {
    /// What Parity says about a frame that failed.
    public static func text(of frame: CallTree.Frame) -> String {
        guard let halt = frame.halt else { return "" }
        return switch halt {
        case .reverted: "Reverted"
        case .outOfGas, .codeStoreOutOfGas, .codeTooLarge, .reentrancySentry: "Out of gas"
        case .invalidJump: "Bad jump destination"
        case .invalidOpcode: "Bad instruction"
        case .stackUnderflow: "Stack underflow"
        case .stackOverflow: "Out of stack"
        case .returnDataOutOfBounds: "Out of bounds"
        case .precompileFailed: "Built-in failed"
        case .writeProtection, .callDepthExceeded, .insufficientBalance, .addressCollision,
            .nonceOverflow, .initCodeTooLarge, .invalidCodePrefix, .cancelled:
            halt.gethText
        }
    }
}
