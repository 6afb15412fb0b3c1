import Glibc

extension Database {
    /// Whether the file system has room for more than the reserve (``DatabaseOptions/reserveBytes``).
    ///
    /// RocksDB writes in the background too, and where there is no room at all it may end the
    /// process. What adds to the database asks here first, so that this is never reached.
    ///
    /// - Throws: `lowDisk` if less than the reserve is free. Nothing was written then, and as soon as
    ///   there is room writes go on.
    public func checkRoom() throws(StorageError) {
        guard reserveBytes > 0, let free = freeBytes(onFileSystemOf: path), free < reserveBytes
        else { return }
        throw .lowDisk(path: path, reserve: reserveBytes)
    }
}

/// The bytes that an unprivileged process may still use on the file system of a path; `nil` if that
/// cannot be told.
public func freeBytes(onFileSystemOf path: String) -> UInt64? {
    var facts = statvfs()
    guard statvfs(path, &facts) == 0 else { return nil }
    let (bytes, isOverflow) = UInt64(facts.f_bavail).multipliedReportingOverflow(
        by: UInt64(facts.f_frsize))
    return isOverflow ? .max : bytes
}
