import EVM
import EthereumTypes
import Execution
import Primitives
import State

/// What Parity's traces of one transaction are made from.
final class ParityRecorder: Tracer {
    let tree: CallTree
    let vm: VMTracer?

    /// - Parameter limit: bytes that each part may have.
    init(_ types: TraceTypes, limit: Int) {
        tree = CallTree(limit: limit)
        vm = types.contains(.vmTrace) ? VMTracer(limit: limit) : nil
    }

    func transactionBegins(
        _ transaction: RecoveredTransaction, fork: Fork, block: BlockEnvironment,
        state: JournaledState
    ) {
        tree.transactionBegins(transaction, fork: fork, block: block, state: state)
        vm?.transactionBegins(transaction, fork: fork, block: block, state: state)
    }

    func transactionEnds(gasUsed: Gas) {
        tree.transactionEnds(gasUsed: gasUsed)
        vm?.transactionEnds(gasUsed: gasUsed)
    }

    func step(_ step: borrowing Step) { vm?.step(step) }

    func stepEnd(gasCost: Gas, refund: Int, halt: Halt?) {
        vm?.stepEnd(gasCost: gasCost, refund: refund, halt: halt)
    }

    func callEnter(_ entry: CallEntry) {
        tree.callEnter(entry)
        vm?.callEnter(entry)
    }

    func callExit(_ exit: CallExit) {
        tree.callExit(exit)
        vm?.callExit(exit)
    }
}

/// The parts of a replay that are wanted.
struct TraceTypes: OptionSet, RPCParameter {
    let rawValue: Int

    static let trace = TraceTypes(rawValue: 1)
    static let vmTrace = TraceTypes(rawValue: 2)
    static let stateDiff = TraceTypes(rawValue: 4)

    static func decode(_ text: JSONText) throws(RPCParameterError) -> TraceTypes {
        var types: TraceTypes = []
        for name in try [String].decode(text) {
            switch name {
            case "trace": types.insert(.trace)
            case "vmTrace": types.insert(.vmTrace)
            case "stateDiff": types.insert(.stateDiff)
            default:
                throw RPCParameterError(
                    "unknown variant `\(name)`, expected one of `trace`, `vmTrace`, `stateDiff`")
            }
        }
        return types
    }

    static let schema: JSONValue = [
        "type": "array",
        "items": ["type": "string", "enum": ["trace", "vmTrace", "stateDiff"]],
    ]
}
