import EthereumTypes
import Primitives
import Trie

/// The nodes of one trie in `account_trie`, with the deep ones in `accounts`, or in `storage_trie`. Its
/// leaves are not stored a second time: they are made from the flat state.
struct StoredTrie: TrieNodeReader {
    let snapshot: Snapshot
    let family: Family
    /// What the keys of the trie begin with, on disk.
    let prefix: Bytes

    func node(at path: NibblePath, mayBeLeaf: Bool) throws(TrieError) -> Bytes? {
        do {
            if mayBeLeaf, let leaf = try leaf(at: path) { return leaf }
            if let node = try snapshot.value(family.holding(path), path.storageKey(after: prefix)) {
                return node
            }
            return mayBeLeaf ? nil : try leaf(at: path)
        } catch {
            throw .unreadable(path: path, reason: error.description)
        }
    }

    /// The leaf at a position: there is one where exactly one key of the flat state begins with the
    /// nibbles of the position.
    private func leaf(at path: NibblePath) throws(StorageError) -> Bytes? {
        let cursor = snapshot.cursor(family == .accountTrie ? .accounts : .storage)
        try cursor.seek(prefix + path.packed)
        guard let key = try key(from: cursor), key.starts(with: path) else { return nil }
        let value = cursor.value
        try cursor.advance()
        if let next = try self.key(from: cursor), next.starts(with: path) { return nil }
        return MerkleTrie.encodedLeaf(
            key.dropFirst(path.count),
            family == .accountTrie
                ? try FlatAccount(value).account.encoded() : try FlatSlot(value).trieValue)
    }

    /// The next key of the trie that a cursor comes to, if there is one.
    private func key(from cursor: borrowing Cursor) throws(StorageError) -> NibblePath? {
        try cursor.skip(toKeysOf: prefix.count + 32)
        guard cursor.isValid else { return nil }
        let key = cursor.key
        guard key.starts(with: prefix) else { return nil }
        return Hash256(key.dropFirst(prefix.count)).map { NibblePath($0) }
    }
}
