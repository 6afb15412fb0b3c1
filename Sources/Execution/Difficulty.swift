//  How much work a block before the merge must prove.

public import EthereumTypes
public import Primitives

/// The lowest difficulty of any block.
private let minimumDifficulty: UInt256 = 131_072

/// The difficulty that a block must have: EELS `calculate_block_difficulty` of every fork with
/// proof of work.
///
/// - Parameter parentHasOmmers: counts from Byzantium on (EIP-100).
public func calculateBlockDifficulty(
    number: BlockNumber, timestamp: Timestamp, parentTimestamp: Timestamp,
    parentDifficulty: UInt256, parentHasOmmers: Bool, at fork: Fork
) -> UInt256 {
    let step = parentDifficulty.divided(by: 2_048)
    let elapsed = timestamp > parentTimestamp ? timestamp - parentTimestamp : 0

    // How many steps up; the fall is bounded at 99 steps a block from Homestead on.
    let rise: Int64
    if fork < .homestead {
        rise = elapsed < 13 ? 1 : -1
    } else if fork < .byzantium {
        rise = 1 - Int64(min(elapsed / 10, 100))
    } else {
        rise = (parentHasOmmers ? 2 : 1) - Int64(min(elapsed / 9, 101))
    }
    let bounded = max(rise, -99)
    let change = step &* UInt256(bounded.magnitude)
    // A step is a 2048th of the difficulty, so 99 of them never exceed it.
    var difficulty = bounded < 0 ? parentDifficulty &- change : parentDifficulty &+ change

    let delay = difficultyBombDelay(at: fork)
    if number > delay {
        let periods = (number - delay) / 100_000
        if periods >= 2 { difficulty = difficulty &+ (UInt256.one << (periods - 2)) }
    }
    return max(difficulty, minimumDifficulty)
}

/// By how many blocks the fork pretends the chain to be shorter than it is, to put off the
/// difficulty bomb (EIP-649, 1234, 2384, 3554, 4345, 5133).
private func difficultyBombDelay(at fork: Fork) -> BlockNumber {
    if fork < .byzantium { return 0 }
    if fork < .constantinople { return 3_000_000 }
    if fork < .muirGlacier { return 5_000_000 }
    if fork < .london { return 9_000_000 }
    if fork < .arrowGlacier { return 9_700_000 }
    if fork < .grayGlacier { return 10_700_000 }
    return 11_400_000
}
