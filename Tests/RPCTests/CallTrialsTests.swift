import EVM
import Logging
import NIOPosix
import Primitives
import Synchronization
import Testing

import RPC

/// A call that comes alone is tried on the event loop, and nobody sees where it was answered.
@Suite(.timeLimit(.minutes(1))) struct CallTrialsTests {
    /// What became of a message.
    private struct Outcome {
        var text: String?
        var isAtOnce: Bool
        /// Calls that were observed, with what they failed with.
        var observed: [RPCError?]
        var measured: Int
    }

    /// Sends a message to a dispatcher with one method that is tried.
    private func answer(
        to text: String, _ method: @escaping @Sendable (Cancellation) throws -> String
    ) async throws -> Outcome {
        let measured = Mutex(0)
        let observed = Mutex<[RPCError?]>([])
        let dispatcher = RPCDispatcher(
            table: MethodTable(
                [
                    RPCMethod(
                        "test_try", ["values"],
                        execution: { (context, _: [String]?) in try context.limited(method) }
                    ).tried()
                ], version: "1.0.0"),
            pool: ExecutionPool(threads: 1, queueLimit: 4), limits: RPCLimits(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            observe: { _ in measured.withLock { $0 += 1 } })
        var caller = RPCCaller(.all)
        caller.observe = { _, error in observed.withLock { $0.append(error) } }
        let reply = dispatcher.reply(
            to: Bytes(text.utf8), session: nil, caller: caller,
            on: MultiThreadedEventLoopGroup.singleton.any())
        var (answer, isAtOnce): (RPCAnswer?, Bool)
        switch reply {
        case .now(let now): (answer, isAtOnce) = (now, true)
        case .later(let later), .subscribing(let later):
            (answer, isAtOnce) = (try await later.get(), false)
        }
        return Outcome(
            text: answer.map { String(decoding: $0.text, as: UTF8.self) }, isAtOnce: isAtOnce,
            observed: observed.withLock { $0 }, measured: measured.withLock { $0 })
    }

    private func request(_ params: String = "[]") -> String {
        #"{"jsonrpc":"2.0","id":7,"method":"test_try","params":\#(params)}"#
    }

    @Test func `a short call is answered at once`() async throws {
        // A thread that does not run for a while may make a trial too long.
        for _ in 0..<20 {
            let outcome = try await answer(to: request()) { _ in "short" }
            #expect(outcome.text == #"{"jsonrpc":"2.0","id":7,"result":"short"}"#)
            #expect(outcome.observed == [nil])
            #expect(outcome.measured == 1)
            if outcome.isAtOnce { return }
        }
        Issue.record("no call was answered at once")
    }

    @Test func `a call that fails at once has failed`() async throws {
        let failure = RPCError(code: 3, message: "execution reverted")
        let outcome = try await answer(to: request()) { _ in throw failure }
        #expect(outcome.text?.contains("execution reverted") == true)
        #expect(outcome.observed == [failure])
        #expect(outcome.measured == 1)
    }

    @Test func `a call that takes too long runs again on the pool, and counts once`() async throws {
        let runs = Mutex(0)
        let outcome = try await answer(to: request()) { cancellation in
            let run = runs.withLock { runs in
                runs += 1
                return runs
            }
            if run == 1 { while !cancellation.isCancelled {} }
            return "run \(run)"
        }
        #expect(outcome.text == #"{"jsonrpc":"2.0","id":7,"result":"run 2"}"#)
        #expect(!outcome.isAtOnce)
        #expect(outcome.observed == [nil])
        #expect(outcome.measured == 1)
    }

    @Test func `a batch, large parameters and the pending block are not tried`() async throws {
        let large = "[[\"\(String(repeating: "x", count: 5000))\"]]"
        for text in ["[\(request()),\(request())]", request(large), request(#"[["pending"]]"#)] {
            let outcome = try await answer(to: text) { _ in "pooled" }
            #expect(!outcome.isAtOnce)
            #expect(outcome.text?.contains("pooled") == true)
        }
    }

    @Test func `there are no trials for a second where they take more than a third of the time`() {
        var budget = TrialBudget()
        func isOpen(at time: Int64) -> Bool { budget.isOpen(at: time) }
        // 30 in 100 for a second.
        var now: Int64 = 0
        for _ in 0..<10_000 {
            now += 100_000
            #expect(isOpen(at: now))
            budget.spend(30_000, at: now)
        }
        // 50 in 100 are too many in the end.
        while isOpen(at: now), now < 2_000_000_000 {
            budget.spend(50_000, at: now)
            now += 100_000
        }
        #expect(!isOpen(at: now))
        #expect(!isOpen(at: now + 800_000_000))
        #expect(isOpen(at: now + 1_000_000_000))
        // One that is long is too many at once.
        budget.spend(2_000_000, at: now + 1_000_000_000)
        #expect(!isOpen(at: now + 1_900_000_000))
        #expect(isOpen(at: now + 2_000_000_000))
    }
}
