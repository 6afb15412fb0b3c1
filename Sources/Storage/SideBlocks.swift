public import Primitives

// Blocks beside the chain: those of branches that are not canonical, or not any more. They have a
// family of their own, so that the chain's families are what they would be if no other branch had
// ever been seen.

/// The keys of `side_blocks`.
///
///     0 ‖ block hash[32]                  number[8]
///     1 ‖ number[8] ‖ block hash[32]      as in `headers`
///     2 ‖ number[8] ‖ block hash[32]      as in `bodies`
///     3 ‖ number[8] ‖ block hash[32]      what was changed by hand before the block; often nothing
enum SideKey {
    static func number(of hash: Hash256) -> Bytes { [0] + Key.hash(hash) }

    static func header(_ block: BlockReference) -> Bytes { key(1, block) }

    static func body(_ block: BlockReference) -> Bytes { key(2, block) }

    static func overrides(_ block: BlockReference) -> Bytes { key(3, block) }

    /// The block of a ``header(_:)`` key.
    static func block(ofHeader key: Bytes) -> BlockReference? {
        guard key.count == 41, key.first == 1, let number = UInt64(bigEndian: key[1..<9]),
            let hash = Hash256(key[9...])
        else { return nil }
        return BlockReference(number: number, hash: hash)
    }

    private static func key(_ kind: UInt8, _ block: BlockReference) -> Bytes {
        [kind] + Key.block(block.number, block.hash)
    }
}

extension BlockStore {
    /// The number of a block beside the chain; `nil` if there is none with that hash.
    public func sideNumber(of hash: Hash256) throws(StorageError) -> BlockNumber? {
        guard let value = try snapshot.value(.sideBlocks, SideKey.number(of: hash)) else {
            return nil
        }
        guard let number = UInt64(bigEndian: value) else {
            throw .corrupted("number of side block \(hash)")
        }
        return number
    }

    /// What was changed by hand before a block beside the chain.
    public func sideOverrides(
        before block: BlockReference
    ) throws(StorageError) -> [PreBlockOverride] {
        guard let value = try snapshot.value(.sideBlocks, SideKey.overrides(block)) else {
            return []
        }
        return try decoding("overrides of side block \(block.hash)") { () throws(RLPError) in
            try [PreBlockOverride](encoded: value)
        }
    }

    /// Writes a block beside the chain.
    public func writeSideBlock(
        _ stored: StoredBlock, overrides: [PreBlockOverride], to batch: inout WriteBatch
    ) {
        let block = BlockReference(number: stored.number, hash: stored.hash)
        batch.put(.sideBlocks, SideKey.number(of: block.hash), Key.number(block.number))
        batch.put(.sideBlocks, SideKey.header(block), stored.headerValue)
        batch.put(.sideBlocks, SideKey.body(block), stored.bodyValue)
        if !overrides.isEmpty {
            batch.put(.sideBlocks, SideKey.overrides(block), overrides.encoded)
        }
    }

    /// Keeps canonical blocks that are about to be undone beside the chain.
    public func setAside(
        _ blocks: ClosedRange<BlockNumber>, in batch: inout WriteBatch
    ) throws(StorageError) {
        for number in blocks {
            guard let block = try canonicalBlock(number),
                let header = try snapshot.value(.headers, Key.block(number, block.hash)),
                let body = try snapshot.value(.bodies, Key.block(number, block.hash))
            else { throw .corrupted("block \(number) is missing") }
            batch.put(.sideBlocks, SideKey.number(of: block.hash), Key.number(number))
            batch.put(.sideBlocks, SideKey.header(block), header)
            batch.put(.sideBlocks, SideKey.body(block), body)
            let overrides = try overrides(before: number)
            if !overrides.isEmpty {
                batch.put(.sideBlocks, SideKey.overrides(block), overrides.encoded)
            }
        }
    }

    /// Removes a block from beside the chain.
    public func removeSideBlock(_ block: BlockReference, from batch: inout WriteBatch) {
        batch.delete(.sideBlocks, SideKey.number(of: block.hash))
        batch.delete(.sideBlocks, SideKey.header(block))
        batch.delete(.sideBlocks, SideKey.body(block))
        batch.delete(.sideBlocks, SideKey.overrides(block))
    }

    /// The blocks beside the chain, the lowest numbers first, until a function returns `false`.
    public func forEachSideBlock(
        _ body: (BlockReference) throws(StorageError) -> Bool
    ) throws(StorageError) {
        try snapshot.forEach(.sideBlocks, prefix: [1]) { (key, _) throws(StorageError) in
            guard let block = SideKey.block(ofHeader: key) else {
                throw .corrupted("side block key")
            }
            return try body(block)
        }
    }
}
