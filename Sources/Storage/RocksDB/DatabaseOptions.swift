/// Where the database is and how much memory it may take.
///
/// Memory is bounded by the sum of the four sizes, plus the pinned upper index levels of
/// at most `maximumOpenFiles` tables.
public struct DatabaseOptions: Hashable, Sendable {
    /// The directory; made if it does not exist.
    public var path: String
    /// The one block cache that all column families share.
    public var cacheBytes: Int
    /// Values of the state in front of RocksDB.
    public var valueCacheBytes: Int
    /// Nodes of the account trie that are kept from one block to the next.
    public var keptTrieBytes: Int
    /// What all write buffers may hold together before the oldest is written out.
    public var writeBufferBytes: Int
    /// Table files kept open; services often have 1,024 descriptors in all.
    public var maximumOpenFiles: Int32
    /// What must be free on the file system for ``Database/checkRoom()``; zero for anything.
    public var reserveBytes: UInt64 = 0
    /// The families of plugins; made where they do not exist.
    public var pluginFamilies: [PluginFamily] = []

    /// Options for a directory; the defaults suit a node with 1 GiB of memory.
    public init(
        path: String, cacheBytes: Int = 256 << 20, valueCacheBytes: Int = 8 << 20,
        keptTrieBytes: Int = 8 << 20, writeBufferBytes: Int = 64 << 20,
        maximumOpenFiles: Int32 = 512
    ) {
        self.path = path
        self.cacheBytes = cacheBytes
        self.valueCacheBytes = valueCacheBytes
        self.keptTrieBytes = keptTrieBytes
        self.writeBufferBytes = writeBufferBytes
        self.maximumOpenFiles = maximumOpenFiles
    }
}

/// Whether a commit returns before the operating system has put it on the disk.
public enum WriteDurability: Sendable {
    /// Survives a killed process, but not a power failure.
    case buffered
    /// Survives a power failure.
    case synced
}

/// What the database holds, in bytes.
public struct DatabaseStatistics: Hashable, Sendable {
    /// An estimate of the live data on disk.
    public var liveBytes: UInt64
    /// Bytes of all table files, live or not yet removed.
    public var tableBytes: UInt64
    /// Bytes in write buffers.
    public var writeBufferBytes: UInt64
    /// Bytes in the block cache, in the cache of values and in the nodes that are kept.
    public var cachedBytes: UInt64
    /// Bytes that wait to be compacted.
    public var pendingCompactionBytes: UInt64
}
