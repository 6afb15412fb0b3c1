import Foundation
import Primitives

/// A file of the repository that tests read.
func repositoryFile(_ path: String) throws -> Bytes {
    let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    return Bytes(try Data(contentsOf: root.appending(path: path)))
}
