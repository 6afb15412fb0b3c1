// From one state of a trie to another by many changes, in memory that does not grow with them: for
// what a trie of today says of one of long ago.
//
// The changes come in the order of their keys. So what lies left of the way to the last key is
// finished; it is never read again but for the nodes right beside that way, which a branch that
// loses its other children takes up. These are kept, and those around the keys that are wanted in the
// end. All other nodes are forgotten once their hash is in their parents.

public import Primitives

/// A trie over stored nodes that gets its changes in the order of their keys, for a few wanted keys.
public struct TrieRewind {
    /// Changes between two commits, for a daemon: some megabytes of nodes.
    public static let changesPerCommit = 4096

    private let nodes: ChangedNodes
    private let changesPerCommit: Int
    private var trie: MerkleTrie
    private var pending = 0

    /// - Parameters:
    ///   - reader: the stored nodes.
    ///   - root: the root hash of the trie that they make.
    ///   - wanted: keys that the rewound trie can be used for.
    public init(
        reader: any TrieNodeReader, root: Hash256, wanted: [Hash256],
        changesPerCommit: Int = TrieRewind.changesPerCommit
    ) {
        nodes = ChangedNodes(stored: reader, wanted: wanted.sorted().map { NibblePath($0) })
        self.changesPerCommit = changesPerCommit
        trie = MerkleTrie(reader: nodes, root: root)
    }

    /// Gives a key, above all keys before it, another value; an empty one removes the key.
    public mutating func set(_ key: Hash256, to value: Bytes) throws(TrieError) {
        try trie.set(key: key, value: value)
        pending += 1
        if pending == changesPerCommit { commit(at: NibblePath(key)) }
    }

    /// The trie with all changes, committed. Only wanted keys can be looked up, proven, set or
    /// removed in it.
    public mutating func finish() -> (trie: MerkleTrie, root: Hash256) {
        let root = commit(at: NibblePath())
        return (trie, root)
    }

    @discardableResult
    private mutating func commit(at last: NibblePath) -> Hash256 {
        let update = trie.commit()
        nodes.keep(update.changes, last: last)
        trie = MerkleTrie(reader: nodes, root: update.root)
        pending = 0
        return update.root
    }
}

/// The stored nodes, and over them those that changed and may be read again.
private final class ChangedNodes: TrieNodeReader {
    private let stored: any TrieNodeReader
    /// In their order.
    private let wanted: [NibblePath]
    /// Around the wanted keys; nil where there is no node any more.
    private var around: [NibblePath: Bytes?] = [:]
    /// On the way to the last changed key and beside it.
    private var beside: [NibblePath: Bytes?] = [:]

    init(stored: any TrieNodeReader, wanted: [NibblePath]) {
        self.stored = stored
        self.wanted = wanted
    }

    func node(at path: NibblePath, mayBeLeaf: Bool) throws(TrieError) -> Bytes? {
        if let node = beside[path] { return node }
        if let node = around[path] { return node }
        return try stored.node(at: path, mayBeLeaf: mayBeLeaf)
    }

    func keep(_ changes: [TrieChange], last: NibblePath) {
        for change in changes {
            // A copy: the others of the commit are not to stay with it.
            let node = change.node.map { Bytes($0) }
            beside.updateValue(node, forKey: change.path)
            if isAroundWanted(change.path) { around.updateValue(node, forKey: change.path) }
        }
        beside = beside.filter { last.starts(with: $0.key.parent) }
    }

    /// Whether a wanted key leads to the position or to one beside it.
    private func isAroundWanted(_ path: NibblePath) -> Bool {
        let parent = path.parent
        var low = 0
        var high = wanted.count
        while low < high {
            let middle = (low + high) / 2
            if wanted[middle] < parent { low = middle + 1 } else { high = middle }
        }
        return low < wanted.count && wanted[low].starts(with: parent)
    }
}

extension NibblePath {
    /// The position without its last nibble.
    fileprivate var parent: NibblePath { prefix(max(0, count - 1)) }
}
