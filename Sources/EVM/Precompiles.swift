/// The contracts that are part of the protocol: what each costs and what it does (Yellow Paper,
/// appendix E, and the EIPs named below).
///
/// Which of them a fork has, and at what prices, is in `GasSchedule`.

public import Cryptography
public import EthereumTypes
public import Primitives

/// A precompile. The raw value is the low byte of its address, but for P256VERIFY.
package enum Precompile: UInt8, BitwiseCopyable, CaseIterable {
    case ecrecover = 1
    case sha256, ripemd160, identity
    /// EIP-198.
    case modexp
    /// EIP-196, EIP-197.
    case bn254Add, bn254Multiply, bn254Pairing
    /// EIP-152.
    case blake2F
    /// EIP-4844.
    case pointEvaluation
    /// EIP-2537.
    case blsG1Add, blsG1MSM, blsG2Add, blsG2MSM, blsPairing, blsMapToG1, blsMapToG2
    /// EIP-7951, at 0x100.
    case p256Verify
}

/// What the outside can ask about precompiles.
public enum Precompiles {
    /// The addresses of the precompiles of a fork, in ascending order.
    public static func addresses(at fork: Fork) -> [Address] {
        let schedule = GasSchedule.of(fork)
        return Precompile.allCases.map(\.address).filter { isPrecompile($0, schedule) }
    }

    /// The precompiles of a fork by the names that EIP-7910 gives them.
    public static func named(at fork: Fork) -> [String: Address] {
        let schedule = GasSchedule.of(fork)
        var named: [String: Address] = [:]
        for precompile in Precompile.allCases where isPrecompile(precompile.address, schedule) {
            named[precompile.name] = precompile.address
        }
        return named
    }

    /// Why the precompile at an address of the protocol refuses an input; nil if it does not.
    public static func defect(of input: Bytes, at address: Address) -> PrecompileDefect? {
        guard let precompile = Precompile.allCases.first(where: { $0.address == address }) else {
            return nil
        }
        do {
            _ = try precompile.run(input)
            return nil
        } catch {
            return error
        }
    }

    /// Whether an address is that of a precompile of a fork.
    public static func contains(_ address: Address, at fork: Fork) -> Bool {
        isPrecompile(address, GasSchedule.of(fork))
    }
}

/// Precompiles that stand elsewhere, or nowhere, for a simulation.
///
/// An address that is warm because the protocol has a precompile there stays so, as in geth.
public final class MovedPrecompiles: Sendable {
    // SAFETY: the schedule is written in `init`, only read afterwards, and freed with its one owner,
    // which whoever uses the schedule holds. It points to its owner without a reference.
    private nonisolated(unsafe) let memory: UnsafeMutablePointer<GasSchedule>
    private let places: [Address: Precompile]

    /// - Parameters:
    ///   - moves: new places by the protocol's; of two moves to one place the one from the higher
    ///     address counts. What is no precompile cannot be moved.
    ///   - removed: places whose precompile gives way to the account's code.
    public init(fork: Fork, moves: [Address: Address], removed: Set<Address>) {
        let own = GasSchedule.of(fork)
        var places: [Address: Precompile] = [:]
        for precompile in Precompile.allCases where isPrecompile(precompile.address, own) {
            places[precompile.address] = precompile
        }
        let origin = places
        for address in removed.union(moves.keys) { places[address] = nil }
        for (address, target) in moves.sorted(by: { $0.key < $1.key }) {
            places[target] = origin[address]
        }
        self.places = places
        memory = .allocate(capacity: 1)
        memory.initialize(to: own.pointee)
        memory.pointee.moved = Unmanaged.passUnretained(self)
    }

    deinit { memory.deallocate() }

    var schedule: UnsafePointer<GasSchedule> { UnsafePointer(memory) }

    func precompile(at address: Address) -> Precompile? { places[address] }

    /// Where the precompile that answers at an address stands otherwise.
    public func origin(of address: Address) -> Address? { places[address]?.address }
}

/// The precompile that answers at an address, or nil.
@inline(always)
func precompile(_ address: Address, _ schedule: UnsafePointer<GasSchedule>) -> Precompile? {
    if let moved = schedule.pointee.moved {
        return moved._withUnsafeGuaranteedRef { $0.precompile(at: address) }
    }
    return protocolPrecompile(address, schedule)
}

