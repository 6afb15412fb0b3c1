import Cryptography
import Foundation
import Primitives
import Storage

extension FeeBlock {
    /// The natural logarithm of the base fee; of a fee below 1 wei, 0.
    var logFee: Double { baseFeePerGas.logarithm }
}

extension FeeModel {
    /// Keccak-256 of the numbers of some blocks, in hexadecimal.
    static func dataHash(of blocks: ArraySlice<FeeBlock>) -> String {
        var bytes = Bytes()
        bytes.reserveCapacity(blocks.count * 64)
        for block in blocks {
            for number in [block.number, block.timestamp, block.gasUsed, block.gasLimit] {
                bytes += Bytes(bigEndian: number)
            }
            bytes.append(contentsOf: block.baseFeePerGas.bigEndianBytes)
        }
        return keccak256(bytes).description
    }
}

extension UInt256 {
    /// The natural logarithm; of a value below 1, 0.
    var logarithm: Double { log(Swift.max(doubleValue, 1)) }

    /// A double as a whole number; out of range it is the nearest end of the range.
    init(clamping value: Double) {
        guard value >= 1 else {
            self = .zero
            return
        }
        guard value < 0x1p256 else {
            self = .max
            return
        }
        // 53 bits of it are exact, the rest is zero.
        let exponent = Int(value.exponent)
        let significand = UInt256(UInt64(value.significand * 0x1p52))
        self = exponent >= 52 ? significand << (exponent - 52) : significand >> (52 - exponent)
    }
}
