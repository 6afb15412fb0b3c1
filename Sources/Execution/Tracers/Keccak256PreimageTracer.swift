//  geth's `keccak256PreimageTracer` (`eth/tracers/native/keccak256_preimage.go`).

import Cryptography
public import EVM
import EthereumTypes
public import Primitives

/// Collects what the KECCAK256 instructions of a transaction hash.
public final class Keccak256PreimageTracer: TraceRecorder {
    private var preimages: [Hash256: Bytes] = [:]
    private let limit: Int
    private var size = 0

    /// A tracer that keeps no more than so many bytes.
    public init(limit: Int = .max) {
        self.limit = limit
    }

    /// Hashes what the instruction will hash.
    public func step(_ step: borrowing Step) {
        guard step.opcode == .keccak256, size <= limit, let offset = step.stack(fromTop: 0),
            let count = step.stack(fromTop: 1),
            let preimage = step.affordableMemory(at: offset, count: count)
        else { return }
        if preimages.updateValue(preimage, forKey: keccak256(preimage)) == nil {
            size += 2 * preimage.count + 72
        }
    }

    /// The preimages by their hashes.
    public func result(
        of outcome: TransactionOutcome, limit: Int
    ) throws(TraceTooLarge) -> Bytes {
        guard size <= self.limit else { throw TraceTooLarge() }
        var writer = JSONWriter(capacity: size)
        writer.object { writer in
            for (hash, preimage) in preimages.sorted(by: { $0.key < $1.key }) {
                writer.key(hash.description)
                writer.hexData(preimage)
            }
        }
        return try writer.bytes.within(limit)
    }
}
