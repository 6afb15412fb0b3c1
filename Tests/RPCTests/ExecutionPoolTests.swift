import Dispatch
import Testing

import RPC

@Suite struct ExecutionPoolTests {
    /// Keeps a thread of the pool until it is released; returns when it has the thread.
    private func block(
        _ pool: ExecutionPool, until released: DispatchSemaphore
    ) async -> Task<Bool?, Never> {
        let (started, continuation) = AsyncStream.makeStream(of: Void.self)
        let task = Task {
            defer { continuation.finish() }
            return await pool.run {
                continuation.finish()
                released.wait()
                return true
            }
        }
        for await _ in started {}
        return task
    }

    @Test func `who is cancelled while it waits for a thread leaves its place`() async throws {
        let pool = ExecutionPool(threads: 1, queueLimit: 1)
        let released = DispatchSemaphore(value: 0)
        let first = await block(pool, until: released)
        let cancelled = Task { await pool.run { true } }
        cancelled.cancel()
        released.signal()
        #expect(await first.value == true)
        #expect(await cancelled.value == nil)
        // Again one runs and one waits.
        let second = await block(pool, until: released)
        let (started, continuation) = AsyncStream.makeStream(of: Void.self)
        let waiting = Task {
            continuation.finish()
            return await pool.run { true }
        }
        for await _ in started {}
        released.signal()
        #expect(await second.value == true)
        #expect(await waiting.value == true)
        try await pool.shutDown()
    }

    @Test func `a full pool refuses, and one that has room again does not`() async throws {
        let pool = ExecutionPool(threads: 1, queueLimit: 0)
        let released = DispatchSemaphore(value: 0)
        for _ in 0..<3 {
            let running = await block(pool, until: released)
            #expect(await pool.run { true } == nil)
            released.signal()
            #expect(await running.value == true)
        }
        try await pool.shutDown()
    }
}
