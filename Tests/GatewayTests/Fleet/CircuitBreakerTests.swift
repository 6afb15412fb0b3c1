import Gateway
import Testing

@Suite struct CircuitBreakerTests {
    let start = ContinuousClock.now
    var far: ContinuousClock.Instant { start + .seconds(3600) }

    static var limits: CircuitBreaker.Limits {
        var limits = CircuitBreaker.Limits()
        limits.failures = 3
        limits.first = .milliseconds(100)
        limits.longest = .milliseconds(300)
        return limits
    }

    /// One that has just opened at `start`.
    var opened: CircuitBreaker {
        var breaker = CircuitBreaker(Self.limits)
        for _ in 0..<3 { breaker.failed(at: start) }
        return breaker
    }

    func after(_ milliseconds: Int) -> ContinuousClock.Instant {
        start + .milliseconds(milliseconds)
    }

    @Test func `it opens at the third failure in a row, not at the second`() {
        var breaker = CircuitBreaker(Self.limits)
        breaker.failed(at: start)
        breaker.failed(at: start)
        #expect(breaker.admits(at: start))
        breaker.failed(at: start)
        #expect(!breaker.admits(at: start))
        #expect(breaker.condition(at: start) == .open)
    }

    @Test func `a success between failures begins the count anew`() {
        var breaker = CircuitBreaker(Self.limits)
        breaker.failed(at: start)
        breaker.failed(at: start)
        breaker.succeeded()
        breaker.failed(at: start)
        breaker.failed(at: start)
        #expect(breaker.condition(at: start) == .closed)
    }

    @Test func `it admits nothing until its time is up`() {
        #expect(!opened.admits(at: after(99)))
        #expect(opened.nextTrial(at: after(99)) == after(100))
        #expect(opened.admits(at: after(100)))
        #expect(opened.nextTrial(at: after(100)) == nil)
        #expect(opened.condition(at: after(100)) == .halfOpen)
    }

    @Test func `one trial at a time`() {
        var breaker = opened
        breaker.begin(at: after(100), deadline: far)
        #expect(!breaker.admits(at: after(101)))
        breaker.succeeded()
        #expect(breaker.admits(at: after(101)))
        #expect(breaker.condition(at: after(101)) == .closed)
    }

    @Test func `a trial nobody ends does not block for ever`() {
        var breaker = opened
        breaker.begin(at: after(100), deadline: after(500))
        #expect(!breaker.admits(at: after(499)))
        #expect(breaker.admits(at: after(500)))
    }

    @Test func `a trial whose caller has gone leaves room for the next`() {
        var breaker = opened
        breaker.begin(at: after(100), deadline: far)
        breaker.abandoned()
        #expect(breaker.admits(at: after(101)))
        #expect(breaker.condition(at: after(101)) == .halfOpen)
    }

    @Test func `each failed trial doubles the time, up to the longest`() {
        var breaker = opened
        var now = after(100)
        for expected in [200, 300, 300] {
            breaker.begin(at: now, deadline: far)
            breaker.failed(at: now)
            #expect(breaker.nextTrial(at: now) == now + .milliseconds(expected))
            now += .milliseconds(expected)
        }
    }

    @Test func `after a success the time is short again`() {
        var breaker = opened
        breaker.begin(at: after(100), deadline: far)
        breaker.failed(at: after(100))
        breaker.begin(at: after(300), deadline: far)
        breaker.succeeded()
        for _ in 0..<3 { breaker.failed(at: after(300)) }
        #expect(breaker.nextTrial(at: after(300)) == after(400))
    }

    @Test func `failures that come in while it is open make it no longer`() {
        var breaker = opened
        breaker.failed(at: after(50))
        #expect(breaker.nextTrial(at: after(50)) == after(100))
    }
}
