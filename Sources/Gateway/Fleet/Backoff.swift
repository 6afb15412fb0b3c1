/// How long to wait until what has failed is tried again: longer each time, until it works.
package struct Backoff: Hashable, Sendable {
    /// The first pause.
    package static let shortest = Duration.milliseconds(100)
    /// The longest pause: shorter than a node's stream may be silent.
    package static let longest = Duration.seconds(5)

    private var next = Self.shortest

    package init() {}

    /// The pause after a failure.
    package mutating func pause() -> Duration {
        defer { next = min(next * 2, Self.longest) }
        return next
    }

    /// It has worked.
    package mutating func succeeded() { next = Self.shortest }
}