@inline(always)
private func protocolPrecompile(
    _ address: Address, _ schedule: UnsafePointer<GasSchedule>
) -> Precompile? {
    guard address.w0 | address.w1 == 0, address.w2 != 0, address.w2 <= 0x100 else { return nil }
    if address.w2 <= UInt32(schedule.pointee.lastPrecompile) {
        return Precompile(rawValue: UInt8(address.w2))
    }
    return address.w2 == 0x100 && schedule.pointee.hasP256Verify ? .p256Verify : nil
}

/// Whether the protocol has a precompile at an address, which is warm then.
@inline(always)
func isPrecompile(_ address: Address, _ schedule: UnsafePointer<GasSchedule>) -> Bool {
    protocolPrecompile(address, schedule) != nil
}

extension Precompile {
    /// The name in EIP-7910.
    fileprivate var name: String {
        switch self {
        case .ecrecover: "ECREC"
        case .sha256: "SHA256"
        case .ripemd160: "RIPEMD160"
        case .identity: "ID"
        case .modexp: "MODEXP"
        case .bn254Add: "BN254_ADD"
        case .bn254Multiply: "BN254_MUL"
        case .bn254Pairing: "BN254_PAIRING"
        case .blake2F: "BLAKE2F"
        case .pointEvaluation: "KZG_POINT_EVALUATION"
        case .blsG1Add: "BLS12_G1ADD"
        case .blsG1MSM: "BLS12_G1MSM"
        case .blsG2Add: "BLS12_G2ADD"
        case .blsG2MSM: "BLS12_G2MSM"
        case .blsPairing: "BLS12_PAIRING_CHECK"
        case .blsMapToG1: "BLS12_MAP_FP_TO_G1"
        case .blsMapToG2: "BLS12_MAP_FP2_TO_G2"
        case .p256Verify: "P256VERIFY"
        }
    }
}

// MARK: Costs

extension Precompile {
    package var address: Address {
        Address(w0: 0, w1: 0, w2: self == .p256Verify ? 0x100 : UInt32(rawValue))
    }

    /// The gas for an input. More than anybody has if it cannot be counted.
    package func cost(_ input: UnsafeRawBufferPointer, _ schedule: UnsafePointer<GasSchedule>)
        -> Int
    {
        switch self {
        case .ecrecover: 3000
        case .sha256: 60 + 12 * wordCount(input.count)
        case .ripemd160: 600 + 120 * wordCount(input.count)
        case .identity: 15 + 3 * wordCount(input.count)
        case .modexp: ModexpInput(input).cost(schedule.pointee.modexpPricing)
        case .bn254Add: schedule.pointee.bn254Add
        case .bn254Multiply: schedule.pointee.bn254Multiply
        case .bn254Pairing:
            schedule.pointee.bn254PairingBase
                + schedule.pointee.bn254PairingPair * (input.count / 192)
        case .blake2F:
            input.count == 213
                ? Int(UInt32(bigEndian: input.loadUnaligned(as: UInt32.self))) : 0
        case .pointEvaluation: 50000
        case .blsG1Add: 375
        case .blsG1MSM: msmCost(input.count / 160, 12000, msmDiscountsG1)
        case .blsG2Add: 600
        case .blsG2MSM: msmCost(input.count / 288, 22500, msmDiscountsG2)
        case .blsPairing: 37700 + 32600 * (input.count / 384)
        case .blsMapToG1: 5500
        case .blsMapToG2: 23800
        case .p256Verify: schedule.pointee.p256Verify
        }
    }

    /// The output for an input.
    package func run(_ input: Bytes) throws(PrecompileDefect) -> Bytes {
        switch self {
        case .ecrecover: recover(input)
        case .sha256: Cryptography.sha256(input)
        case .ripemd160: Bytes(repeating: 0, count: 12) + Cryptography.ripemd160(input)
        case .identity: input
        case .modexp: try input.withUnsafeBytes { ModexpInput($0) }.run(input)
        case .bn254Add: try BN254.add(input[...])
        case .bn254Multiply: try BN254.multiply(input[...])
        case .bn254Pairing: try BN254.pairing(input[...])
        case .blake2F: try compress(input)
        case .pointEvaluation: try KZG.pointEvaluation(input[...])
        case .blsG1Add: try BLS12381.g1Add(input[...])
        case .blsG1MSM: try BLS12381.g1MSM(input[...])
        case .blsG2Add: try BLS12381.g2Add(input[...])
        case .blsG2MSM: try BLS12381.g2MSM(input[...])
        case .blsPairing: try BLS12381.pairing(input[...])
        case .blsMapToG1: try BLS12381.mapToG1(input[...])
        case .blsMapToG2: try BLS12381.mapToG2(input[...])
        case .p256Verify: verify(input)
        }
    }
}

