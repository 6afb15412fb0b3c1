/// What the calls of a block's transactions moved, kept where frames begin and end.
///
/// A recorder is not a tracer: both interpreters run at full speed under it, because it looks at
/// frames and never at instructions. It keeps who called whom with how much value, which contracts
/// were made and destroyed, and what of all that was taken back; not input, output or gas.
///
///     begin(0) ─ begin(1) ─ end(1) ─ begin(1) ─ end(1) ─ end(0)
///                                                        └ what a failed frame contains is undone

import EthereumTypes
public import Primitives

/// One call, creation or self-destruct of a transaction.
public struct CallRecord: Hashable, Sendable {
    /// How a frame ended.
    public enum Outcome: Hashable, BitwiseCopyable, Sendable {
        /// Its effects are in the state.
        case succeeded
        /// It halted, was reverted, or is a call that was refused before it began. A creation that is
        /// refused leaves no record.
        case failed
        /// It succeeded inside of one that failed: nothing of it is left.
        case undone
    }

    /// A contract that came to be.
    public struct Creation: Hashable, Sendable {
        /// The hash of the initialisation code.
        public let initCodeHash: Hash256
        /// The hash of the code that it returned; `nil` if the creation failed.
        public internal(set) var codeHash: Hash256?
    }

    /// The transaction's place in its block.
    public let transactionIndex: Int
    /// 0 for the message of the transaction itself.
    public let depth: Int
    /// How the frame was entered.
    public let kind: CallKind
    /// The account that runs the calling code; of a message at depth 0 the sender.
    public let caller: Address
    /// The called or created account, or the beneficiary of a SELFDESTRUCT.
    public let recipient: Address
    /// Whose code ran: the recipient but for CALLCODE, DELEGATECALL and delegated accounts.
    public let codeAddress: Address
    /// The value that the call carries. DELEGATECALL and STATICCALL carry none.
    public let value: Wei
    /// How it ended.
    public internal(set) var outcome = Outcome.succeeded
    /// Of CREATE, CREATE2 and a creating transaction.
    public internal(set) var creation: Creation?

    /// Whether the call moved value from the caller to the recipient, for good.
    public var movesValue: Bool {
        guard outcome == .succeeded, !value.isZero else { return false }
        return switch kind {
        case .call, .create, .create2, .selfDestruct: true
        // CALLCODE pays its own account.
        case .callCode, .delegateCall, .staticCall: false
        }
    }
}

/// Collects the call records of one block's transactions.
public final class CallRecorder {
    /// The records so far, in the order in which the frames began.
    public private(set) var records: [CallRecord] = []
    /// The place in the block of the transaction that runs.
    public var transactionIndex = 0

    /// The records whose frames have not ended.
    private var open: [Int] = []
    private var firstOfTransaction = 0

    /// A recorder without records.
    public init() {}

    func begin(_ call: Call, depth: Int) {
        let caller = call.kind == .delegateCall ? call.recipientWord : call.caller
        let carriesValue = call.kind != .delegateCall && call.kind != .staticCall
        begin(
            CallRecord(
                transactionIndex: transactionIndex, depth: depth, kind: call.kind,
                caller: Address(lowBytesOf: caller),
                recipient: Address(lowBytesOf: call.recipientWord), codeAddress: call.codeAddress,
                value: carriesValue ? call.value : .zero))
    }

    func begin(_ record: CallRecord) {
        if open.isEmpty { firstOfTransaction = records.count }
        open.append(records.count)
        records.append(record)
    }

    /// Ends the frame that began last of those that did not end.
    ///
    /// - Parameter codeHash: of a creation that succeeded.
    func end(failed: Bool, codeHash: Hash256? = nil) {
        guard let index = open.popLast() else { return }
        if failed { records[index].outcome = .failed }
        if let codeHash { records[index].creation?.codeHash = codeHash }
        if open.isEmpty { markUndone() }
    }

    /// Keeps what a SELFDESTRUCT moved: it begins and ends at once.
    func selfDestruct(of account: Address, to beneficiary: Address, _ balance: Wei, depth: Int) {
        begin(
            CallRecord(
                transactionIndex: transactionIndex, depth: depth, kind: .selfDestruct,
                caller: account, recipient: beneficiary, codeAddress: beneficiary,
                value: balance))
        end(failed: false)
    }

    /// Marks what succeeded inside of failed frames, in one pass over the transaction's records.
    private func markUndone() {
        var failedDepth: Int?
        for index in firstOfTransaction..<records.count {
            if let depth = failedDepth, records[index].depth > depth {
                if records[index].outcome == .succeeded { records[index].outcome = .undone }
            } else {
                failedDepth = records[index].outcome == .failed ? records[index].depth : nil
            }
        }
    }
}

/// Keeps the beginning of a call, if anybody wants it.
@inline(always)
func recordEntry(_ m: MachinePointer, _ call: Call) {
    guard let recorder = m.pointee.recorder else { return }
    recorder._withUnsafeGuaranteedRef { $0.begin(call, depth: m.pointee.depth + 1) }
}

/// Keeps the end of a call that had no frame.
@inline(always)
func recordExit(_ m: MachinePointer, failed: Bool) {
    guard let recorder = m.pointee.recorder else { return }
    recorder._withUnsafeGuaranteedRef { $0.end(failed: failed) }
}
