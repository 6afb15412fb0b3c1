//  Ethash: the seal of blocks before the merge (Yellow Paper, appendix J; EELS `ethash.py`).
//
//  A seal is checked with the light algorithm: of the dataset (a gigabyte and more) only the 128 rows
//  that the header asks for are made, out of the cache (16 MiB and more) of the header's epoch.

import Cryptography
public import EthereumTypes
public import Primitives

/// The cache of one epoch, and the check of its blocks' seals.
public final class Ethash: Sendable {
    /// Blocks that share a cache.
    public static let epochLength: BlockNumber = 30_000

    /// The block number divided by the epoch's length.
    public let epoch: UInt64
    private let datasetSize: UInt64
    /// The cache, eight words an item.
    private let cache: [UInt64]
    private let itemCount: UInt32

    /// Makes the cache of an epoch, which takes about a second of computing.
    ///
    /// - Parameter epoch: below 2,048, which is later than the last block with proof of work.
    public init(epoch: UInt64) {
        precondition(epoch < 2_048, "There is no proof of work that late.")
        self.epoch = epoch
        datasetSize = Self.size(of: (1 << 30) + (1 << 23) * epoch, rows: 128)
        let items = Self.size(of: (1 << 24) + (1 << 17) * epoch, rows: 64) / 64
        itemCount = UInt32(items)
        cache = Self.cache(epoch: epoch, items: Int(items))
    }

    /// Whether the header's nonce and mix hash prove the work that its difficulty asks for.
    public func isSealed(_ header: Header) -> Bool {
        guard header.number / Self.epochLength == epoch, !header.difficulty.isZero else {
            return false
        }
        let (mixHash, result) = hashimoto(hash: header.hashWithoutSeal(), nonce: header.nonce)
        // result ≤ 2²⁵⁶ / difficulty, without a word of 257 bits.
        return mixHash == header.prevRandao
            && result.uint256 <= UInt256.max.divided(by: header.difficulty)
    }

    /// What a header's hash without seal and a nonce give: EELS `hashimoto_light`.
    public func hashimoto(hash: Hash256, nonce: UInt64) -> (mixHash: Hash256, result: Hash256) {
        let seed = keccak512(hash.bytes + nonce.littleEndianBytes)
        let first = UInt32(truncatingIfNeeded: seed[0])
        let rows = UInt32(datasetSize / 128)
        var low = seed
        var high = seed
        for access in 0..<UInt32(64) {
            let word = access % 32
            let mixed = word < 16 ? low.half(word) : high.half(word - 16)
            let row = fnv(access ^ first, mixed) % rows
            let next = (datasetItem(row &* 2), datasetItem(row &* 2 &+ 1))
            for index in 0..<8 {
                low[index] = fnv(low[index], next.0[index])
                high[index] = fnv(high[index], next.1[index])
            }
        }
        let compressed = Self.compress(low) + Self.compress(high)
        var seedBytes: Bytes = []
        for index in 0..<8 { seedBytes += seed[index].littleEndianBytes }
        return (Hash256(compressed) ?? .zero, keccak256(seedBytes + compressed))
    }

    /// Four 32-bit words to one, as bytes.
    private static func compress(_ mix: EthashItem) -> Bytes {
        stride(from: 0, to: UInt32(16), by: 4).flatMap { start in
            (1..<4).reduce(mix.half(start)) { fnv($0, mix.half(start + $1)) }.littleEndianBytes
        }
    }

    /// EELS `generate_dataset_item`.
    private func datasetItem(_ index: UInt32) -> EthashItem {
        var mix = item(index % itemCount)
        mix[0] ^= UInt64(index)
        mix = keccak512(mix)
        for parent in 0..<UInt32(256) {
            let start = Int(fnv(index ^ parent, mix.half(parent % 16)) % itemCount) * 8
            for word in 0..<8 { mix[word] = fnv(mix[word], cache[start + word]) }
        }
        return keccak512(mix)
    }

    private func item(_ index: UInt32) -> EthashItem {
        EthashItem { cache[Int(index) * 8 + $0] }
    }

    /// EELS `generate_cache`.
    private static func cache(epoch: UInt64, items: Int) -> [UInt64] {
        var seed = Hash256.zero
        for _ in 0..<epoch { seed = keccak256(seed) }
        var cache: [UInt64] = []
        cache.reserveCapacity(items * 8)
        var item = keccak512(seed.bytes)
        for _ in 0..<items {
            for word in 0..<8 { cache.append(item[word]) }
            item = keccak512(item)
        }
        for _ in 0..<3 {
            for index in 0..<items {
                let first = (index + items - 1) % items * 8
                let second = Int(UInt32(truncatingIfNeeded: cache[index * 8])) % items * 8
                for word in 0..<8 { item[word] = cache[first + word] ^ cache[second + word] }
                item = keccak512(item)
                for word in 0..<8 { cache[index * 8 + word] = item[word] }
            }
        }
        return cache
    }

    /// The largest size below `bound` that is a prime number of rows.
    private static func size(of bound: UInt64, rows: UInt64) -> UInt64 {
        var count = bound / rows - 1
        while !isPrime(count) { count -= 2 }
        return count * rows
    }

    private static func isPrime(_ number: UInt64) -> Bool {
        if number < 4 { return number > 1 }
        if number % 2 == 0 { return false }
        var divisor: UInt64 = 3
        while divisor * divisor <= number {
            if number % divisor == 0 { return false }
            divisor += 2
        }
        return true
    }
}

extension Header {
    /// What the seal of a block is made for: the hash of the header without nonce and mix hash.
    public func hashWithoutSeal() -> Hash256 {
        var encoder = RLPEncoder()
        encoder.list { list in
            list.append(parentHash)
            list.append(ommersHash)
            list.append(coinbase)
            list.append(stateRoot)
            list.append(transactionsRoot)
            list.append(receiptsRoot)
            list.append(logsBloom.bytes)
            list.append(difficulty)
            list.append(number)
            list.append(gasLimit)
            list.append(gasUsed)
            list.append(timestamp)
            list.append(extraData)
            if let baseFeePerGas { list.append(baseFeePerGas) }
        }
        return keccak256(encoder.bytes)
    }
}

extension FixedWidthInteger {
    fileprivate var littleEndianBytes: Bytes {
        (0..<Self.bitWidth / 8).map { UInt8(truncatingIfNeeded: self >> Self($0 * 8)) }
    }
}

/// 64 bytes as words in little-endian order: two of the 32-bit words of the specification in each.
private typealias EthashItem = InlineArray<8, UInt64>

extension InlineArray<8, UInt64> {
    /// A 32-bit word of the sixteen.
    fileprivate func half(_ index: UInt32) -> UInt32 {
        UInt32(truncatingIfNeeded: self[Int(index / 2)] >> UInt64(index % 2 * 32))
    }
}

/// The 32-bit FNV-1 step that Ethash mixes with.
private func fnv(_ a: UInt32, _ b: UInt32) -> UInt32 { (a &* 0x0100_0193) ^ b }

/// The same for both halves of a word.
private func fnv(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let low = fnv(UInt32(truncatingIfNeeded: a), UInt32(truncatingIfNeeded: b))
    let high = fnv(UInt32(truncatingIfNeeded: a >> 32), UInt32(truncatingIfNeeded: b >> 32))
    return UInt64(high) << 32 | UInt64(low)
}
