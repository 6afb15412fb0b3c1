// Randomness that can be repeated: a randomised test names its seed when it fails, and APUS_TEST_SEED
// sets it.

import Foundation
public import Primitives

/// A generator whose whole sequence follows from its seed (SplitMix64).
public struct SeededRandom: RandomNumberGenerator, Sendable {
    /// What to put in APUS_TEST_SEED to see the same sequence again.
    public let seed: UInt64
    private var generator: SplitMix

    /// A generator with the seed in APUS_TEST_SEED, or else this one.
    public init(seed: UInt64) {
        let wanted = ProcessInfo.processInfo.environment["APUS_TEST_SEED"].flatMap(UInt64.init)
        self.seed = wanted ?? seed
        generator = SplitMix(seed: self.seed)
    }

    /// The next 64 bits.
    public mutating func next() -> UInt64 { generator.next() }

    /// So many random bytes.
    public mutating func bytes(_ count: Int) -> Bytes {
        var bytes = Bytes()
        bytes.reserveCapacity(count)
        for _ in 0..<count { bytes.append(UInt8(truncatingIfNeeded: next())) }
        return bytes
    }

    /// A random index below a count.
    public mutating func index(below count: Int) -> Int {
        Int.random(in: 0..<count, using: &self)
    }

    /// 32 random bytes.
    public mutating func hash() -> Hash256 {
        Hash256(w0: next(), w1: next(), w2: next(), w3: next())
    }

    /// A number that likes the edges: few bits, limbs of all zeros or ones, values near powers of 2.
    public mutating func word() -> UInt256 {
        switch index(below: 6) {
        case 0:
            return UInt256(next() & 0x1ff)
        case 1:
            let power = UInt256.one << UInt64(index(below: 256))
            return [power, power &- 1, power &+ 1, power.negated, (power &+ 1).negated][
                index(below: 5)]
        case 2, 3:
            return UInt256(l0: limb(), l1: limb(), l2: limb(), l3: limb())
        default:
            return hash().uint256 >> UInt64(index(below: 256))
        }
    }

    private mutating func limb() -> UInt64 {
        switch index(below: 6) {
        case 0: 0
        case 1: .max
        case 2: 1
        case 3: 1 << 63
        case 4: .max - 1
        default: next()
        }
    }
}
