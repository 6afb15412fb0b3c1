//  The calls of a transaction as a tree: what call tracers of every format are made from.

import Cryptography
public import EVM
public import EthereumTypes
public import Primitives
public import State

/// Records the frames of one transaction.
public final class CallTree: Tracer {
    /// One call, creation or self-destruction.
    public struct Frame: Sendable {
        /// How it began.
        public let entry: CallEntry
        /// How it ended; nil while it runs.
        public internal(set) var exit: CallExit?
        /// Indices of the frames that this one made, in order.
        public internal(set) var calls: [Int] = []
        /// The logs of its own code.
        public internal(set) var logs: [FrameLog] = []

        /// Why it failed, or nil.
        public var halt: Halt? { exit?.halt }

        /// Whether it makes a contract.
        public var isCreation: Bool { entry.kind == .create || entry.kind == .create2 }

        /// Whom it calls, or what it makes; the beneficiary of a self-destruction.
        public var target: Address { isCreation ? entry.recipient : entry.target }

        /// Why it failed, in geth's words.
        public var errorText: String? {
            guard let halt else { return nil }
            if halt == .precompileFailed {
                return Precompiles.failureText(of: entry.target, input: entry.input)
            }
            return halt.gethText
        }
    }

    /// A log with its place.
    public struct FrameLog: Sendable {
        /// The log.
        public let log: Log
        /// How many logs the transaction had before it, those of failed frames too.
        public let index: Int
        /// How many calls the frame had made before it.
        public let position: Int
    }

    /// All frames in the order in which they were entered; the first is the transaction's message.
    public private(set) var frames: [Frame] = []
    /// The fork whose rules held.
    public private(set) var fork = Fork.frontier
    /// The transaction's gas limit.
    public private(set) var gasLimit: Gas = 0
    /// The gas of the whole transaction, once it has ended.
    public private(set) var gasUsed: Gas = 0
    /// Whether more was called than may be kept. Then `frames` is a part of no use.
    public private(set) var isTooLarge = false

    /// Bytes of input, output and logs, and roughly what frames and logs take beside them.
    public private(set) var size = 0

    private let limit: Int
    private let includesLogs: Bool
    private let isTopCallOnly: Bool
    private var logCount = 0
    /// Indices of the frames that are running, outermost first.
    private var running: [Int] = []
    private var depth = 0

    /// - Parameters:
    ///   - limit: bytes of input, output and logs after which nothing more is kept.
    ///   - isTopCallOnly: only the message of the transaction itself is kept.
    public init(limit: Int = .max, includesLogs: Bool = false, isTopCallOnly: Bool = false) {
        self.limit = limit
        self.includesLogs = includesLogs
        self.isTopCallOnly = isTopCallOnly
    }

    /// Remembers what the frames do not tell.
    public func transactionBegins(
        _ transaction: RecoveredTransaction, fork: Fork, block: BlockEnvironment,
        state: JournaledState
    ) {
        self.fork = fork
        gasLimit = transaction.transaction.gasLimit
    }

    /// Remembers the gas of all.
    public func transactionEnds(gasUsed: Gas) {
        self.gasUsed = gasUsed
    }

    /// Adds a frame.
    public func callEnter(_ entry: CallEntry) {
        depth += 1
        guard !isTooLarge, !(isTopCallOnly && depth > 1) else { return }
        grow(entry.input.count + Self.frameSize)
        if let caller = running.last { frames[caller].calls.append(frames.count) }
        running.append(frames.count)
        frames.append(Frame(entry: entry))
    }

    /// Ends the frame that was entered last of those that run.
    public func callExit(_ exit: CallExit) {
        depth -= 1
        guard !isTooLarge, !(isTopCallOnly && depth > 0), let index = running.popLast() else {
            return
        }
        grow(exit.output.count)
        frames[index].exit = exit
    }

    /// Adds a log to the running frame.
    public func log(_ log: Log) {
        guard includesLogs, !isTooLarge, let index = running.last else { return }
        defer { logCount += 1 }
        guard !(isTopCallOnly && depth > 1) else { return }
        grow(log.data.count + Self.frameSize)
        frames[index].logs.append(
            FrameLog(log: log, index: logCount, position: frames[index].calls.count))
    }

    private func grow(_ count: Int) {
        size += count
        if size > limit { isTooLarge = true }
    }

    /// What a frame or a log takes beside its data, roughly.
    private static let frameSize = 256
}

extension Precompiles {
    /// Why a precompile refuses an input, in the words of geth and of the libraries that it uses.
    static func failureText(of address: Address, input: Bytes) -> String {
        // What MODEXP and BLAKE2F refuse is seen without running them. Nobody may have paid for that: a
        // simulation can put another precompile in their place.
        let found: PrecompileDefect? =
            switch address {
            case Address(w0: 0, w1: 0, w2: 5): .length
            case Address(w0: 0, w1: 0, w2: 9): input.count == 213 ? .flag : .length
            default: defect(of: input, at: address)
            }
        guard let defect = found else { return "precompiled contract failed" }
        let isBLS = address.w2 > 10
        switch defect {
        case .length where address.w2 == 5:
            return "one or more of base/exponent/modulus length exceeded 1024 bytes"
        case .length where address.w2 == 8: return "bad elliptic curve pairing size"
        case .length: return "invalid input length"
        case .padding: return "invalid field element top bytes"
        case .fieldElement: return "invalid fp.Element encoding"
        case .notOnCurve: return isBLS ? "invalid point: not on curve" : "point is not on curve"
        case .notInG1: return "g1 point is not on correct subgroup"
        case .notInG2:
            return isBLS
                ? "g2 point is not on correct subgroup" : "point is not in correct subgroup"
        case .flag: return "invalid final flag"
        case .versionedHash: return "mismatched versioned hash"
        case .proofEncoding: return "error verifying kzg proof"
        case .proof: return "error verifying kzg proof: can't verify opening proof"
        }
    }
}
