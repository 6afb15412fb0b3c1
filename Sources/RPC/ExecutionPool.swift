import NIOCore
import NIOPosix
import Synchronization

/// The threads that run calls which take time, and the queue before them.
///
/// The queue is bounded: a caller that finds it full is told so at once instead of waiting for an
/// answer that comes too late.
public final class ExecutionPool: Sendable {
    private let threads: NIOThreadPool
    private let queueLimit: Int
    private let pending = Atomic<Int>(0)

    /// Ends what runs too long on the threads.
    let limiter = RunLimiter()

    /// Starts the threads.
    ///
    /// - Parameter queueLimit: calls that may wait for one.
    public init(threads count: Int, queueLimit: Int) {
        threads = NIOThreadPool(numberOfThreads: count)
        self.queueLimit = queueLimit + count
        threads.start()
    }

    /// Runs work on a thread of the pool and completes on the event loop; nil if the queue is full.
    func submit<Result: Sendable>(
        on loop: any EventLoop, _ work: @escaping @Sendable () -> Result
    ) -> EventLoopFuture<Result>? {
        guard enter() else { return nil }
        let result = threads.runIfActive(eventLoop: loop, work)
        result.whenComplete { _ in self.leave() }
        return result
    }

    /// Runs work on a thread of the pool; nil if the queue is full, the pool has stopped, or the task
    /// is cancelled before a thread is free.
    public func run<Result: Sendable>(_ work: @escaping @Sendable () -> Result) async -> Result? {
        guard enter() else { return nil }
        // Not by the work, which does not run if its task is cancelled while it waits.
        defer { leave() }
        return try? await threads.runIfActive(work)
    }

    /// The same for a further step of work that was let in before: it takes its place in the queue,
    /// however full that is. There is at most one for each connection.
    public func runFurther<Result: Sendable>(
        _ work: @escaping @Sendable () -> Result
    ) async -> Result? {
        pending.wrappingAdd(1, ordering: .relaxed)
        defer { leave() }
        return try? await threads.runIfActive(work)
    }

    /// Waits for the running calls and ends the threads.
    public func shutDown() async throws {
        try await threads.shutdownGracefully()
    }

    private func enter() -> Bool {
        let count = pending.wrappingAdd(1, ordering: .relaxed).newValue
        if count <= queueLimit { return true }
        leave()
        return false
    }

    private func leave() {
        pending.wrappingSubtract(1, ordering: .relaxed)
    }
}
