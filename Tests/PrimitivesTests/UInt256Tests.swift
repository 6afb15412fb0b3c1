import Primitives
import TestSupport
import Testing

/// The word against an implementation that is too simple to be wrong: numbers as lists of 16-bit
/// digits, with pen and paper arithmetic.
@Suite struct UInt256Tests {
    static let seeds: [UInt64] = [1, 2, 3, 4]
    static let rounds = 800

    @Test(arguments: seeds)
    func `arithmetic is that of pen and paper`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<Self.rounds {
            let (x, y) = (random.word(), random.word())
            let (a, b) = (Paper(x), Paper(y))
            let sum = a.plus(b)
            let product = a.times(b)
            #expect(x &+ y == sum.word, "\(x) \(y) seed \(random.seed)")
            #expect(x.addingReportingOverflow(y).overflow == !sum.fits)
            #expect((x &- y) &+ y == x)
            #expect(x.subtractingReportingOverflow(y).overflow == (a.isLess(than: b)))
            #expect((x < y) == a.isLess(than: b))
            #expect(x &* y == product.word, "\(x) \(y) seed \(random.seed)")
            #expect(x.multipliedReportingOverflow(by: y).overflow == !product.fits)
            let (high, low) = x.multipliedFullWidth(by: y)
            #expect(low == product.word)
            #expect(high == product.shiftedDown(by: 256).word)
        }
    }

    @Test(arguments: seeds)
    func `division is that of pen and paper`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<Self.rounds {
            let (x, y) = (random.word(), random.word())
            let (quotient, remainder) = Paper(x).divided(by: Paper(y))
            #expect(x / y == quotient.word, "\(x) \(y) seed \(random.seed)")
            #expect(x % y == remainder.word, "\(x) \(y) seed \(random.seed)")
            let both = x.quotientAndRemainder(dividingBy: y)
            #expect(both.quotient == x.divided(by: y))
            #expect(both.remainder == x.remainder(dividingBy: y))
        }
    }

    @Test(arguments: seeds)
    func `a quotient that is hard to estimate is exact`(seed: UInt64) {
        // The numerator is just below or at a multiple of the divisor with a quotient of all ones.
        var random = SeededRandom(seed: seed)
        for _ in 0..<Self.rounds {
            let y = random.word() >> 64
            guard !y.isZero else { continue }
            let digit = UInt64.max - UInt64(random.index(below: 3))
            let multiple = y * UInt256(digit)
            #expect(multiple / y == UInt256(digit))
            #expect((multiple % y).isZero)
            #expect((multiple &- 1) / y == UInt256(digit - 1), "\(y) seed \(random.seed)")
            #expect((multiple &- 1) % y == y - 1)
        }
    }

    @Test(arguments: seeds)
    func `sums and products are reduced whole`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<Self.rounds {
            let (x, y, m) = (random.word(), random.word(), random.word())
            let (a, b, n) = (Paper(x), Paper(y), Paper(m))
            #expect(
                x.addMod(y, m) == a.plus(b).divided(by: n).remainder.word,
                "\(x) \(y) \(m) seed \(random.seed)")
            #expect(
                x.mulMod(y, m) == a.times(b).divided(by: n).remainder.word,
                "\(x) \(y) \(m) seed \(random.seed)")
        }
    }

    @Test(arguments: seeds)
    func `the double is the nearest`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<Self.rounds {
            let x = random.word()
            #expect(x.doubleValue == Double(x.description), "\(x) seed \(random.seed)")
        }
        // Just at the middle of two doubles, and on either side.
        let middle = (UInt256.one << 53 | 1) << 200
        for x in [middle &- 1, middle, middle &+ 1, .max, .zero, 1] {
            #expect(x.doubleValue == Double(x.description), "\(x)")
        }
    }

    @Test func `modular arithmetic of the greatest words`() {
        let max = UInt256.max
        #expect(max.addMod(max, max) == 0)
        #expect(max.addMod(max, max - 1) == 2)
        #expect(max.addMod(1, 2) == 0)
        #expect(max.addMod(max, 0) == 0)
        #expect(max.mulMod(max, max) == 0)
        #expect(max.mulMod(max, max - 1) == 1)
        #expect(max.mulMod(max, 12) == 9)
        #expect(max.mulMod(max, 0) == 0)
        #expect(max.mulMod(max, 1) == 0)
        #expect((max - 1).mulMod(max - 1, max) == 1)
    }

    @Test func `division by zero is zero`() {
        for x in [UInt256.zero, 1, .max, UInt256.one << 64] {
            #expect(x / 0 == 0)
            #expect(x % 0 == 0)
            #expect(x.signedDivided(by: 0) == 0)
            #expect(x.signedRemainder(dividingBy: 0) == 0)
        }
    }

    @Test func `signed division rounds towards zero`() {
        let minus = { (x: UInt256) in x.negated }
        #expect(minus(7).signedDivided(by: 2) == minus(3))
        #expect(UInt256(7 as UInt64).signedDivided(by: minus(2)) == minus(3))
        #expect(minus(7).signedDivided(by: minus(2)) == 3)
        #expect(minus(7).signedRemainder(dividingBy: 2) == minus(1))
        #expect(UInt256(7 as UInt64).signedRemainder(dividingBy: minus(2)) == 1)
        #expect(minus(7).signedRemainder(dividingBy: minus(2)) == minus(1))
    }

    @Test func `the least signed word divided by minus one is itself`() {
        let least = UInt256.one << 255
        #expect(least.signedDivided(by: .max) == least)
        #expect(least.signedRemainder(dividingBy: .max) == 0)
        #expect(least.signedDivided(by: 1) == least)
        #expect(least.magnitude == least)
    }

    @Test func `the signed order puts negative words first`() {
        let least = UInt256.one << 255
        let order = [least, least + 1, UInt256.max - 1, .max, 0, 1, least - 1]
        for (i, x) in order.enumerated() {
            for (j, y) in order.enumerated() {
                #expect(x.isLessSigned(than: y) == (i < j))
            }
        }
    }

    @Test(arguments: seeds)
    func `shifts are multiplications and divisions by powers of two`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for count in 0..<256 {
            let x = random.word()
            let power = UInt256.one << UInt64(count)
            #expect(x << UInt64(count) == x &* power)
            #expect(x >> UInt64(count) == x / power)
            #expect(x << count == x << UInt64(count))
            #expect(x >> count == x >> UInt64(count))
            let filled = x.arithmeticShiftedRight(by: UInt64(count))
            let expected = x.isNegative ? ~(~x / power) : x / power
            #expect(filled == expected, "\(x) \(count) seed \(random.seed)")
        }
    }

    @Test(arguments: [256, 257, 1 << 20, .max] as [UInt64])
    func `a shift of 256 or more leaves only the fill`(count: UInt64) {
        let x = UInt256.max - 5
        #expect(x << count == 0)
        #expect(x >> count == 0)
        #expect(x.arithmeticShiftedRight(by: count) == .max)
        #expect((x >> 1).arithmeticShiftedRight(by: count) == 0)
    }

    @Test func `bytes count from the most significant`() {
        let bytes = (1...32).map { UInt8($0) }
        let x = UInt256(bigEndian: bytes)
        for index in 0..<32 { #expect(x?.byte(at: UInt64(index)) == bytes[index]) }
        #expect(x?.byte(at: 32) == 0)
        #expect(x?.byte(at: .max) == 0)
    }

    @Test func `a sign is extended from the byte that is named`() {
        #expect(UInt256(0x7f as UInt64).signExtended(fromByte: 0) == 0x7f)
        #expect(
            UInt256(0x80 as UInt64).signExtended(fromByte: 0) == UInt256(0x80 as UInt64).negated)
        #expect(UInt256(0x1234_7f as UInt64).signExtended(fromByte: 0) == 0x7f)
        #expect(UInt256(0x80 as UInt64).signExtended(fromByte: 1) == 0x80)
        #expect(
            UInt256(0x8000 as UInt64).signExtended(fromByte: 1) == UInt256(0x8000 as UInt64).negated
        )
        let x = UInt256.one << 247
        #expect(x.signExtended(fromByte: 30) == x | UInt256(0xff as UInt64) << 248)
        #expect(x.signExtended(fromByte: 31) == x)
        #expect(x.signExtended(fromByte: .max) == x)
    }

    @Test func `powers wrap`() {
        #expect(UInt256.zero.power(0) == 1)
        #expect(UInt256.zero.power(5) == 0)
        #expect(UInt256(3 as UInt64).power(5) == 243)
        #expect(UInt256(2 as UInt64).power(255) == UInt256.one << 255)
        #expect(UInt256(2 as UInt64).power(256) == 0)
        #expect(UInt256.max.power(.max) == .max)
        #expect(UInt256.max.power(.max - 1) == 1)
    }

    @Test func `widths count significant bits and bytes`() {
        #expect(UInt256.zero.bitWidth == 0)
        #expect(UInt256.zero.leadingZeroBitCount == 256)
        for bit in 0..<256 {
            let x = UInt256.one << bit
            #expect(x.bitWidth == bit + 1)
            #expect(x.byteWidth == bit / 8 + 1)
            #expect(x.minimalBytes.count == bit / 8 + 1)
        }
    }

    @Test func `small numbers come out of the word`() {
        #expect(UInt256(UInt64.max).asUInt64 == .max)
        #expect((UInt256.one << 64).asUInt64 == nil)
        #expect((UInt256.one << 64).clampedToUInt64 == .max)
        #expect(UInt256(7).clampedToUInt64 == 7)
    }
}

