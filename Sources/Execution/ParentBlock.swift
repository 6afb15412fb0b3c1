//  What a block is built on.

public import EthereumTypes
public import Primitives
public import State

/// A block, and as much of the chain up to it as the next block's validity depends on.
public struct ParentBlock {
    /// The header of the block.
    public var header: Header

    /// The world state after the block.
    public var state: any StateReader

    /// The difficulty of the chain up to and with this block. Only looked at around the merge: zero
    /// is right for a chain that has proof of stake from its genesis on.
    public var totalDifficulty: UInt256

    /// This block and up to six before it, newest first. Only looked at for a block with ommers.
    public var ancestors: [Ancestor]

    /// The root of `state` with a diff applied. Only called before Byzantium, where each receipt
    /// carries the root after its transaction.
    public var stateRoot: (StateDiff) throws(StateReadError) -> Hash256

    /// Whether the calls of the transactions on top are recorded, for who indexes them.
    public var recordsCalls = false

    /// A parent; see the properties for when the defaults are right.
    public init(
        header: Header, state: any StateReader, totalDifficulty: UInt256 = .zero,
        ancestors: [Ancestor] = [],
        stateRoot: @escaping (StateDiff) throws(StateReadError) -> Hash256
    ) {
        self.header = header
        self.state = state
        self.totalDifficulty = totalDifficulty
        self.ancestors = ancestors
        self.stateRoot = stateRoot
    }
}

/// An ancestor of a block with ommers.
public struct Ancestor: Sendable {
    /// The header of the ancestor.
    public var header: Header
    /// The ommers that it names.
    public var ommers: [Header]

    /// An ancestor.
    public init(header: Header, ommers: [Header]) {
        self.header = header
        self.ommers = ommers
    }
}
