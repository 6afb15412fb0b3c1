public import Primitives

/// gzip (RFC 1952) in memory.
public enum Gzip {
    /// A gzip file; nil if there is no memory for it.
    public static func wrap(_ bytes: Bytes) -> Bytes? {
        Deflater(windowBits: 31, level: 1)?.deflate(bytes, .finished)
    }

    /// The contents of a gzip file, of its first member if it has several.
    ///
    /// - Parameter limit: bytes that they may have.
    public static func unwrap(_ file: Bytes, limit: Int) throws(InflationError) -> Bytes {
        guard let inflater = Inflater(.gzip) else { throw .tooLarge }
        return try inflater.inflate(file, mayStayOpen: false, limit: limit).output
    }
}
