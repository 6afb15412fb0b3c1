import Logging
import NIOPosix
import Primitives
import Testing

import RPC

@Suite struct AnswerBudgetTests {
    private let dispatcher: RPCDispatcher
    private let pool = ExecutionPool(threads: 1, queueLimit: 1)

    init() {
        var limits = RPCLimits()
        limits.smallAnswerBytes = 100
        limits.largeAnswersBytes = 1_000
        dispatcher = RPCDispatcher(
            table: MethodTable(TestMethods.all, version: "1"), pool: pool, limits: limits,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    private func answer(of count: Int) throws -> RPCAnswer {
        let text = #"[{"jsonrpc":"2.0","id":4,"method":"test_large","params":[\#(count)]}]"#
        let reply = dispatcher.reply(
            to: Bytes(text.utf8), session: nil, caller: RPCCaller(.all),
            on: MultiThreadedEventLoopGroup.singleton.any())
        guard case .now(let answer?) = reply else { throw Missing() }
        return answer
    }

    private struct Missing: Error {}

    private func code(_ answer: RPCAnswer) throws -> JSONValue? {
        try JSONValue(parsing: answer.text)[0]?["error"]?["code"]
    }

    @Test func `large answers have so much room together, and give it back`() throws {
        // More than there is room for, but alone.
        var held = [try answer(of: 5_000)]
        #expect(try code(held[0]) == nil)
        let refused = try answer(of: 200)
        #expect(try code(refused) == -32_005)
        #expect(try JSONValue(parsing: refused.text)[0]?["id"] == 4)
        #expect(try code(try answer(of: 10)) == nil)

        held = [try answer(of: 10)]
        held += [try answer(of: 400), try answer(of: 400)]
        #expect(try held.allSatisfy { try code($0) == nil })
        #expect(try code(try answer(of: 400)) == -32_005)
        held.removeLast()
        #expect(try code(try answer(of: 400)) == nil)
    }
}
