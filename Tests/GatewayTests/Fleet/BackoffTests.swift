import Gateway
import Testing

@Suite struct BackoffTests {
    @Test func `pauses double up to the longest, and begin anew after a success`() {
        var backoff = Backoff()
        let pauses = (0..<8).map { _ in backoff.pause() }
        let doubled: [Duration] = [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000].map {
            .milliseconds($0)
        }
        #expect(pauses == doubled)
        backoff.succeeded()
        #expect(backoff.pause() == Backoff.shortest)
    }
}
