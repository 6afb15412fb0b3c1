public import Foundation

/// A directory that is removed with the last reference to it.
public final class TemporaryDirectory: Sendable {
    /// The directory; it exists.
    public let url: URL

    /// The path of the directory.
    public var path: String { url.path }

    /// A new, empty directory.
    public init() throws {
        url = FileManager.default.temporaryDirectory
            .appending(path: "apus-test-\(UUID().uuidString)", directoryHint: .isDirectory)
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit {
        // A database that closes at the same time may still write a file.
        for _ in 0..<10 where FileManager.default.fileExists(atPath: path) {
            try? FileManager.default.removeItem(at: url)
        }
    }
}
