public import Primitives

/// What tells the networks and histories of two nodes apart: EIP-2124, with the timestamps of
/// EIP-6122.
public struct ForkIdentifier: Hashable, Sendable {
    /// CRC-32 of the genesis hash and of the beginnings of all forks so far.
    public var hash: UInt32
    /// The block number or timestamp of the next fork; zero if none is known.
    public var next: UInt64
}

extension ChainConfig {
    /// The identifier of this chain at a block.
    ///
    /// Forks that begin with genesis, or together, count once; Paris, which begins at a difficulty,
    /// counts by ``mergeNetsplitBlock``.
    public func forkIdentifier(
        genesisHash: Hash256, genesisTime: Timestamp, number: BlockNumber, timestamp: Timestamp
    ) -> ForkIdentifier {
        var blocks: Set<UInt64> = mergeNetsplitBlock.map { [$0] } ?? []
        var times: Set<UInt64> = []
        for activation in activations.values {
            switch activation {
            case .block(let number): blocks.insert(number)
            case .timestamp(let time): times.insert(time)
            case .totalDifficulty: break
            }
        }
        var checksum = CRC32()
        checksum.add(genesisHash.bytes)
        for block in blocks.sorted() where block > 0 {
            guard block <= number else { return ForkIdentifier(hash: checksum.value, next: block) }
            checksum.add(block)
        }
        for time in times.sorted() where time > genesisTime {
            guard time <= timestamp else { return ForkIdentifier(hash: checksum.value, next: time) }
            checksum.add(time)
        }
        return ForkIdentifier(hash: checksum.value, next: 0)
    }
}

/// CRC-32 of IEEE 802.3, bit by bit: it is needed for a hundred bytes.
private struct CRC32 {
    private var state: UInt32 = .max

    var value: UInt32 { ~state }

    mutating func add(_ bytes: Bytes) {
        for byte in bytes {
            state ^= UInt32(byte)
            for _ in 0..<8 {
                state = state & 1 == 1 ? state >> 1 ^ 0xedb8_8320 : state >> 1
            }
        }
    }

    /// Adds a number as eight big-endian bytes.
    mutating func add(_ number: UInt64) {
        add((0..<8).map { UInt8(truncatingIfNeeded: number >> UInt64(56 - 8 * $0)) })
    }
}
