import CZlib
import Primitives

/// Why compressed bytes cannot be unpacked.
public enum InflationError: Error, Hashable, Sendable {
    /// They are not what they claim to be.
    case damaged
    /// They end too early.
    case truncated
    /// There is more in them than was allowed.
    case tooLarge
}

/// Undoes DEFLATE (RFC 1951), within limits.
///
/// What is unpacked is never more than a byte beyond the limit, whatever the input claims.
// SAFETY: for one thread at a time, which whoever lends it sees to.
final class Inflater: @unchecked Sendable {
    /// What stands around the compressed bytes.
    enum Wrapping: Int32 {
        /// Nothing.
        case none = -15
        /// A gzip header and trailer (RFC 1952).
        case gzip = 31
    }

    // SAFETY: initialised by `init`, at a fixed address since zlib keeps it, and ended by `deinit`.
    private let stream: UnsafeMutablePointer<z_stream>
    private static let step = 64 << 10

    /// Nil if there is no memory.
    init?(_ wrapping: Wrapping) {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        guard
            inflateInit2_(
                stream, wrapping.rawValue, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
                == Z_OK
        else {
            stream.deallocate()
            return nil
        }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// Unpacks bytes that stand alone.
    ///
    /// - Parameters:
    ///   - mayStayOpen: whether the bytes may end without the mark of the last block, as messages of
    ///     WebSocket do.
    ///   - limit: bytes of the result at most.
    /// - Returns: the result and how many bytes of the input it was made of.
    func inflate(
        _ input: Bytes, mayStayOpen: Bool, limit: Int
    ) throws(InflationError) -> (output: Bytes, consumed: Int) {
        guard inflateReset(stream) == Z_OK else { throw .damaged }
        guard input.count <= Int(UInt32.max) else { throw .tooLarge }
        var output: Bytes = []
        var code = Z_OK
        var left = 0
        // zlib only reads its input, which C's signature does not say.
        var input = input
        input.withUnsafeMutableBufferPointer { bytes in
            stream.pointee.next_in = bytes.baseAddress
            stream.pointee.avail_in = UInt32(bytes.count)
            repeat {
                let room = min(Self.step, limit + 1 - output.count)
                code = append(room, to: &output)
            } while code == Z_OK && output.count <= limit
                && (stream.pointee.avail_in > 0 || stream.pointee.avail_out == 0)
            left = Int(stream.pointee.avail_in)
            stream.pointee.next_in = nil
        }
        guard output.count <= limit else { throw .tooLarge }
        switch code {
        case Z_STREAM_END: return (output, input.count - left)
        // No progress was possible: the input has ended.
        case Z_OK, Z_BUF_ERROR:
            guard mayStayOpen else { throw .truncated }
            return (output, input.count - left)
        default: throw .damaged
        }
    }

    /// Unpacks at most so many bytes.
    private func append(_ room: Int, to output: inout Bytes) -> Int32 {
        var code = Z_OK
        let chunk = Bytes(unsafeUninitializedCapacity: room) { buffer, count in
            stream.pointee.next_out = buffer.baseAddress
            stream.pointee.avail_out = UInt32(room)
            code = CZlib.inflate(stream, Z_SYNC_FLUSH)
            count = room - Int(stream.pointee.avail_out)
            stream.pointee.next_out = nil
        }
        output += chunk
        return code
    }
}
