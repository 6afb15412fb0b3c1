// Proofs that a key has a value, or none, under a root: the nodes on the way to it (EIP-1186).

import Cryptography
public import Primitives

extension MerkleTrie {
    /// The encoded nodes on the way to a key from the root on, which prove its value or that it has
    /// none. Nodes that lie within others are not listed. The proof of an empty trie is empty.
    ///
    /// - Precondition: all changes are committed.
    public mutating func proof(for key: Hash256) throws(TrieError) -> [Bytes] {
        try proof(for: NibblePath(key))
    }

    /// The proof for a key of at most 32 bytes.
    public mutating func proof(for key: Bytes) throws(TrieError) -> [Bytes] {
        try proof(for: NibblePath(key))
    }

    private mutating func proof(for key: NibblePath) throws(TrieError) -> [Bytes] {
        var path: [UInt32] = []
        try walk(key) { index, node, _ in
            switch node.form {
            case .hashed: path.append(index)
            case .embedded: break
            case .changed: preconditionFailure("A proof needs the changes committed.")
            }
        }
        return path.map { index in
            var encoder = RLPEncoder()
            memory.encode(index, into: &encoder)
            return encoder.bytes
        }
    }

    /// Checks a proof against a root hash.
    ///
    /// - Returns: the value of the key, or nil if the proof shows that it has none.
    public static func verifyProof(
        root: Hash256, key: Hash256, proof: [Bytes]
    ) throws(TrieProofError) -> Bytes? {
        try verifyProof(root: root, path: NibblePath(key), proof: proof)
    }

    /// Checks a proof for a key of at most 32 bytes against a root hash.
    ///
    /// - Returns: the value of the key, or nil if the proof shows that it has none.
    public static func verifyProof(
        root: Hash256, key: Bytes, proof: [Bytes]
    ) throws(TrieProofError) -> Bytes? {
        try verifyProof(root: root, path: NibblePath(key), proof: proof)
    }

    private static func verifyProof(
        root: Hash256, path: NibblePath, proof: [Bytes]
    ) throws(TrieProofError) -> Bytes? {
        var rest = path
        var next = ProofStep.node(root)
        for (index, node) in proof.enumerated() {
            guard case .node(let expected) = next else {
                throw .unusedNodes(count: proof.count - index)
            }
            guard keccak256(node) == expected else { throw .wrongHash(index: index) }
            do throws(TrieNodeDefect) {
                next = try step(node[...], &rest)
            } catch {
                throw .corruptNode(index: index, defect: error)
            }
        }
        switch next {
        case .value(let value): return value
        case .absent: return nil
        case .node(.emptyTrieRoot) where proof.isEmpty: return nil
        case .node: throw .incomplete
        }
    }

    /// Where a proof goes on after a node.
    private enum ProofStep {
        /// At the node with a hash.
        case node(Hash256)
        /// Nowhere: the key has this value.
        case value(Bytes)
        /// Nowhere: the key has no value.
        case absent
    }

    /// Follows the key through an encoded node and those that lie in it, which get shorter.
    private static func step(
        _ encoded: ArraySlice<UInt8>, _ rest: inout NibblePath
    ) throws(TrieNodeDefect) -> ProofStep {
        var input = encoded
        while true {
            let items = try TrieNodeItems(input)
            let child: Int
            if items.count == 17 {
                if rest.isEmpty {
                    guard !items.isList(16) else { throw .value }
                    let value = input[items.ranges[16]]
                    return value.isEmpty ? .absent : .value(Bytes(value))
                }
                child = Int(rest[0])
                rest = rest.dropFirst(1)
            } else {
                guard !items.isList(0),
                    let (path, ending) = NibblePath.decode(hexPrefix: input[items.ranges[0]])
                else { throw .path }
                switch ending {
                case .leaf:
                    guard !items.isList(1), !items.ranges[1].isEmpty else { throw .value }
                    return path == rest ? .value(Bytes(input[items.ranges[1]])) : .absent
                case .extension:
                    guard !path.isEmpty else { throw .path }
                    guard rest.starts(with: path) else { return .absent }
                    rest = rest.dropFirst(path.count)
                    child = 1
                }
            }
            let bytes = input[items.ranges[child]]
            if items.isList(child) {
                guard bytes.count < 32 else { throw .reference }
                input = bytes
            } else if bytes.isEmpty, items.count == 17 {
                return .absent
            } else {
                guard let hash = Hash256(bytes) else { throw .reference }
                return .node(hash)
            }
        }
    }
}
