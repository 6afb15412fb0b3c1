extension UInt256 {
    /// The nearest double.
    public var doubleValue: Double {
        // The 64 highest bits. The lowest of them also stands for all below, so that the one rounding
        // goes the right way.
        let exponent = Swift.max(0, bitWidth - 64)
        let high = self >> exponent
        let rest: UInt64 = high << exponent == self ? 0 : 1
        return Double(sign: .plus, exponent: exponent, significand: Double(high.l0 | rest))
    }
}
