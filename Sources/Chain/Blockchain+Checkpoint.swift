import Storage

// A copy of the whole chain while it goes on.

extension Blockchain {
    /// Makes a copy of the database that holds the chain up to the present head.
    ///
    /// It is complete or not there. On the same file system its tables are links, so it takes as
    /// long as writing out what is in memory; blocks wait for that.
    ///
    /// - Parameter path: a directory that does not exist yet, in one that does.
    /// - Returns: the head of the copy.
    public func checkpoint(to path: String) throws(ChainError) -> Head {
        try storing { () throws(StorageError) in try database.checkpoint(to: path) }
        return head
    }
}
