/// Points of the curves y² = x³ + b, and sums of multiples of points.

/// A group of points: the curve's equation over its field of coordinates.
package protocol CurveGroup: Sendable {
    associatedtype Coordinate: Field

    /// The b of y² = x³ + b.
    static var b: Coordinate { get }
}

// MARK: Affine

/// (x, y). The point at infinity is (0, 0), which is on none of the curves since b ≠ 0; Ethereum
/// encodes it so as well.
package struct AffinePoint<Group: CurveGroup>: Equatable, Sendable {
    package var x, y: Group.Coordinate

    @inline(always)
    package init(_ x: Group.Coordinate, _ y: Group.Coordinate) {
        self.x = x
        self.y = y
    }

    package static var infinity: Self { Self(.zero, .zero) }

    @inline(always)
    var isInfinity: Bool { x.isZero && y.isZero }

    package var isOnCurve: Bool { isInfinity || y.squared() == x.squared() * x + Group.b }

    @inline(always)
    package static prefix func - (a: Self) -> Self { Self(a.x, -a.y) }
}

// MARK: Jacobian

/// (X/Z², Y/Z³), with Z = 0 for infinity: addition without inversions. The formulas are those of
/// the Explicit-Formulas Database for a = 0, under the names given there.
package struct JacobianPoint<Group: CurveGroup>: Equatable, Sendable {
    var x, y, z: Group.Coordinate

    @inline(always)
    init(_ x: Group.Coordinate, _ y: Group.Coordinate, _ z: Group.Coordinate) {
        self.x = x
        self.y = y
        self.z = z
    }

    package init(_ point: AffinePoint<Group>) {
        self.init(point.x, point.y, point.isInfinity ? .zero : .one)
    }

    package static var infinity: Self { Self(.one, .one, .zero) }

    @inline(always)
    package var isInfinity: Bool { z.isZero }

    package static func == (a: Self, b: Self) -> Bool {
        if a.isInfinity || b.isInfinity { return a.isInfinity && b.isInfinity }
        let aa = a.z.squared()
        let bb = b.z.squared()
        return a.x * bb == b.x * aa && a.y * bb * b.z == b.y * aa * a.z
    }

    @inline(always)
    package static prefix func - (a: Self) -> Self { Self(a.x, -a.y, a.z) }

    package var affine: AffinePoint<Group> { scaled(by: z.inverted()) }

    /// The affine point, given 1/Z; infinity if that is zero.
    private func scaled(by inverse: Group.Coordinate) -> AffinePoint<Group> {
        let square = inverse.squared()
        return AffinePoint(x * square, y * square * inverse)
    }

    /// All points made affine with one inversion.
    package static func affine(_ points: [Self]) -> [AffinePoint<Group>] {
        var inverses = points.map(\.z)
        Group.Coordinate.invert(&inverses)
        return zip(points, inverses).map { $0.scaled(by: $1) }
    }

    /// dbl-2009-l
    @inline(never)
    package func doubled() -> Self {
        let a = x.squared()
        let b = y.squared()
        let c = b.squared()
        let d = ((x + b).squared() - a - c).doubled()
        let e = a.tripled()
        let x3 = e.squared() - d.doubled()
        let y3 = e * (d - x3) - c.doubled().doubled().doubled()
        return Self(x3, y3, (y * z).doubled())
    }

    /// add-2007-bl
    @inline(never)
    package static func + (p: Self, q: Self) -> Self {
        if p.isInfinity { return q }
        if q.isInfinity { return p }
        let z1z1 = p.z.squared()
        let z2z2 = q.z.squared()
        let u1 = p.x * z2z2
        let u2 = q.x * z1z1
        let s1 = p.y * q.z * z2z2
        let s2 = q.y * p.z * z1z1
        let h = u2 - u1
        let r = (s2 - s1).doubled()
        if h.isZero { return r.isZero ? p.doubled() : .infinity }
        let i = h.doubled().squared()
        let j = h * i
        let v = u1 * i
        let x3 = r.squared() - j - v.doubled()
        let y3 = r * (v - x3) - (s1 * j).doubled()
        return Self(x3, y3, ((p.z + q.z).squared() - z1z1 - z2z2) * h)
    }

    /// madd-2007-bl
    @inline(never)
    package static func + (p: Self, q: AffinePoint<Group>) -> Self {
        if q.isInfinity { return p }
        if p.isInfinity { return Self(q) }
        let z1z1 = p.z.squared()
        let u2 = q.x * z1z1
        let s2 = q.y * p.z * z1z1
        let h = u2 - p.x
        let r = (s2 - p.y).doubled()
        if h.isZero { return r.isZero ? p.doubled() : .infinity }
        let hh = h.squared()
        let i = hh.doubled().doubled()
        let j = h * i
        let v = p.x * i
        let x3 = r.squared() - j - v.doubled()
        let y3 = r * (v - x3) - (p.y * j).doubled()
        return Self(x3, y3, (p.z + h).squared() - z1z1 - hh)
    }

    package static func - (p: Self, q: Self) -> Self { p + (-q) }
}

