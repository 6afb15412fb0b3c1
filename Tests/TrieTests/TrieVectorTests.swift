import Cryptography
import Foundation
import Primitives
import TestSupport
import Testing
import Trie

@Suite(.enabled(if: Fixtures.areAvailable, Fixtures.hint))
struct TrieVectorTests {
    @Test(arguments: [
        "trietest.json", "trieanyorder.json", "trietest_secureTrie.json",
        "trieanyorder_secureTrie.json", "hex_encoded_securetrie_test.json",
    ])
    func `the official roots`(file: String) throws {
        let isSecure = file.contains("secure")
        let cases = try Fixtures.cases(Fixtures.file("trie-tests", file))
        #expect(!cases.isEmpty)
        for (name, value) in cases {
            let root = try #require(value["root"]?.stringValue.flatMap { Hash256(hex: $0) })
            var trie = MerkleTrie(reader: nil, root: .emptyTrieRoot)
            for (text, value) in try entries(try #require(value["in"])) {
                let key = isSecure ? keccak256(bytes(text)).bytes : bytes(text)
                try trie.set(key: key, value: value.map(bytes) ?? [])
            }
            #expect(trie.commit().root == root, "\(file) \(name)")
        }
    }

    @Test func `neighbours in the order of paths`() throws {
        let cases = try Fixtures.cases(Fixtures.file("trie-tests", "trietestnextprev.json"))
        #expect(!cases.isEmpty)
        for (name, value) in cases {
            let keys = try #require(value["in"]?.arrayValue).compactMap(\.stringValue)
            let paths = Dictionary(uniqueKeysWithValues: keys.map { (NibblePath(bytes($0)), $0) })
            for test in try #require(value["tests"]?.arrayValue) {
                let words = try #require(test.arrayValue).compactMap(\.stringValue)
                let path = NibblePath(bytes(words[0]))
                let before = paths.keys.filter { $0 < path }.max()
                let after = paths.keys.filter { path < $0 }.min()
                #expect(before.flatMap { paths[$0] } ?? "" == words[1], "\(name) \(words)")
                #expect(after.flatMap { paths[$0] } ?? "" == words[2], "\(name) \(words)")
            }
        }
    }

    @Test func `the official hex-prefix encodings`() throws {
        let file = try #require(
            try Fixtures.files("basic-tests").first { $0.lastPathComponent == "hexencodetest.json" }
        )
        for (name, value) in try Fixtures.cases(file) {
            let nibbles = try #require(value["seq"]?.arrayValue).compactMap(\.intValue)
            let path = nibbles.reduce(NibblePath()) { $0.appending(UInt8($1)) }
            let ending: NibblePath.Ending = value["term"]?.boolValue == true ? .leaf : .extension
            let expected = try #require(value["out"]?.stringValue.flatMap { Hex.decode($0) })
            #expect(path.hexPrefix(ending) == expected, "\(name)")
        }
    }

    /// Pairs in order, or an object whose order does not matter.
    private func entries(_ json: JSONValue) throws -> [(String, String?)] {
        if let pairs = json.arrayValue {
            return try pairs.map { pair in
                (try #require(pair[0]?.stringValue), pair[1]?.stringValue)
            }
        }
        return try #require(json.objectValue).map { ($0.key, $0.value.stringValue) }
    }

    /// Hexadecimal after "0x", else the text itself.
    private func bytes(_ text: String) -> Bytes {
        text.hasPrefix("0x") ? Hex.decode(text) ?? [] : Bytes(text.utf8)
    }
}
