/// Ending runs from outside, such as when their time is up.

import Synchronization

/// Ends the runs of the virtual machine that were given it, from any thread and for good. What runs
/// halts as `cancelled` at its next jump or call, all frames of it, and takes back its changes.
///
/// The interpreters look at one word, negative once it is cancelled, together with the gas at the entry
/// of a block.
///
/// SAFETY: the word is made in `init` and freed in `deinit`; whoever reads it holds a reference.
public final class Cancellation: @unchecked Sendable {
    let word: UnsafeMutablePointer<Atomic<Int>>

    /// Nothing is cancelled yet.
    ///
    /// - Parameter isBrief: ends the runs as well where a precompile would cost more than
    ///   ``longPrecompile``, because nothing looks at the word as long as that works.
    public init(isBrief: Bool = false) {
        word = .allocate(capacity: 1)
        word.initialize(to: Atomic(isBrief ? 1 : 0))
    }

    /// The gas of a precompile that is too long for a brief run: a millisecond, about.
    static let longPrecompile = 20_000

    deinit {
        word.deinitialize(count: 1)
        word.deallocate()
    }

    /// Ends what runs and what will be run with it.
    public func cancel() { word.pointee.store(.min, ordering: .relaxed) }

    /// Whether it was cancelled.
    public var isCancelled: Bool { word.pointee.load(ordering: .relaxed) < 0 }

    /// For runs that nobody ends.
    static let never = Cancellation()
}

extension Machine {
    @inline(always)
    var isCancelled: Bool { cancellation.pointee.load(ordering: .relaxed) < 0 }

    /// Cancels a brief run.
    ///
    /// - Returns: whether it is one; also true of any run that was cancelled already.
    func cancelIfBrief() -> Bool {
        guard cancellation.pointee.load(ordering: .relaxed) != 0 else { return false }
        cancellation.pointee.store(.min, ordering: .relaxed)
        return true
    }
}
