import Gateway
import Testing

@Suite struct RetryPolicyTests {
    static let policy = RetryPolicy()
    static let long = Duration.seconds(10)

    static func retries(
        _ failure: RetryPolicy.Failure, _ repetition: RetryPolicy.Repetition, tries: Int = 1,
        remaining: Duration = long
    ) -> Bool {
        policy.decide(failure, repetition, tries: tries, remaining: remaining) != .giveUp
    }

    @Test(arguments: [RetryPolicy.Failure.notDelivered, .unanswered, .unavailable])
    func `a read is repeated, whatever happened`(failure: RetryPolicy.Failure) {
        #expect(Self.retries(failure, .harmless))
    }

    @Test(arguments: [RetryPolicy.Failure.notDelivered, .unanswered, .unavailable])
    func `a signed transaction is the same one everywhere`(failure: RetryPolicy.Failure) {
        #expect(Self.retries(failure, .sameTransaction))
    }

    @Test(arguments: [
        (RetryPolicy.Failure.notDelivered, true), (.unanswered, false), (.unavailable, false),
    ])
    func `what is done twice is repeated only if it surely did not arrive`(
        failure: RetryPolicy.Failure, isRepeated: Bool
    ) {
        #expect(Self.retries(failure, .harmful) == isRepeated)
    }

    @Test func `three tries are all`() {
        #expect(Self.retries(.unanswered, .harmless, tries: 2))
        #expect(!Self.retries(.unanswered, .harmless, tries: 3))
    }

    @Test func `nothing is begun that has no time left`() {
        #expect(!Self.retries(.unanswered, .harmless, remaining: .milliseconds(20)))
        #expect(Self.retries(.unanswered, .harmless, remaining: .milliseconds(21)))
    }

    @Test func `the second try comes at once, the third after a pause`() {
        let policy = Self.policy
        #expect(
            policy.decide(.unanswered, .harmless, tries: 1, remaining: Self.long)
                == .retry(after: .zero))
        #expect(
            policy.decide(.unanswered, .harmless, tries: 2, remaining: Self.long)
                == .retry(after: policy.pause))
    }
}
