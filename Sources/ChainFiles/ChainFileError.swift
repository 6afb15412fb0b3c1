/// Why a file of blocks cannot be read or written, with its path and the place in it.
///
/// Offsets count bytes of the RLP stream: in a compressed file, those of what it unpacks to.
public enum ChainFileError: Error, Hashable, Sendable {
    /// There is no such file.
    case notFound(path: String)
    /// The operating system refused to open, read or write it.
    case inputOutput(path: String, reason: String)
    /// The file ends within a block, or its compressed form ends early.
    case truncated(path: String, offset: UInt64)
    /// What is compressed in the file is damaged.
    case corrupted(path: String, offset: UInt64, reason: String)
    /// Something other than an RLP list stands where a block should begin.
    case notABlock(path: String, offset: UInt64)
    /// A block says that it is longer than any block may be.
    case blockTooLarge(path: String, offset: UInt64, size: UInt64, limit: Int)
}

extension ChainFileError: CustomStringConvertible {
    /// One sentence for a person.
    public var description: String {
        switch self {
        case .notFound(let path): "cannot find \(path)"
        case .inputOutput(let path, let reason): "cannot read or write \(path): \(reason)"
        case .truncated(let path, let offset):
            "\(path) is truncated: it ends within the block at byte \(offset)"
        case .corrupted(let path, let offset, let reason):
            "\(path) is damaged at byte \(offset): \(reason)"
        case .notABlock(let path, let offset):
            "\(path) is no file of blocks: no RLP list begins at byte \(offset)"
        case .blockTooLarge(let path, let offset, let size, let limit):
            "\(path): the block at byte \(offset) claims \(size) bytes, more than \(limit)"
        }
    }
}
