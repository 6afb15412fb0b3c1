import EVM
import EthereumTypes
import Execution
import Primitives
import State

/// What a frame shows about itself to Parity's clients, and to filters.
struct ParityTrace {
    let frame: CallTree.Frame
    let address: [Int]
    let callCount: Int
    /// The gas of the whole transaction, shown for its outermost call as reth does.
    let transactionGas: Gas?

    /// The traces of a transaction, calls of precompiles left out.
    ///
    /// - Throws: rather than to answer with a part.
    static func all(of tree: CallTree) throws(RPCError) -> [ParityTrace] {
        guard !tree.isTooLarge else { throw .traceTooLarge }
        var traces: [ParityTrace] = []
        tree.forEachFlat(precompiles: .left) { index, address, callCount in
            traces.append(
                ParityTrace(
                    frame: tree.frames[index], address: address, callCount: callCount,
                    transactionGas: index == 0 ? tree.gasUsed : nil))
        }
        return traces
    }

    /// - Parameter place: nil for a call that is not in the chain, which shows none.
    func write(at place: TraceSubject?, to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("action")
            writer.object { writer in writeAction(to: &writer) }
            if let place {
                writer.key("blockHash")
                place.blockHash.write(to: &writer)
                writer.key("blockNumber")
                writer.number(place.blockNumber ?? 0)
            }
            if let halt = frame.halt {
                writer.key("error")
                writer.string(Self.errorText(halt, of: frame))
            }
            writer.key("result")
            if frame.entry.kind != .selfDestruct, frame.halt == nil || frame.halt == .reverted {
                writer.object { writer in writeResult(to: &writer) }
            } else {
                writer.null()
            }
            writer.key("subtraces")
            writer.number(callCount)
            writer.key("traceAddress")
            writer.array { writer in for step in address { writer.number(step) } }
            if let place {
                writer.key("transactionHash")
                place.transactionHash.write(to: &writer)
                writer.key("transactionPosition")
                writer.number(place.transactionIndex ?? 0)
            }
            writer.key("type")
            writer.string(frame.entry.kind.flatType)
        }
    }

    private func writeAction(to writer: inout JSONWriter) {
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
        writer.key("from")
        writer.address(entry.caller)
        if frame.isCreation {
            writer.key("creationMethod")
            writer.string(entry.kind.tracedName.lowercased())
        } else {
            writer.key("callType")
            writer.string(entry.kind.tracedName.lowercased())
        }
        writer.key("gas")
        writer.hexQuantity(entry.gas)
        writer.key(frame.isCreation ? "init" : "input")
        writer.hexData(entry.input)
        if !frame.isCreation {
            writer.key("to")
            writer.address(frame.target)
        }
        writer.key("value")
        writer.hexQuantity(entry.kind == .staticCall ? .zero : entry.value)
    }

    private func writeResult(to writer: inout JSONWriter) {
        if frame.isCreation {
            writer.key("address")
            writer.address(frame.entry.recipient)
            writer.key("code")
            writer.hexData(frame.exit?.output ?? [])
        }
        writer.key("gasUsed")
        writer.hexQuantity(transactionGas ?? frame.exit?.gasUsed ?? 0)
        if !frame.isCreation {
            writer.key("output")
            writer.hexData(frame.exit?.output ?? [])
        }
    }

    /// OpenEthereum's words, and reth's where OpenEthereum had no trace.
    private static func errorText(_ halt: Halt, of frame: CallTree.Frame) -> String {
        switch halt {
        case .insufficientBalance: "Insufficient balance for transfer"
        case .writeProtection: "Mutable Call In Static Context"
        default: ParityError.text(of: frame)
        }
    }

    /// Who acts, for `trace_filter`.
    var from: Address { frame.entry.caller }

    /// On whom; nil for a creation that came to nothing.
    var to: Address? { frame.isCreation && frame.halt != nil ? nil : frame.target }
}

/// The payments for a block and its ommers as traces.
struct RewardTrace {
    let reward: BlockReward
    let isOfBlock: Bool

    func write(blockHash: Hash256, blockNumber: BlockNumber, to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("action")
            writer.object { writer in
                writer.key("author")
                writer.address(reward.recipient)
                writer.key("rewardType")
                writer.string(isOfBlock ? "block" : "uncle")
                writer.key("value")
                writer.hexQuantity(reward.amount)
            }
            writer.key("blockHash")
            writer.hash(blockHash)
            writer.key("blockNumber")
            writer.number(blockNumber)
            writer.key("result")
            writer.null()
            writer.key("subtraces")
            writer.number(0)
            writer.key("traceAddress")
            writer.array { _ in }
            writer.key("transactionHash")
            writer.null()
            writer.key("transactionPosition")
            writer.null()
            writer.key("type")
            writer.string("reward")
        }
    }
}

/// What a transaction changed, as Parity shows it: `=`, `+`, `-` or `*` with both values.
struct ParityStateDiff {
    let diff: StateDiff
    /// Where the code of before is found.
    let reader: any StateReader

    func write(to writer: inout JSONWriter) throws {
        writer.beginObject()
        for (address, change) in diff.accounts.sorted(by: { $0.key < $1.key }) {
            writer.key(address.description)
            writer.beginObject()
            writer.key("balance")
            delta(change.before?.balance, change.after?.balance, to: &writer) { writer, value in
                writer.hexQuantity(value)
            }
            writer.key("code")
            delta(
                try code(change.before), try code(change.after), to: &writer
            ) { writer, value in
                writer.hexData(value)
            }
            writer.key("nonce")
            delta(change.before?.nonce, change.after?.nonce, to: &writer) { writer, value in
                writer.hexQuantity(value)
            }
            writer.key("storage")
            writer.beginObject()
            for slot in change.storage {
                writer.key(Hash256(slot.slot).description)
                delta(
                    change.before == nil ? nil : slot.before,
                    change.after == nil ? nil : slot.after, to: &writer
                ) { writer, value in
                    writer.hexWord(value)
                }
            }
            writer.endObject()
            writer.endObject()
        }
        writer.endObject()
    }

    private func code(_ account: Account?) throws -> Bytes? {
        guard let account else { return nil }
        if account.codeHash == .keccakEmpty { return [] }
        return try diff.code[account.codeHash] ?? reader.code(account.codeHash)
    }

    private func delta<Value: Equatable>(
        _ before: Value?, _ after: Value?, to writer: inout JSONWriter,
        write: (inout JSONWriter, Value) -> Void
    ) {
        switch (before, after) {
        case (let before?, let after?) where before != after:
            writer.object { writer in
                writer.key("*")
                writer.object { writer in
                    writer.key("from")
                    write(&writer, before)
                    writer.key("to")
                    write(&writer, after)
                }
            }
        case (.some, .some), (nil, nil): writer.string("=")
        case (nil, let after?):
            writer.object { writer in
                writer.key("+")
                write(&writer, after)
            }
        case (let before?, nil):
            writer.object { writer in
                writer.key("-")
                write(&writer, before)
            }
        }
    }
}
