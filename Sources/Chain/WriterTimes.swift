/// What the writer of a chain has spent its time on since the chain was opened.
public struct WriterTimes: Hashable, Sendable {
    /// Executing blocks from elsewhere and comparing the outcomes with their headers.
    public var execution = Duration.zero
    /// From a block's changes to the state root: flat state, history and tries, into the batch.
    public var stateRoot = Duration.zero
    /// The rest of the batch, and writing it.
    public var commit = Duration.zero
}