@Suite struct UInt256EncodingTests {
    @Test(arguments: UInt256Tests.seeds)
    func `every encoding reads back`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<1_000 {
            let x = random.word()
            #expect(UInt256(decimal: x.description) == x)
            #expect(UInt256(hex: x.hexQuantity) == x)
            #expect(UInt256(bigEndian: x.bigEndianBytes) == x)
            #expect(UInt256(bigEndian: x.minimalBytes) == x)
            #expect(x.bigEndianBytes.count == 32)
            #expect(x.minimalBytes.first != 0)
            #expect(Hash256(x).uint256 == x)
        }
    }

    @Test func `decimal text of the edges`() {
        #expect(UInt256.zero.description == "0")
        #expect(
            UInt256.max.description
                == "115792089237316195423570985008687907853269984665640564039457584007913129639935")
        #expect(UInt256(decimal: UInt256.max.description) == .max)
        #expect(
            UInt256(
                decimal:
                    "115792089237316195423570985008687907853269984665640564039457584007913129639936"
            )
                == nil)
        #expect((UInt256(10 as UInt64).power(19)).description == "10000000000000000000")
        #expect(
            (UInt256(10 as UInt64).power(38)).description == "1" + String(repeating: "0", count: 38)
        )
        #expect(UInt256(decimal: "007") == 7)
    }

    @Test(arguments: ["", "-1", "+1", "1 ", "0x1", "1e3", "１"])
    func `text that is not a decimal number is refused`(text: String) {
        #expect(UInt256(decimal: text) == nil)
    }

    @Test(arguments: ["", "0", "0x", "x1", "1", "0X1", "0xg", "0x 1", "-0x1"])
    func `text that is not a hexadecimal number is refused`(text: String) {
        #expect(UInt256(hex: text) == nil)
    }

    @Test func `hexadecimal text of the edges`() {
        #expect(UInt256.zero.hexQuantity == "0x0")
        #expect(UInt256(31).hexQuantity == "0x1f")
        let digits = String(repeating: "f", count: 64)
        #expect(UInt256.max.hexQuantity == "0x" + digits)
        #expect(UInt256(hex: "0x" + digits) == .max)
        #expect(UInt256(hex: "0x" + digits.uppercased()) == .max)
        #expect(UInt256(hex: "0x0" + digits) == nil)
        #expect(UInt256(hex: "0x001f") == 31)
    }

    @Test func `at most 32 bytes are a number`() {
        #expect(UInt256(bigEndian: []) == 0)
        #expect(UInt256(bigEndian: [1, 0]) == 256)
        #expect(UInt256(bigEndian: Bytes(repeating: 0, count: 33)) == nil)
        #expect(UInt256.zero.minimalBytes == [])
    }
}

