import EthereumTypes
import Primitives
import Testing

@Suite struct BaseFeeTests {
    static func parent(baseFee: Wei?, gasLimit: Gas, gasUsed: Gas) -> Header {
        var header = Samples.header(at: .london)
        header.baseFeePerGas = baseFee
        header.gasLimit = gasLimit
        header.gasUsed = gasUsed
        return header
    }

    @Test(
        arguments: [
            // The cases of geth's consensus/misc/eip1559 tests.
            (UInt256(1_000_000_000), Gas(20_000_000), Gas(10_000_000), UInt256(1_000_000_000)),
            (UInt256(1_000_000_000), Gas(20_000_000), Gas(9_000_000), UInt256(987_500_000)),
            (UInt256(1_000_000_000), Gas(20_000_000), Gas(11_000_000), UInt256(1_012_500_000)),
            // It rises by at least one wei, and falls to zero at most.
            (UInt256(1), Gas(20_000_000), Gas(10_000_001), UInt256(2)),
            (UInt256(0), Gas(20_000_000), Gas(20_000_000), UInt256(1)),
            (UInt256(7), Gas(20_000_000), Gas(0), UInt256(7)),
            (UInt256(8), Gas(20_000_000), Gas(0), UInt256(7)),
            // Headers that no chain has must not trap.
            (UInt256.max, Gas.max, Gas.max, UInt256.max),
            (UInt256.max, Gas(2), Gas.max, UInt256.max),
            (UInt256(5), Gas(1), Gas(1), UInt256(5)),
            (UInt256(5), Gas(0), Gas(0), UInt256(5)),
        ] as [(Wei, Gas, Gas, Wei)])
    func `the base fee follows the use of the parent`(
        baseFee: Wei, gasLimit: Gas, gasUsed: Gas, expected: Wei
    ) {
        #expect(
            nextBaseFee(parent: Self.parent(baseFee: baseFee, gasLimit: gasLimit, gasUsed: gasUsed))
                == expected)
    }

    @Test func `the first block of London has the initial base fee`() {
        #expect(
            nextBaseFee(parent: Self.parent(baseFee: nil, gasLimit: 10, gasUsed: 10))
                == 1_000_000_000)
    }
}

@Suite struct BlobGasTests {
    static func parent(excess: Gas?, used: Gas?, baseFee: Wei = 7) -> Header {
        var header = Samples.header(at: .cancun)
        header.excessBlobGas = excess
        header.blobGasUsed = used
        header.baseFeePerGas = baseFee
        return header
    }

    static let blob = BlobParameters.gasPerBlob

    @Test(
        arguments: [
            (Gas(0), Gas(0), Gas(0)), (0, 3, 0), (0, 4, 1), (1, 3, 1), (1, 1, 0), (3, 0, 0),
            (4, 0, 1), (10, 6, 13),
        ] as [(Gas, Gas, Gas)])
    func `excess is what was used above the target`(excess: Gas, used: Gas, expected: Gas) {
        let parent = Self.parent(excess: excess * Self.blob, used: used * Self.blob)
        let result = excessBlobGas(parent: parent, parameters: .cancun, fork: .cancun)
        #expect(result == expected * Self.blob)
    }

    @Test func `a parent before Cancun had no blobs`() {
        let parent = Self.parent(excess: nil, used: nil)
        #expect(excessBlobGas(parent: parent, parameters: .cancun, fork: .cancun) == 0)
    }

    @Test func `below the reserve price the excess does not fall`() {
        // EIP-7918: 2¹³ · base fee > 2¹⁷ · blob base fee, that is a base fee above 16 wei here.
        let excess = 6 * Self.blob
        let cheap = Self.parent(excess: excess, used: 3 * Self.blob, baseFee: 16)
        #expect(
            excessBlobGas(parent: cheap, parameters: .osaka, fork: .osaka)
                == excess + 3 * Self.blob - 6 * Self.blob)
        let costly = Self.parent(excess: excess, used: 3 * Self.blob, baseFee: 17)
        #expect(
            excessBlobGas(parent: costly, parameters: .osaka, fork: .osaka)
                == excess + 3 * Self.blob * 3 / 9)
        #expect(
            excessBlobGas(parent: costly, parameters: .osaka, fork: .prague)
                == excess + 3 * Self.blob - 6 * Self.blob)
    }

    @Test func `headers that no chain has do not trap`() {
        let parent = Self.parent(excess: .max, used: .max, baseFee: .max)
        for fork in [Fork.cancun, .osaka] {
            _ = excessBlobGas(parent: parent, parameters: .bpo2, fork: fork)
            _ = excessBlobGas(
                parent: parent,
                parameters: BlobParameters(target: .max, max: .max, baseFeeUpdateFraction: 1),
                fork: fork)
            _ = excessBlobGas(
                parent: parent,
                parameters: BlobParameters(target: 0, max: 1, baseFeeUpdateFraction: 1), fork: fork)
        }
    }

    @Test(
        arguments: [
            // geth's consensus/misc/eip4844 tests.
            (UInt64(0), "1"), (2_314_057, "1"), (2_314_058, "2"), (10 * 1024 * 1024, "23"),
        ] as [(UInt64, String)])
    func `the blob base fee grows with the excess`(excess: UInt64, expected: String) {
        #expect(
            blobBaseFee(excessBlobGas: excess, parameters: .cancun).description == expected)
    }

    @Test(
        arguments: [
            (UInt64(1), UInt64(0), UInt64(1), "1"), (38_493, 0, 1_000, "38493"),
            (0, 1_234, 2_345, "0"),
            (1, 2, 1, "6"), (1, 4, 2, "6"), (1, 3, 1, "16"), (1, 6, 2, "18"), (1, 4, 1, "49"),
            (1, 8, 2, "50"), (10, 8, 2, "542"), (11, 8, 2, "596"), (1, 5, 1, "136"),
            (1, 5, 2, "11"), (2, 5, 2, "23"), (1, 50_000_000, 2_225_652, "5709098764"),
        ] as [(UInt64, UInt64, UInt64, String)])
    func `the approximation is that of the specification`(
        factor: UInt64, numerator: UInt64, denominator: UInt64, expected: String
    ) {
        #expect(
            fakeExponential(factor: factor, numerator: numerator, denominator: denominator)
                .description == expected)
    }

    @Test func `what does not fit a word is the largest word`() {
        #expect(fakeExponential(factor: 1, numerator: .max, denominator: 1) == .max)
        #expect(fakeExponential(factor: 1, numerator: 178, denominator: 1) == .max)
        #expect(fakeExponential(factor: 1, numerator: 1, denominator: 0) == .max)
        #expect(fakeExponential(factor: 1, numerator: 177, denominator: 1) < .max)
        #expect(fakeExponential(factor: .max, numerator: 177, denominator: 1) == .max)
        #expect(fakeExponential(factor: 1, numerator: .max, denominator: .max) == 2)
    }
}
