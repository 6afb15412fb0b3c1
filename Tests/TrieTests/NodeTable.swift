import Cryptography
import Primitives
import TestSupport
import Trie

/// A store of nodes in memory, as the disk keeps them.
final class NodeTable: TrieNodeReader {
    var nodes: [NibblePath: Bytes] = [:]
    private(set) var reads = 0

    func node(at path: NibblePath, mayBeLeaf: Bool) throws(TrieError) -> Bytes? {
        reads += 1
        return nodes[path]
    }

    func apply(_ update: TrieUpdate) {
        for change in update.changes { nodes[change.path] = change.node.map { Bytes($0) } }
    }
}

/// The root of a trie straight from its definition (Yellow Paper, appendix D): the structural
/// composition of a set of pairs, without any of the trie's own code.
func definedRoot(_ entries: [Bytes: Bytes]) -> Hash256 {
    guard !entries.isEmpty else { return .emptyTrieRoot }
    let pairs = entries.map { (key: $0.key.flatMap { [$0 >> 4, $0 & 15] }, value: $0.value) }
    return keccak256(composition(pairs, from: 0))
}

private typealias Pair = (key: [UInt8], value: Bytes)

/// c(J, i).
private func composition(_ pairs: [Pair], from start: Int) -> Bytes {
    if pairs.count == 1 {
        return RLPEncoder.list { list in
            list.append(hexPrefix(pairs[0].key[start...], flag: 2))
            list.append(pairs[0].value)
        }
    }
    var end = start
    while pairs.allSatisfy({ $0.key.count > end && $0.key[end] == pairs[0].key[end] }) { end += 1 }
    if end > start {
        return RLPEncoder.list { list in
            list.append(hexPrefix(pairs[0].key[start..<end], flag: 0))
            list.appendRaw(capped(pairs, from: end))
        }
    }
    return RLPEncoder.list { list in
        for nibble in 0..<16 as Range<UInt8> {
            list.appendRaw(
                capped(
                    pairs.filter { $0.key.count > start && $0.key[start] == nibble },
                    from: start + 1))
        }
        list.append(pairs.first { $0.key.count == start }?.value ?? [])
    }
}

/// n(J, i), as it stands in a parent.
private func capped(_ pairs: [Pair], from start: Int) -> Bytes {
    guard !pairs.isEmpty else { return [0x80] }
    let node = composition(pairs, from: start)
    return node.count < 32 ? node : [0xa0] + keccak256(node).bytes
}

/// HP(x, t).
private func hexPrefix(_ nibbles: ArraySlice<UInt8>, flag: UInt8) -> Bytes {
    let isOdd = nibbles.count % 2 == 1
    let all = (isOdd ? [flag + 1] : [flag, 0]) + nibbles
    return stride(from: 0, to: all.count, by: 2).map { all[$0] << 4 | all[$0 + 1] }
}

extension SeededRandom {
    /// A key of a few bytes out of few, so that keys share prefixes and are prefixes of each other.
    mutating func crowdedKey() -> Bytes {
        (0..<index(below: 5)).map { _ in [0x00, 0x01, 0x10, 0x11, 0xf1][index(below: 5)] }
    }

    /// A value that is sometimes too short for a node of its own.
    mutating func value() -> Bytes {
        bytes(index(below: 3) == 0 ? 40 : 1 + index(below: 4))
    }
}