/// A number of any size as 16-bit digits, lowest first.
private struct Paper {
    var digits: [UInt32]

    init(_ word: UInt256) {
        digits = [word.l0, word.l1, word.l2, word.l3].flatMap { limb in
            (0..<4).map { UInt32(limb >> ($0 * 16) & 0xffff) }
        }
    }

    init(digits: [UInt32]) {
        self.digits = digits
    }

    /// The number modulo 2²⁵⁶.
    var word: UInt256 {
        let limbs = (0..<4).map { limb in
            (0..<4).reduce(UInt64(0)) { $0 | UInt64(digit(limb * 4 + $1)) << UInt64($1 * 16) }
        }
        return UInt256(l0: limbs[0], l1: limbs[1], l2: limbs[2], l3: limbs[3])
    }

    var fits: Bool { digits.dropFirst(16).allSatisfy { $0 == 0 } }

    func digit(_ index: Int) -> UInt32 { index < digits.count ? digits[index] : 0 }

    func plus(_ other: Paper) -> Paper {
        var sum: [UInt32] = []
        var carry: UInt32 = 0
        for index in 0...max(digits.count, other.digits.count) {
            let total = digit(index) + other.digit(index) + carry
            sum.append(total & 0xffff)
            carry = total >> 16
        }
        return Paper(digits: sum)
    }

