import EVM
import EthereumTypes
import Execution
import Primitives

/// The calls of a transaction as a tree: geth's `callTracer` (`eth/tracers/native/call.go`).
final class CallTracer: Tracer {
    /// What the tree contains.
    struct Detail: RPCParameter {
        var isTopCallOnly = false
        var includesLogs = false

        static func decode(_ text: JSONText) throws(RPCParameterError) -> Detail {
            let fields = try ObjectFields(text, type: "callTracerConfig", name: "callTracerConfig")
            return Detail(
                isTopCallOnly: try fields.read("onlyTopCall") ?? false,
                includesLogs: try fields.read("withLog") ?? false)
        }

        static let schema: JSONValue = ["type": "object"]
    }

    private struct Frame {
        let entry: CallEntry
        var exit: CallExit?
        /// Indices of the frames that this one called.
        var calls: [Int] = []
        var logs: [(log: Log, position: Int)] = []
    }

    private let detail: Detail
    /// All frames in the order in which they were entered.
    private var frames: [Frame] = []
    /// Indices of the frames that are running, outermost first.
    private var running: [Int] = []

    init(_ detail: Detail) {
        self.detail = detail
    }

    func callEnter(_ entry: CallEntry) {
        if let caller = running.last { frames[caller].calls.append(frames.count) }
        running.append(frames.count)
        frames.append(Frame(entry: entry))
    }

    func callExit(_ exit: CallExit) {
        guard let index = running.popLast() else { return }
        frames[index].exit = exit
    }

    func log(_ log: Log) {
        guard detail.includesLogs, let index = running.last else { return }
        frames[index].logs.append((log, frames[index].calls.count))
    }

    /// The tree as JSON. The outermost call shows the gas of the whole transaction.
    func result(of outcome: TransactionOutcome, gasLimit: Gas) -> Bytes {
        var writer = JSONWriter(capacity: 512 * frames.count)
        guard !frames.isEmpty else { return Bytes("null".utf8) }
        // Frames are up to 1024 deep, so the tree is written with a stack of its own.
        var open: [(frame: Int, nextCall: Int)] = [(0, 0)]
        begin(0, gas: gasLimit, gasUsed: outcome.gasUsed, to: &writer)
        while let (frame, nextCall) = open.last {
            let calls = detail.isTopCallOnly ? [] : frames[frame].calls
            if nextCall < calls.count {
                if nextCall == 0 {
                    writer.key("calls")
                    writer.beginArray()
                }
                open[open.count - 1].nextCall += 1
                let call = calls[nextCall]
                open.append((call, 0))
                begin(
                    call, gas: frames[call].entry.gas, gasUsed: frames[call].exit?.gasUsed ?? 0,
                    to: &writer)
            } else {
                if !calls.isEmpty { writer.endArray() }
                end(frame, to: &writer)
                open.removeLast()
            }
        }
        return writer.bytes
    }

    /// The members before the inner calls.
    private func begin(
        _ index: Int, gas: Gas, gasUsed: Gas, to writer: inout JSONWriter
    ) {
        let frame = frames[index]
        let entry = frame.entry
        let halt = frame.exit?.halt
        writer.beginObject()
        writer.key("from")
        writer.address(entry.caller)
        writer.key("gas")
        writer.hexQuantity(gas)
        writer.key("gasUsed")
        writer.hexQuantity(gasUsed)
        let isCreation = entry.kind == .create || entry.kind == .create2
        if !isCreation || halt == nil {
            writer.key("to")
            writer.address(isCreation ? entry.recipient : entry.codeAddress)
        }
        writer.key("input")
        writer.hexData(entry.input)
        let output = frame.exit?.output ?? []
        if !output.isEmpty, halt == nil || halt == .reverted {
            writer.key("output")
            writer.hexData(output)
        }
        guard let halt else { return }
        writer.key("error")
        writer.string(halt.gethText)
        if halt == .reverted, let reason = RevertReason(output).text {
            writer.key("revertReason")
            writer.string(reason)
        }
    }

    /// The members after the inner calls.
    private func end(_ index: Int, to writer: inout JSONWriter) {
        let frame = frames[index]
        // What a failed call logged never happened.
        if !frame.logs.isEmpty, frame.exit?.halt == nil {
            writer.key("logs")
            writer.array { writer in
                for (log, position) in frame.logs {
                    writer.object { writer in
                        writer.key("address")
                        writer.address(log.address)
                        writer.key("topics")
                        log.topics.write(to: &writer)
                        writer.key("data")
                        writer.hexData(log.data)
                        writer.key("position")
                        writer.hexQuantity(UInt64(position))
                    }
                }
            }
        }
        if frame.entry.kind != .staticCall {
            writer.key("value")
            writer.hexQuantity(frame.entry.value)
        }
        writer.key("type")
        writer.string(frame.entry.kind.opcodeName)
        writer.endObject()
    }
}

extension CallKind {
    /// The instruction that enters such a frame.
    fileprivate var opcodeName: String {
        switch self {
        case .call: "CALL"
        case .callCode: "CALLCODE"
        case .delegateCall: "DELEGATECALL"
        case .staticCall: "STATICCALL"
        case .create: "CREATE"
        case .create2: "CREATE2"
        case .selfDestruct: "SELFDESTRUCT"
        }
    }
}