// MARK: Multiples

/// The signed digits of `scalar`, lowest first, in non-adjacent form of the given width: zero or
/// odd, of absolute value below 2^(width−1), and of `width` successive ones at most one is not
/// zero.
///
/// - Precondition: `scalar` < 2¹²⁸ − 2^(width−1).
package func signedDigits(of scalar: UInt128, width: Int) -> [Int8] {
    var digits: [Int8] = []
    digits.reserveCapacity(129)
    var rest = scalar
    while rest != 0 {
        var digit = 0
        if rest & 1 == 1 {
            digit = Int(truncatingIfNeeded: rest) & (1 &<< width &- 1)
            if digit >= 1 &<< (width - 1) { digit -= 1 &<< width }
            rest = rest &- UInt128(truncatingIfNeeded: digit)
        }
        digits.append(Int8(truncatingIfNeeded: digit))
        rest &>>= 1
    }
    return digits
}

extension JacobianPoint {
    /// k·P for a k of few set bits: double and add.
    package func multiplied(by scalar: UInt64) -> Self {
        var result = Self.infinity
        for shift in (0..<UInt64(64 - scalar.leadingZeroBitCount)).reversed() {
            result = result.doubled()
            if scalar &>> shift & 1 == 1 { result = result + self }
        }
        return result
    }

    /// Σ kᵢ·Pᵢ
    ///
    /// - Precondition: as many scalars as points, all below 2¹²⁸ − 2¹⁶.
    package static func sum(of points: [AffinePoint<Group>], times scalars: [UInt128]) -> Self {
        precondition(points.count == scalars.count, "A scalar for each point.")
        return points.count < 16
            ? sumByInterleaving(points, scalars) : sumByBuckets(points, scalars)
    }

    /// Straus: one chain of doublings for all points, and for each a table of its odd multiples up
    /// to 15.
    private static func sumByInterleaving(
        _ points: [AffinePoint<Group>], _ scalars: [UInt128]
    ) -> Self {
        let digits = scalars.map { signedDigits(of: $0, width: 5) }
        let tables = points.map { point in
            let base = Self(point)
            let double = base.doubled()
            var multiples = [base]
            for _ in 1..<8 { multiples.append(multiples[multiples.count - 1] + double) }
            return multiples
        }
        var result = Self.infinity
        for position in (0..<(digits.map(\.count).max() ?? 0)).reversed() {
            result = result.doubled()
            for index in digits.indices where position < digits[index].count {
                let digit = Int(digits[index][position])
                if digit > 0 { result = result + tables[index][digit / 2] }
                if digit < 0 { result = result + (-tables[index][-digit / 2]) }
            }
        }
        return result
    }

    /// Pippenger: the scalars are cut into windows of signed digits; for each window, points of
    /// equal digit are first added up in a bucket, and then all buckets b₁ + 2b₂ + 3b₃ + … by
    /// running sums.
    private static func sumByBuckets(
        _ points: [AffinePoint<Group>], _ scalars: [UInt128]
    ) -> Self {
        let bits = 128 - scalars.reduce(0, |).leadingZeroBitCount
        let width = windowWidth(points: points.count, bits: bits)
        let windowCount = bits / width + 1
        let bucketCount = 1 &<< (width - 1)
        let digits = scalars.map { windows(of: $0, width: width, count: windowCount) }

        var result = Self.infinity
        for window in (0..<windowCount).reversed() {
            for _ in 0..<width { result = result.doubled() }
            var buckets = [Self](repeating: .infinity, count: bucketCount)
            for index in points.indices {
                let digit = Int(digits[index][window])
                if digit > 0 { buckets[digit - 1] = buckets[digit - 1] + points[index] }
                if digit < 0 { buckets[-digit - 1] = buckets[-digit - 1] + (-points[index]) }
            }
            var running = Self.infinity
            var total = Self.infinity
            for bucket in buckets.reversed() {
                running = running + bucket
                total = total + running
            }
            result = result + total
        }
        return result
    }

    /// The width that makes the fewest additions: for each window one a point, two a bucket (which
    /// are dearer by half).
    private static func windowWidth(points: Int, bits: Int) -> Int {
        func cost(_ width: Int) -> Int { (bits / width + 1) * (points + 3 &<< (width - 1)) }
        return (2...14).min { cost($0) < cost($1) } ?? 2
    }

    /// `scalar` as Σ digitᵢ·2^(width·i) with digits in [−2^(width−1), 2^(width−1)].
    private static func windows(of scalar: UInt128, width: Int, count: Int) -> [Int16] {
        var rest = scalar
        var digits: [Int16] = []
        digits.reserveCapacity(count)
        for _ in 0..<count {
            var digit = Int(truncatingIfNeeded: rest) & (1 &<< width &- 1)
            rest &>>= UInt128(width)
            if digit > 1 &<< (width - 1) {
                digit -= 1 &<< width
                rest &+= 1
            }
            digits.append(Int16(truncatingIfNeeded: digit))
        }
        return digits
    }
}
