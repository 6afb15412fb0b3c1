extension StateTag {
    /// The header of answers that has the tag.
    package static let header = "Apus-State"

    /// Whether a tag that is heard now replaces this one. Answers overtake each other: of one
    /// process only a later tag does; another process at the same address is a new one.
    package func isReplaced(by other: StateTag) -> Bool {
        other.instance != instance || other.counter > counter
    }
}