/// EIP-2537: the cost of a sum of k products, with a discount in thousandths that grows with k.
private func msmCost(_ k: Int, _ product: Int, _ discounts: [UInt16]) -> Int {
    k == 0 ? 0 : k * product * Int(discounts[min(k, discounts.count) - 1]) / 1000
}

private let msmDiscountsG1: [UInt16] = [
    1000, 949, 848, 797, 764, 750, 738, 728, 719, 712, 705, 698, 692, 687, 682, 677, 673, 669, 665,
    661, 658, 654, 651, 648, 645, 642, 640, 637, 635, 632, 630, 627, 625, 623, 621, 619, 617, 615,
    613, 611, 609, 608, 606, 604, 603, 601, 599, 598, 596, 595, 593, 592, 591, 589, 588, 586, 585,
    584, 582, 581, 580, 579, 577, 576, 575, 574, 573, 572, 570, 569, 568, 567, 566, 565, 564, 563,
    562, 561, 560, 559, 558, 557, 556, 555, 554, 553, 552, 551, 550, 549, 548, 547, 547, 546, 545,
    544, 543, 542, 541, 540, 540, 539, 538, 537, 536, 536, 535, 534, 533, 532, 532, 531, 530, 529,
    528, 528, 527, 526, 525, 525, 524, 523, 522, 522, 521, 520, 520, 519,
]

private let msmDiscountsG2: [UInt16] = [
    1000, 1000, 923, 884, 855, 832, 812, 796, 782, 770, 759, 749, 740, 732, 724, 717, 711, 704,
    699, 693, 688, 683, 679, 674, 670, 666, 663, 659, 655, 652, 649, 646, 643, 640, 637, 634, 632,
    629, 627, 624, 622, 620, 618, 615, 613, 611, 609, 607, 606, 604, 602, 600, 598, 597, 595, 593,
    592, 590, 589, 587, 586, 584, 583, 582, 580, 579, 578, 576, 575, 574, 573, 571, 570, 569, 568,
    567, 566, 565, 563, 562, 561, 560, 559, 558, 557, 556, 555, 554, 553, 552, 552, 551, 550, 549,
    548, 547, 546, 545, 545, 544, 543, 542, 541, 541, 540, 539, 538, 537, 537, 536, 535, 535, 534,
    533, 532, 532, 531, 530, 530, 529, 528, 528, 527, 526, 526, 525, 524, 524,
]

// MARK: What the small ones do

/// The 32 bytes at an offset of an input, padded with zeros, as a number.
private func number(_ input: Bytes, at offset: Int) -> UInt256 {
    guard offset < input.count else { return .zero }
    var bytes = Bytes(input[offset..<min(offset + 32, input.count)])
    bytes += Bytes(repeating: 0, count: 32 - bytes.count)
    return UInt256(bigEndian: bytes) ?? .zero
}

/// ECRECOVER: hash, v, r, s in; the address, or nothing if there is none.
private func recover(_ input: Bytes) -> Bytes {
    let v = number(input, at: 32)
    guard v == 27 || v == 28 else { return [] }
    let signature = Signature(
        yParity: v == 28, r: number(input, at: 64), s: number(input, at: 96))
    guard
        let address = recoverAddress(hash: Hash256(number(input, at: 0)), signature: signature)
    else { return [] }
    return Bytes(repeating: 0, count: 12) + address.bytes
}

/// BLAKE2F: rounds (4 bytes), h (8 words), m (16), t (2), final flag (1 byte); words little-endian.
private func compress(_ input: Bytes) throws(PrecompileDefect) -> Bytes {
    guard input.count == 213 else { throw .length }
    guard input[212] <= 1 else { throw .flag }
    let words = input.withUnsafeBytes { bytes in
        (0..<26).map {
            UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 + 8 * $0, as: UInt64.self))
        }
    }
    let rounds = input[..<4].reduce(0 as UInt32) { $0 << 8 | UInt32($1) }
    let h = blake2F(
        rounds: rounds, h: Array(words[0..<8]), m: Array(words[8..<24]), t: (words[24], words[25]),
        final: input[212] == 1)
    return h.flatMap { word in withUnsafeBytes(of: word.littleEndian) { Bytes($0) } }
}

