/// What the formulas of curves and towers ask of a field, and what follows from that alone.
///
/// The code of this folder is layered like the mathematics:
///
///     Field ── PrimeField ── FourLimbField,             numbers modulo p, Montgomery form
///       │                    SixLimbField
///       └───── Fp2 ── Fp6 ── Fp12                     the tower of extensions
///     AffinePoint, JacobianPoint                  the groups, multi-scalar sums
///     Pairing                                     Miller loop, final exponentiation
///     BN254, BLS12381                             the two curves and their precompiles
///     KZG                                         polynomial commitments (blobs, cells)
///
/// Everything is generic over the field or curve and specialised by the compiler, and no type leaves
/// the package. Nothing here runs in constant time; only public data is ever computed on.

/// A field, commutative and finite.
package protocol Field: Equatable, Sendable {
    static var zero: Self { get }
    static var one: Self { get }
    var isZero: Bool { get }

    static func + (a: Self, b: Self) -> Self
    static func - (a: Self, b: Self) -> Self
    static func * (a: Self, b: Self) -> Self
    static prefix func - (a: Self) -> Self

    func doubled() -> Self
    func squared() -> Self

    /// The multiplicative inverse; zero for zero.
    func inverted() -> Self
}

/// A field in which square roots are taken, with the sign that tells the two roots apart.
package protocol SquareRootField: Field {
    /// A square root, or nil if there is none.
    func squareRoot() -> Self?

    /// `sgn0` of RFC 9380, section 4.1: the parity of the first coordinate that is not zero.
    var isOdd: Bool { get }
}

extension Field {
    @inline(always)
    package func tripled() -> Self {
        doubled() + self
    }

    /// `self` to the power of `exponent`, by windows of four bits from the top.
    package func power(_ exponent: Limbs) -> Self {
        var powers = [Self.one]
        for _ in 1..<16 { powers.append(powers[powers.count - 1] * self) }

        var result = Self.one
        for index in (0..<Limbs.capacity).reversed() {
            for shift in stride(from: 60, through: 0, by: -4) {
                for _ in 0..<4 { result = result.squared() }
                let digit = Int(truncatingIfNeeded: exponent[index] &>> UInt64(shift)) & 15
                if digit != 0 { result = result * powers[digit] }
            }
        }
        return result
    }

    /// Inverts all elements at the price of one inversion (Montgomery's trick); zeros stay zero.
    package static func invert(_ elements: inout [Self]) {
        var products: [Self] = []
        products.reserveCapacity(elements.count)
        var product = Self.one
        for element in elements {
            products.append(product)
            if !element.isZero { product = product * element }
        }
        var inverse = product.inverted()
        for index in elements.indices.reversed() where !elements[index].isZero {
            let next = inverse * elements[index]
            elements[index] = inverse * products[index]
            inverse = next
        }
    }
}

// MARK: Limbs

/// A number of up to 384 bits in little-endian limbs: the exchange form of every prime field here.
package typealias Limbs = InlineArray<6, UInt64>

extension InlineArray where count == 6, Element == UInt64 {
    /// How many limbs there are.
    package static var capacity: Int { 6 }

    package static var zero: Limbs { Limbs(repeating: 0) }

    package init(_ value: UInt64) {
        self = .zero
        self[0] = value
    }

    package func isLess(than other: Limbs) -> Bool {
        for index in (0..<Self.capacity).reversed() where self[index] != other[index] {
            return self[index] < other[index]
        }
        return false
    }

    var isZero: Bool {
        self[0] | self[1] | self[2] | self[3] | self[4] | self[5] == 0
    }

    /// `self - other`, modulo 2³⁸⁴.
    package func subtracting(_ other: Limbs) -> Limbs {
        var result = Limbs.zero
        var borrow = false
        for index in 0..<Self.capacity {
            result[index] = subtractWithBorrow(self[index], other[index], &borrow)
        }
        return result
    }

    /// `self + other`, modulo 2³⁸⁴.
    package func adding(_ other: Limbs) -> Limbs {
        var result = Limbs.zero
        var carry = false
        for index in 0..<Self.capacity {
            result[index] = addWithCarry(self[index], other[index], &carry)
        }
        return result
    }

    /// Short division. Used to derive constants and to split scalars, never in a loop that counts.
    package func dividedBy(_ divisor: UInt64) -> (quotient: Limbs, remainder: UInt64) {
        var quotient = Limbs.zero
        var remainder: UInt64 = 0
        for index in (0..<Self.capacity).reversed() {
            (quotient[index], remainder) = divisor.dividingFullWidth((remainder, self[index]))
        }
        return (quotient, remainder)
    }
}

/// `acc + x·y + carry`, which always fits two limbs.
@inline(always)
func multiplyAdd(
    _ acc: UInt64, _ x: UInt64, _ y: UInt64, _ carry: UInt64
) -> (low: UInt64, high: UInt64) {
    let sum = UInt128(x) &* UInt128(y) &+ UInt128(acc) &+ UInt128(carry)
    return (UInt64(truncatingIfNeeded: sum), UInt64(truncatingIfNeeded: sum &>> 64))
}

@inline(always)
func addWithCarry(_ x: UInt64, _ y: UInt64, _ carry: inout Bool) -> UInt64 {
    let (partial, first) = x.addingReportingOverflow(y)
    let (sum, second) = partial.addingReportingOverflow(carry ? 1 : 0)
    carry = first != second
    return sum
}

@inline(always)
func subtractWithBorrow(_ x: UInt64, _ y: UInt64, _ borrow: inout Bool) -> UInt64 {
    let (partial, first) = x.subtractingReportingOverflow(y)
    let (difference, second) = partial.subtractingReportingOverflow(borrow ? 1 : 0)
    borrow = first != second
    return difference
}