    func minus(_ other: Paper) -> Paper {
        var difference: [UInt32] = []
        var borrow: UInt32 = 0
        for index in 0..<max(digits.count, other.digits.count) {
            let total = 0x10000 + digit(index) - other.digit(index) - borrow
            difference.append(total & 0xffff)
            borrow = 1 - total >> 16
        }
        return Paper(digits: difference)
    }

    func times(_ other: Paper) -> Paper {
        var product = [UInt32](repeating: 0, count: digits.count + other.digits.count)
        for (i, x) in digits.enumerated() {
            var carry: UInt32 = 0
            for (j, y) in other.digits.enumerated() {
                let total = x * y + product[i + j] + carry
                product[i + j] = total & 0xffff
                carry = total >> 16
            }
            product[i + other.digits.count] = carry
        }
        return Paper(digits: product)
    }

    func isLess(than other: Paper) -> Bool {
        for index in (0..<max(digits.count, other.digits.count)).reversed()
        where digit(index) != other.digit(index) {
            return digit(index) < other.digit(index)
        }
        return false
    }

    func shiftedDown(by bits: Int) -> Paper { Paper(digits: Array(digits.dropFirst(bits / 16))) }

    /// Bit by bit from the top.
    func divided(by other: Paper) -> (quotient: Paper, remainder: Paper) {
        let zero = Paper(digits: [0])
        guard zero.isLess(than: other) else { return (zero, zero) }
        var quotient = [UInt32](repeating: 0, count: digits.count)
        var remainder = zero
        for bit in (0..<digits.count * 16).reversed() {
            remainder = remainder.plus(remainder)
            remainder.digits[0] |= digits[bit / 16] >> UInt32(bit % 16) & 1
            remainder.digits = Array(remainder.digits.prefix(20))
            if !remainder.isLess(than: other) {
                remainder = remainder.minus(other)
                quotient[bit / 16] |= 1 << UInt32(bit % 16)
            }
        }
        return (Paper(digits: quotient), remainder)
    }
}