/// P256VERIFY: hash, r, s, x, y in; 1, or nothing.
private func verify(_ input: Bytes) -> Bytes {
    guard input.count == 160,
        verifyP256(
            hash: Hash256(number(input, at: 0)), r: number(input, at: 32),
            s: number(input, at: 64), x: number(input, at: 96), y: number(input, at: 128))
    else { return [] }
    return UInt256.one.bigEndianBytes
}

// MARK: MODEXP

/// The head of MODEXP's input: three lengths, and as much of the exponent as its price needs.
struct ModexpInput {
    private let baseLength, exponentLength, modulusLength: UInt64

    /// The first 32 bytes of the exponent, or all of it.
    private let exponentHead: UInt256

    init(_ input: UnsafeRawBufferPointer) {
        func length(_ index: Int) -> UInt64 {
            Self.word(input, at: UInt64(index * 32), size: 32).clampedToUInt64
        }
        baseLength = length(0)
        exponentLength = length(1)
        modulusLength = length(2)
        let (start, overflow) = baseLength.addingReportingOverflow(96)
        exponentHead =
            overflow
            ? .zero : Self.word(input, at: start, size: Int(min(exponentLength, 32)))
    }

    /// The number in `size` bytes at an offset; what lies beyond the end of the input is zero.
    private static func word(
        _ input: UnsafeRawBufferPointer, at offset: UInt64, size: Int
    ) -> UInt256 {
        var result = UInt256.zero
        for index in 0..<size {
            let (position, overflow) = offset.addingReportingOverflow(UInt64(index))
            let byte =
                !overflow && position < UInt64(input.count) ? input[Int(position)] : 0
            result = result << 8 | UInt256(UInt64(byte))
        }
        return result
    }

    func cost(_ pricing: ModexpPricing) -> Int {
        let size = max(baseLength, modulusLength)
        let cost: UInt64
        switch pricing {
        case .eip198:
            let complexity = Self.complexityBeforeBerlin(size)
            cost = Self.product(complexity, max(iterations(byteWeight: 8), 1)) / 20
        case .eip2565:
            let words = size / 8 + (size % 8 == 0 ? 0 : 1)
            let complexity = Self.product(words, words)
            cost = max(200, Self.product(complexity, max(iterations(byteWeight: 8), 1)) / 3)
        case .eip7883:
            // EIP-7823 limits the lengths.
            if max(size, exponentLength) > 1024 { return .max }
            let words = (size + 7) / 8
            let complexity = size <= 32 ? 16 : 2 * words * words
            cost = max(500, complexity * max(iterations(byteWeight: 16), 1))
        }
        return Int(min(cost, UInt64(Int.max)))
    }

    /// How often the loop of the exponentiation runs: the length of the exponent in bits.
    private func iterations(byteWeight: UInt64) -> UInt64 {
        let headBits = UInt64(max(0, exponentHead.bitWidth - 1))
        if exponentLength <= 32 { return headBits }
        let (sum, overflow) = Self.product(byteWeight, exponentLength - 32)
            .addingReportingOverflow(headBits)
        return overflow ? .max : sum
    }

    private static func complexityBeforeBerlin(_ size: UInt64) -> UInt64 {
        if size <= 64 { return size * size }
        if size <= 1024 { return size * size / 4 + 96 * size - 3072 }
        // Above this the square does not fit, and neither would the gas.
        if size > UInt64(UInt32.max) { return .max }
        return size * size / 16 + 480 * size - 199_680
    }

    /// The product, or the largest number if it is larger.
    private static func product(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let (product, overflow) = a.multipliedReportingOverflow(by: b)
        return overflow ? .max : product
    }

    /// The power. It has been paid for, so the lengths are small or there is nothing to do.
    func run(_ input: Bytes) throws(PrecompileDefect) -> Bytes {
        if modulusLength == 0 { return [] }
        guard max(baseLength, modulusLength) <= 1 << 32, exponentLength <= 1 << 32 else {
            throw .length
        }
        func part(_ start: Int, _ count: UInt64) -> Bytes {
            let end = start + Int(count)
            guard start < input.count else { return Bytes(repeating: 0, count: Int(count)) }
            return Bytes(input[start..<min(end, input.count)])
                + Bytes(repeating: 0, count: max(0, end - input.count))
        }
        let base = part(96, baseLength)
        let exponent = part(96 + Int(baseLength), exponentLength)
        let modulus = part(96 + Int(baseLength) + Int(exponentLength), modulusLength)
        return Cryptography.modexp(
            base: base[...], exponent: exponent[...], modulus: modulus[...])
    }
}
