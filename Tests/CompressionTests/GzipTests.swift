import Compression
import Primitives
import TestSupport
import Testing

@Suite struct GzipTests {
    private let text = Bytes((0..<10_000).map { UInt8(truncatingIfNeeded: $0 / 100) })

    @Test func `a file comes back as it was, up to the limit`() throws {
        let file = try #require(Gzip.wrap(text))
        #expect(file.count < text.count)
        #expect(try Gzip.unwrap(file, limit: text.count) == text)
        #expect(throws: InflationError.tooLarge) {
            try Gzip.unwrap(file, limit: text.count - 1)
        }
    }

    @Test func `a file with damage anywhere is refused`() throws {
        let file = try #require(Gzip.wrap(text))
        for index in [0, 1, 2, 20, file.count / 2, file.count - 8, file.count - 1] {
            var damaged = file
            damaged[index] ^= 0x55
            #expect(throws: InflationError.self, "byte \(index)") {
                try Gzip.unwrap(damaged, limit: 1 << 20)
            }
        }
        #expect(throws: InflationError.truncated) {
            try Gzip.unwrap(Bytes(file.dropLast(9)), limit: 1 << 20)
        }
        #expect(throws: InflationError.truncated) { try Gzip.unwrap([], limit: 1 << 20) }
    }
}
