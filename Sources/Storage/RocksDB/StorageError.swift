/// Why the store could not do what was asked, with the facts an operator needs.
public enum StorageError: Error, Hashable, Sendable {
    /// The directory holds something that is not a database of this program.
    case foreignDirectory(String)
    /// Another process has the database open.
    case locked(String)
    /// A newer program wrote the database.
    case newerSchema(found: UInt64, supported: UInt64)
    /// Bytes on disk are not what was written: a bad checksum, or a value that does not decode.
    case corrupted(String)
    /// The file system is full.
    case diskFull(String)
    /// Less is free on the file system of the database than must stay free. Nothing was written.
    case lowDisk(path: String, reserve: UInt64)
    /// The operating system refused a read or a write.
    case inputOutput(String)
    /// RocksDB refused the operation for another reason, in its words.
    case refused(String)
    /// The work needs more changes in memory than the stated limit.
    case tooManyChanges(limit: Int)
    /// More logs match than the stated limit.
    case tooManyLogs(limit: Int)
    /// The logs that match have more bytes than the stated limit.
    case logsTooLarge(limit: Int)
}

extension StorageError {
    /// Sorts a RocksDB status, which the C interface gives as text only, into its case.
    init(status: String) {
        if status.contains("No space left on device") || status.contains("Disk quota exceeded") {
            self = .diskFull(status)
        } else if status.contains("/LOCK") || status.contains("lock hold by current process") {
            self = .locked(status)
        } else if status.hasPrefix("Corruption") {
            self = .corrupted(status)
        } else if status.hasPrefix("IO error") {
            self = .inputOutput(status)
        } else {
            self = .refused(status)
        }
    }
}

extension StorageError: CustomStringConvertible {
    /// One sentence for the log and the terminal.
    public var description: String {
        switch self {
        case .foreignDirectory(let path):
            "\(path) holds files that are not a database of this node"
        case .locked(let facts):
            "the database is in use by another process (\(facts))"
        case .newerSchema(let found, let supported):
            "the database has schema \(found), this program knows schemas up to \(supported)"
        case .corrupted(let facts):
            "the database is corrupt: \(facts)"
        case .diskFull(let facts):
            "the disk is full (\(facts))"
        case .lowDisk(let path, let reserve):
            "less than \(reserve >> 20) MiB are free on the file system of \(path): make room"
        case .inputOutput(let facts):
            "the database could not be read or written (\(facts))"
        case .refused(let facts):
            "the database refused an operation (\(facts))"
        case .tooManyChanges(let limit):
            "more than \(limit) changed keys lie between that block and the head"
        case .tooManyLogs(let limit):
            "more than \(limit) logs match"
        case .logsTooLarge(let limit):
            "the logs that match have more than \(limit) bytes"
        }
    }
}
