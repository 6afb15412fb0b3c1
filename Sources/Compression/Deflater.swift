import CZlib
import Primitives

/// Makes DEFLATE (RFC 1951).
// SAFETY: for one thread at a time, which whoever lends it sees to.
final class Deflater: @unchecked Sendable {
    // SAFETY: initialised by `init`, at a fixed address since zlib keeps it, and ended by `deinit`.
    private let stream: UnsafeMutablePointer<z_stream>

    /// - Parameters:
    ///   - windowBits: as zlib has it: -9 to -15 for a bare stream that refers back so far, as the
    ///     logarithm; 31 for gzip.
    ///   - level: 1 (fast) to 9.
    /// - Returns: nil if there is no memory.
    init?(windowBits: Int32, level: Int32) {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        guard
            deflateInit2_(
                stream, level, Z_DEFLATED, windowBits, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
                Int32(MemoryLayout<z_stream>.size)) == Z_OK
        else {
            stream.deallocate()
            return nil
        }
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
    }

    /// How a result ends.
    enum Ending: Sendable {
        /// With the last block of the stream.
        case finished
        /// With an empty block at a byte boundary, as messages of WebSocket do.
        case flushed
    }

    /// Forgets what was packed, and begins a new stream.
    ///
    /// - Returns: whether that worked.
    func reset() -> Bool { deflateReset(stream) == Z_OK }

    /// Packs the next bytes of the stream; nil if that fails, or there are more than 2 GiB. What comes
    /// after a flush must not be empty.
    func deflate(_ input: Bytes, _ ending: Ending) -> Bytes? {
        guard input.count <= Int(UInt32.max) / 2 else { return nil }
        // Enough for the result, and for the mark of a flush.
        let room = Int(deflateBound(stream, UInt(input.count))) + 16
        var code = Z_OK
        var isComplete = false
        var input = input
        let output = Bytes(unsafeUninitializedCapacity: room) { buffer, count in
            input.withUnsafeMutableBufferPointer { bytes in
                stream.pointee.next_in = bytes.baseAddress
                stream.pointee.avail_in = UInt32(bytes.count)
                stream.pointee.next_out = buffer.baseAddress
                stream.pointee.avail_out = UInt32(room)
                switch ending {
                case .finished: code = CZlib.deflate(stream, Z_FINISH)
                case .flushed: code = CZlib.deflate(stream, Z_SYNC_FLUSH)
                }
                count = room - Int(stream.pointee.avail_out)
                isComplete = stream.pointee.avail_in == 0 && stream.pointee.avail_out > 0
                stream.pointee.next_in = nil
                stream.pointee.next_out = nil
            }
        }
        switch ending {
        case .finished: return code == Z_STREAM_END ? output : nil
        case .flushed: return code == Z_OK && isComplete ? output : nil
        }
    }
}
