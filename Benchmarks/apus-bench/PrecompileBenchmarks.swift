import EthereumTypes
import Foundation
import Primitives
import SpecRunner

/// A vector of go-ethereum's test data, and the precompile that it is for.
private struct PrecompileVector {
    let file: String
    let name: String
    let address: UInt64

    init(_ file: String, _ name: String, _ address: UInt64) {
        self.file = file
        self.name = name
        self.address = address
    }
}

private let vectors = [
    PrecompileVector("ecRecover", "ValidKey", 0x01),
    PrecompileVector("modexp_eip7883", "nagydani-1-pow0x10001", 0x05),
    PrecompileVector("modexp_eip7883", "nagydani-3-pow0x10001", 0x05),
    PrecompileVector("modexp_eip7883", "nagydani-5-pow0x10001", 0x05),
    PrecompileVector("bn256Add", "chfast1", 0x06),
    PrecompileVector("bn256ScalarMul", "chfast1", 0x07),
    PrecompileVector("bn256Pairing", "jeff1", 0x08),
    PrecompileVector("bn256Pairing", "ten_point_match_1", 0x08),
    PrecompileVector("blake2F", "vector 5", 0x09),
    PrecompileVector("pointEvaluation", "pointEvaluation1", 0x0a),
    PrecompileVector("blsG1Add", "matter_g1_add_0", 0x0b),
    PrecompileVector("blsG1MultiExp", "bls_g1multiexp_single", 0x0c),
    PrecompileVector("blsG1MultiExp", "bls_g1multiexp_larger", 0x0c),
    PrecompileVector("blsG2Add", "matter_g2_add_0", 0x0d),
    PrecompileVector("blsG2MultiExp", "bls_g2multiexp_single", 0x0e),
    PrecompileVector("blsG2MultiExp", "bls_g2multiexp_larger", 0x0e),
    PrecompileVector("blsPairing", "bls_pairing_e(2*G1,3*G2)=e(6*G1,G2)", 0x0f),
    PrecompileVector("blsMapG1", "matter_fp_to_g1_0", 0x10),
    PrecompileVector("blsMapG2", "matter_fp2_to_g2_0", 0x11),
    PrecompileVector("p256Verify", "CallP256Verify", 0x100),
]

/// Each precompile, called from outside: the times include a message call of about half a
/// microsecond.
func precompileBenchmarks(_ report: inout Report) {
    for (name, address) in [("sha256", 2), ("ripemd160", 3), ("identity", 4)] as [(String, UInt64)]
    {
        report.measure(
            "precompile \(name) 1 KiB", address, Bytes(repeating: 7, count: 1024), expected: nil)
    }
    guard let fixtures = ProcessInfo.processInfo.environment["APUS_FIXTURES"] else {
        FileHandle.standardError.write(
            Data("APUS_FIXTURES is not set: most precompiles are left out\n".utf8))
        return
    }
    for vector in vectors {
        let name = "precompile \(vector.file) \(vector.name)"
        guard report.isWanted(name) else { continue }
        let path = "\(fixtures)/precompile-vectors-geth/\(vector.file).json"
        guard let data = try? Data(contentsOf: URL(fileURLWithPath: path)),
            let list = try? JSONValue(parsing: Bytes(data)).arrayValue,
            let found = list.first(where: { $0["Name"]?.stringValue == vector.name }),
            let input = found["Input"]?.stringValue.flatMap({ Hex.decode($0) })
        else {
            preconditionFailure("\(path) has no vector \(vector.name).")
        }
        let expected = found["Expected"]?.stringValue.flatMap { Hex.decode($0) }
        report.measure(name, vector.address, input, expected: expected)
    }
}

extension Report {
    fileprivate mutating func measure(
        _ name: String, _ address: UInt64, _ input: Bytes, expected: Bytes?
    ) {
        guard isWanted(name) else { return }
        var run = CodeRun(fork: .osaka)
        run.receiver = Address(lowBytesOf: UInt256(address))
        run.input = input
        let result = run.execute()
        precondition(
            result.halt == nil && expected ?? result.output == result.output,
            "\(name): the precompile gives a wrong result.")
        let times = run.measure(runs: 31).sorted()
        add(name, nanoseconds: Double(times[times.count / 2].components.attoseconds) / 1e9)
    }
}
