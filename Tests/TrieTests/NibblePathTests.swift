import Primitives
import TestSupport
import Testing
import Trie

@Suite struct NibblePathTests {
    @Test func `parts of a path are those of a list of nibbles`() {
        var random = SeededRandom(seed: 2)
        for _ in 0..<500 {
            let path = NibblePath(random.hash()).prefix(random.index(below: 65))
            let nibbles = (0..<path.count).map { path[$0] }
            let cut = random.index(below: path.count + 1)
            #expect((0..<cut).map { path.prefix(cut)[$0] } == Array(nibbles.prefix(cut)))
            let tail = path.dropFirst(cut)
            #expect((0..<tail.count).map { tail[$0] } == Array(nibbles.dropFirst(cut)))
            #expect(path.prefix(cut).appending(tail) == path)
            #expect(path.starts(with: path.prefix(cut)))
            #expect(path.commonPrefixCount(with: path.prefix(cut)) == cut)
            if cut < path.count {
                let other = path.prefix(cut).appending(path[cut] ^ 1)
                #expect(path.commonPrefixCount(with: other) == cut)
                #expect(!path.starts(with: other))
            }
        }
    }

    @Test func `hex-prefix encodings read back`() {
        var random = SeededRandom(seed: 4)
        for count in 0...64 {
            let path = NibblePath(random.hash()).prefix(count)
            for ending in [NibblePath.Ending.leaf, .extension] {
                let bytes = path.hexPrefix(ending)
                #expect(bytes.count == count / 2 + 1)
                let decoded = NibblePath.decode(hexPrefix: bytes[...])
                #expect(decoded?.path == path)
                #expect(decoded?.ending == ending)
            }
        }
        #expect(NibblePath([0x12, 0x34]).hexPrefix(.leaf) == [0x20, 0x12, 0x34])
        #expect(NibblePath([0x12, 0x34]).dropFirst(1).hexPrefix(.extension) == [0x12, 0x34])
    }

    @Test(arguments: [[], [0x01], [0x2f], [0x40], [0xff], Bytes(repeating: 0x10, count: 34)])
    func `what is no hex-prefix encoding is refused`(bytes: Bytes) {
        #expect(NibblePath.decode(hexPrefix: bytes[...]) == nil)
    }

    @Test func `keys on disk are distinct, read back and stay in order`() {
        var random = SeededRandom(seed: 6)
        var paths = Set<NibblePath>()
        for _ in 0..<400 {
            let path = NibblePath(random.hash().uint256 & .max << 240 == 0 ? [] : random.bytes(2))
            paths.insert(path.prefix(random.index(below: path.count + 1)))
        }
        let keys = Set(paths.map(\.storageKey))
        #expect(keys.count == paths.count)
        for path in paths {
            #expect(NibblePath(storageKey: path.storageKey) == path)
        }
        for path in paths {
            for other in paths where path.count == other.count {
                #expect(
                    (path < other)
                        == path.storageKey.lexicographicallyPrecedes(other.storageKey))
            }
        }
    }

    @Test(arguments: [[], [0x41], [0x12, 0x03], [0x12, 0x01], [0x12], [0x10, 0x00]])
    func `what is no key on disk is refused`(bytes: Bytes) {
        #expect(NibblePath(storageKey: bytes) == nil)
    }
}
