import CZlib
import Glibc
public import Primitives

/// Writes a file of blocks that ``BlockFileReader`` and `geth import` read: gzip if its name ends in
/// `.gz`.
///
/// The file has its name only when it is complete and on the disk: until ``finish()`` the blocks go
/// to a file beside it, which is removed if they never get there. Not for several threads at once.
public final class BlockFileWriter {
    /// The path that the file will have.
    public let path: String
    private let temporaryPath: String
    // SAFETY: `nil` once closed; used by one thread.
    private var handle: gzFile?
    private var descriptor: Int32

    /// Begins a file.
    ///
    /// - Throws: `inputOutput` if there is a file of that name, or none can be made.
    public init(path: String) throws(ChainFileError) {
        self.path = path
        temporaryPath = "\(path).\(getpid()).partial"
        guard access(path, F_OK) != 0 else {
            throw .inputOutput(path: path, reason: "it is there already")
        }
        descriptor = open(temporaryPath, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw .inputOutput(path: path, reason: lastSystemError())
        }
        // "T" writes through without compression.
        let mode = path.hasSuffix(".gz") ? "wb6" : "wbT"
        let copy = dup(descriptor)
        handle = copy >= 0 ? gzdopen(copy, mode) : nil
        guard let handle else {
            let reason = lastSystemError()
            if copy >= 0 { close(copy) }
            // `deinit` closes and removes the file.
            throw .inputOutput(path: path, reason: reason)
        }
        gzbuffer(handle, 256 << 10)
    }

    deinit {
        if let handle { gzclose_w(handle) }
        if descriptor >= 0 {
            close(descriptor)
            unlink(temporaryPath)
        }
    }

    /// Adds a block.
    ///
    /// - Parameter block: its whole encoding, not empty.
    public func append(_ block: Bytes) throws(ChainFileError) {
        guard let handle else { return }
        // SAFETY: zlib reads as many bytes as the block has.
        let written = block.withUnsafeBytes { gzwrite(handle, $0.baseAddress, UInt32($0.count)) }
        guard Int(written) == block.count else {
            throw .inputOutput(path: path, reason: lastSystemError())
        }
    }

    /// Brings everything to the disk and gives the file its name.
    public func finish() throws(ChainFileError) {
        guard let handle else { return }
        self.handle = nil
        guard gzclose_w(handle) == Z_OK, fsync(descriptor) == 0,
            rename(temporaryPath, path) == 0
        else { throw .inputOutput(path: path, reason: lastSystemError()) }
        close(descriptor)
        descriptor = -1
        // The name is on the disk when the folder is.
        let slash = path.lastIndex(of: "/")
        let folder = open(slash.map { String(path[...$0]) } ?? ".", O_RDONLY | O_CLOEXEC)
        if folder >= 0 {
            fsync(folder)
            close(folder)
        }
    }
}
