import Primitives
import Trie

// The steps of the layout, oldest first.

extension Migration {
    /// To version 2: the tries have no leaves any more, see `StoredTrie`.
    ///
    /// A position is the number of the trie's family[1] ‖ the first key that was not looked at.
    static let removingLeaves = Migration(
        to: 2,
        // The keys are hashes, or begin like one.
        fraction: { position in
            (Double(position.first ?? 0) + Double(position.dropFirst().first ?? 0) / 256) / 2
        }
    ) { (snapshot, position, batch) throws(StorageError) in
        let families: [Family] = [.accountTrie, .storageTrie]
        let index = Int(position.first ?? 0)
        guard index < families.count else { throw .corrupted("migration position") }
        let family = families[index]
        let following: Bytes? = index + 1 < families.count ? [UInt8(index + 1)] : nil
        let cursor = snapshot.cursor(family)
        try cursor.seek(Bytes(position.dropFirst()))
        for _ in 0..<4_096 {
            guard cursor.isValid else { return following }
            let key = cursor.key
            let node = cursor.value
            let isLeaf = try decoding("node of \(family.name)") { () throws(TrieNodeDefect) in
                try MerkleTrie.isLeaf(node)
            }
            if isLeaf { batch.delete(family, key) }
            try cursor.advance()
        }
        return cursor.isValid ? [UInt8(index)] + cursor.key : following
    }

    /// To version 3: the deep nodes of the account trie lie among the accounts, see `Schema.swift`.
    ///
    /// A position is the first key that was not looked at.
    static let movingDeepNodes = Migration(
        to: 3,
        fraction: { position in Double(position.first ?? 0) / 256 }
    ) { (snapshot, position, batch) throws(StorageError) in
        let cursor = snapshot.cursor(.accountTrie)
        try cursor.seek(position)
        for _ in 0..<4_096 {
            guard cursor.isValid else { return nil }
            let key = cursor.key
            guard let path = NibblePath(storageKey: key) else {
                throw .corrupted("a key of \(Family.accountTrie.name)")
            }
            let family = Family.accountTrie.holding(path)
            if family != .accountTrie {
                batch.put(family, key, cursor.value)
                batch.delete(.accountTrie, key)
            }
            try cursor.advance()
        }
        return cursor.isValid ? cursor.key : nil
    }
}
