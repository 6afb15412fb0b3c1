//  Call trees as nested JSON objects, each call inside its caller: what geth's `callTracer` and the
//  tracers that are like it have in common.

import EVM
import Primitives

extension CallTree {
    /// Writes one part of a frame.
    ///
    /// - Parameters:
    ///   - index: which frame.
    ///   - hasFailed: whether the frame, or one that it is in, failed.
    typealias FrameWriter = (_ index: Int, _ hasFailed: Bool, _ writer: inout JSONWriter) -> Void

    /// The outermost frame with the others in it; `null` if there is none.
    ///
    /// - Parameters:
    ///   - begin: writes the members before the inner calls.
    ///   - end: writes those after them.
    func nested(
        limit: Int, begin: FrameWriter, end: FrameWriter
    ) throws(TraceTooLarge) -> Bytes {
        guard !isTooLarge else { throw TraceTooLarge() }
        guard !frames.isEmpty else { return Bytes("null".utf8) }
        var writer = JSONWriter(capacity: 512 * frames.count)
        // Frames are up to 1024 deep, so the tree is written with a stack of its own.
        var open: [(frame: Int, nextCall: Int, hasFailed: Bool)] = [(0, 0, frames[0].halt != nil)]
        writer.beginObject()
        begin(0, open[0].hasFailed, &writer)
        while let (index, nextCall, hasFailed) = open.last {
            guard writer.bytes.count <= limit else { throw TraceTooLarge() }
            let calls = frames[index].calls
            if nextCall < calls.count {
                if nextCall == 0 {
                    writer.key("calls")
                    writer.beginArray()
                }
                open[open.count - 1].nextCall += 1
                let call = calls[nextCall]
                let fails = hasFailed || frames[call].halt != nil
                open.append((call, 0, fails))
                writer.beginObject()
                begin(call, fails, &writer)
            } else {
                if !calls.isEmpty { writer.endArray() }
                end(index, hasFailed, &writer)
                writer.endObject()
                open.removeLast()
            }
        }
        return try writer.bytes.within(limit)
    }

    /// The members from `from` to `revertReason`. The outermost frame has the gas of the whole
    /// transaction.
    func writeCall(_ index: Int, to writer: inout JSONWriter) {
        let frame = frames[index]
        writer.key("from")
        writer.address(frame.entry.caller)
        writer.key("gas")
        writer.hexQuantity(index == 0 ? gasLimit : frame.entry.gas)
        writer.key("gasUsed")
        writer.hexQuantity(index == 0 ? gasUsed : frame.exit?.gasUsed ?? 0)
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

    /// `logs` and `value`. What a failed call logged never happened, nor what its calls did.
    func writeEffects(_ index: Int, hasFailed: Bool, to writer: inout JSONWriter) {
        let frame = frames[index]
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
    }

    /// `type`.
    func writeType(_ index: Int, to writer: inout JSONWriter) {
        writer.key("type")
        writer.string(frames[index].entry.kind.tracedName)
    }

    private func write(_ entry: FrameLog, to writer: inout JSONWriter) {
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
