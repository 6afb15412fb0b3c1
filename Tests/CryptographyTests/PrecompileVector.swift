import Foundation
import Primitives
import TestSupport
import Testing

/// A vector in the format of geth's tests of precompiles: an input and an output, or an error.
struct PrecompileVector {
    let name: String
    let input: Bytes
    /// The output; nil if the call fails.
    let expected: Bytes?

    static func all(_ archive: String, _ path: String) throws -> [PrecompileVector] {
        try all(Fixtures.file(archive, path))
    }

    static func all(_ file: URL) throws -> [PrecompileVector] {
        let vectors = try #require(try Fixtures.json(file).arrayValue)
        return try vectors.map { vector in
            PrecompileVector(
                name: vector["Name"]?.stringValue ?? "",
                input: try #require(vector["Input"]?.stringValue.flatMap { Hex.decode($0) }),
                expected: vector["Expected"]?.stringValue.flatMap { Hex.decode($0) })
        }
    }
}
