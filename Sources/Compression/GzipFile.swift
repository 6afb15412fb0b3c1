import CZlib
public import Primitives

/// Why a file cannot be read or written.
public enum GzipFileError: Error, Hashable, Sendable {
    /// Its compressed form ends too early.
    case truncated
    /// Its compressed form is damaged: zlib's words.
    case damaged(String)
    /// The operating system refused; `errno` tells why.
    case inputOutput
}

/// Reads a file as a stream, plain or gzip. Not for several threads at once.
public final class GzipFileReader {
    // SAFETY: the handle is opened by `init`, used only by the methods, and closed once by `deinit`.
    private let handle: gzFile

    /// Opens a file; nil if the operating system refuses.
    public init?(path: String) {
        guard let handle = gzopen(path, "rb") else { return nil }
        self.handle = handle
        gzbuffer(handle, 128 << 10)
    }

    deinit {
        gzclose_r(handle)
    }

    /// How many bytes of the file, as it lies on the disk, are read.
    public var diskOffset: Int { Int(gzoffset(handle)) }

    /// The next bytes, so many at most; none at the end.
    public func read(atMost count: Int) throws(GzipFileError) -> Bytes {
        var read: Int32 = 0
        let bytes = Bytes(unsafeUninitializedCapacity: count) { buffer, filled in
            read = gzread(handle, buffer.baseAddress, UInt32(count))
            filled = Int(max(0, read))
        }
        var code: Int32 = 0
        let text = gzerror(handle, &code).map { String(cString: $0) } ?? ""
        switch code {
        case Z_OK: return bytes
        case Z_BUF_ERROR: throw .truncated
        case Z_ERRNO: throw .inputOutput
        default: throw .damaged(text)
        }
    }
}

/// Writes a file as a stream. Not for several threads at once.
public final class GzipFileWriter {
    /// What becomes of the bytes.
    public enum Form: Sendable {
        case plain
        case gzip
    }

    // SAFETY: `nil` once closed; used by one thread.
    private var handle: gzFile?

    /// Writes to an open file, which belongs to the writer from now on; nil if the operating system
    /// refuses, and the file then still is the caller's.
    public init?(descriptor: Int32, _ form: Form) {
        // "T" writes through without compression.
        let mode =
            switch form {
            case .plain: "wbT"
            case .gzip: "wb6"
            }
        guard let handle = gzdopen(descriptor, mode) else { return nil }
        self.handle = handle
        gzbuffer(handle, 256 << 10)
    }

    deinit {
        if let handle { gzclose_w(handle) }
    }

    /// Adds bytes, fewer than 2 GiB.
    public func append(_ bytes: Bytes) throws(GzipFileError) {
        guard let handle else { return }
        // SAFETY: zlib reads no more bytes than there are. It refuses 2 GiB and more.
        let written = bytes.withUnsafeBytes {
            gzwrite(handle, $0.baseAddress, UInt32(clamping: $0.count))
        }
        guard Int(written) == bytes.count else { throw .inputOutput }
    }

    /// Writes what is still buffered and closes the file.
    public func close() throws(GzipFileError) {
        guard let handle else { return }
        self.handle = nil
        guard gzclose_w(handle) == Z_OK else { throw .inputOutput }
    }
}
