import Primitives
import Synchronization
import Trie

/// The nodes of the account trie after the last block that was applied, for the next one.
///
/// Nodes near the root change with every block: here they need not be looked up and decoded again. They
/// are known by the root hash, so that whoever goes on from another state just does not get them.
final class KeptTrie: Sendable {
    private let byteLimit: Int
    private let memory = Mutex<TrieMemory?>(nil)

    /// - Parameter byteLimit: what the nodes may take.
    init(byteLimit: Int) {
        self.byteLimit = byteLimit
    }

    /// Hands over the nodes of the trie with a root, if they are here.
    func take(root: Hash256) -> TrieMemory? {
        memory.withLock { memory in
            guard let found = memory, found.rootHash == root else { return nil }
            memory = nil
            return found
        }
    }

    /// Keeps nodes whose changes are committed, in place of others.
    func keep(_ nodes: consuming TrieMemory) {
        nodes.trim(to: byteLimit)
        memory.withLock { [nodes] in $0 = nodes }
    }

    /// About what the nodes take, in bytes.
    var byteCount: Int {
        memory.withLock { $0?.byteCount ?? 0 }
    }
}
