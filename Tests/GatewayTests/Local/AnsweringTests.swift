import Gateway
import Synchronization
import Testing

@Suite struct AnsweringTests {
    @Test(arguments: [true, false])
    func `who answers is believed`(answer: Bool) async {
        let isAlive = await isAnswering(within: .seconds(60)) { answer }
        #expect(isAlive == answer)
    }

    @Test func `who hangs does not answer, and is not waited for`() async {
        let hanging = Mutex<CheckedContinuation<Bool, Never>?>(nil)
        let isAlive = await isAnswering(within: .milliseconds(50)) {
            await withCheckedContinuation { continuation in
                hanging.withLock { $0 = continuation }
            }
        }
        #expect(!isAlive)
        // It has begun by now, or does so soon.
        while true {
            if let continuation = hanging.withLock({ $0.take() }) {
                return continuation.resume(returning: true)
            }
            await Task.yield()
        }
    }
}
