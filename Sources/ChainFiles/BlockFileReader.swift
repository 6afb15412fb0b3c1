import Compression
import Glibc
public import Primitives

/// Reads a file of blocks: their RLP one after another, as `geth export` writes it, plain or gzip.
///
/// The file is a stream: no more than one block and a buffer are in memory, whatever the file says
/// about itself. Blocks are cut out, not decoded. Not for several threads at once.
public final class BlockFileReader {
    /// Bytes of a block at most. Osaka's limit is 8 MiB (EIP-7934); a private chain of an earlier
    /// fork with a huge gas limit may have larger ones.
    public static let largestBlock = 64 << 20
    /// Bytes read from the file at a time.
    private static let chunkBytes = 256 << 10

    /// The path of the file.
    public let path: String
    /// Where the next block begins in the stream.
    public private(set) var offset: UInt64 = 0

    private let file: GzipFileReader
    private let fileBytes: Int
    private var buffer: Bytes = []
    private var position = 0
    private var isAtEnd = false

    /// Opens a file.
    public init(path: String) throws(ChainFileError) {
        self.path = path
        var status = stat()
        guard stat(path, &status) == 0 else {
            throw errno == ENOENT
                ? .notFound(path: path) : .inputOutput(path: path, reason: lastSystemError())
        }
        guard status.st_mode & S_IFMT != S_IFDIR else {
            throw .inputOutput(path: path, reason: "it is a folder")
        }
        fileBytes = Int(status.st_size)
        guard let file = GzipFileReader(path: path) else {
            throw .inputOutput(path: path, reason: lastSystemError())
        }
        self.file = file
    }

    /// How much of the file, as it lies on the disk, is read: 0 to 1.
    public var fraction: Double {
        guard fileBytes > 0 else { return 1 }
        return min(1, Double(file.diskOffset) / Double(fileBytes))
    }

    /// The encoding of the next block; `nil` at the end of the file.
    public func next() throws(ChainFileError) -> Bytes? {
        guard try fill(1) else { return nil }
        let first = buffer[position]
        guard first >= 0xc0 else { throw .notABlock(path: path, offset: offset) }
        var headerBytes = 1
        var payload = UInt64(first - 0xc0)
        if first > 0xf7 {
            headerBytes += Int(first - 0xf7)
            guard try fill(headerBytes) else { throw .truncated(path: path, offset: offset) }
            let digits = buffer[(position + 1)..<(position + headerBytes)]
            payload = digits.reduce(0) { $0 << 8 | UInt64($1) }
            // A shorter form of the length would do: such bytes are no RLP.
            guard digits.first != 0, payload > 55 else {
                throw .notABlock(path: path, offset: offset)
            }
        }
        guard payload <= UInt64(Self.largestBlock) else {
            throw .blockTooLarge(
                path: path, offset: offset, size: payload, limit: Self.largestBlock)
        }
        let count = headerBytes + Int(payload)
        guard try fill(count) else { throw .truncated(path: path, offset: offset) }
        defer {
            position += count
            offset += UInt64(count)
        }
        return Bytes(buffer[position..<(position + count)])
    }

    /// Reads until so many bytes are there.
    ///
    /// - Returns: whether they are; if not, the stream is at its end.
    private func fill(_ count: Int) throws(ChainFileError) -> Bool {
        while buffer.count - position < count {
            if isAtEnd { return false }
            if position > 0 {
                buffer.removeFirst(position)
                position = 0
            }
            let chunk = try nextChunk()
            guard !chunk.isEmpty else {
                isAtEnd = true
                return buffer.count - position >= count
            }
            buffer += chunk
        }
        return true
    }

    private func nextChunk() throws(ChainFileError) -> Bytes {
        do throws(GzipFileError) {
            return try file.read(atMost: Self.chunkBytes)
        } catch {
            switch error {
            case .truncated: throw .truncated(path: path, offset: offset)
            case .inputOutput: throw .inputOutput(path: path, reason: lastSystemError())
            case .damaged(let reason):
                throw .corrupted(
                    path: path, offset: offset + UInt64(buffer.count), reason: reason)
            }
        }
    }
}

/// What the operating system said about the last call that failed.
func lastSystemError() -> String {
    String(cString: strerror(errno))
}
