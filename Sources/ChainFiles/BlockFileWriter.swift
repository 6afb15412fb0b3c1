import Compression
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
    /// `nil` once closed.
    private var file: GzipFileWriter?
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
        let copy = dup(descriptor)
        let form: GzipFileWriter.Form = path.hasSuffix(".gz") ? .gzip : .plain
        file = copy >= 0 ? GzipFileWriter(descriptor: copy, form) : nil
        guard file != nil else {
            let reason = lastSystemError()
            if copy >= 0 { close(copy) }
            // `deinit` closes and removes the file.
            throw .inputOutput(path: path, reason: reason)
        }
    }

    deinit {
        file = nil
        if descriptor >= 0 {
            close(descriptor)
            unlink(temporaryPath)
        }
    }

    /// Adds a block.
    ///
    /// - Parameter block: its whole encoding, not empty.
    public func append(_ block: Bytes) throws(ChainFileError) {
        guard let file else { return }
        do throws(GzipFileError) {
            try file.append(block)
        } catch {
            throw .inputOutput(path: path, reason: lastSystemError())
        }
    }

    /// Brings everything to the disk and gives the file its name.
    public func finish() throws(ChainFileError) {
        guard let file else { return }
        self.file = nil
        do throws(GzipFileError) {
            try file.close()
        } catch {
            throw .inputOutput(path: path, reason: lastSystemError())
        }
        guard fsync(descriptor) == 0, rename(temporaryPath, path) == 0 else {
            throw .inputOutput(path: path, reason: lastSystemError())
        }
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
