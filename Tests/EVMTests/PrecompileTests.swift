import Cryptography
import EVM
import EthereumTypes
import Foundation
import Primitives
import State
import TestSupport
import Testing

/// The official vectors of the precompiles, each run as a message: output, gas, refusal.
@Suite(.enabled(if: Fixtures.areAvailable, Fixtures.hint))
struct PrecompileVectorTests {
    /// A file of vectors, the precompile they are for and the fork whose prices they have.
    struct Vectors: Sendable, CustomTestStringConvertible {
        let archive: String
        let path: String
        let address: UInt32
        let fork: Fork

        init(_ archive: String, _ path: String, _ address: UInt32, _ fork: Fork) {
            self.archive = archive
            self.path = path
            self.address = address
            self.fork = fork
        }

        var testDescription: String { "\(archive)/\(path)" }
    }

    static let vectors: [Vectors] = {
        let geth = "precompile-vectors-geth"
        let specs = "precompile-vectors-specs"
        let osaka = "osaka/eip7951_p256verify_precompiles/vectors/secp256r1_"
        var result = [
            Vectors(geth, "ecRecover.json", 1, .frontier),
            Vectors(geth, "modexp.json", 5, .byzantium),
            Vectors(geth, "modexp_eip2565.json", 5, .berlin),
            Vectors(geth, "modexp_eip7883.json", 5, .osaka),
            Vectors(geth, "bn256Add.json", 6, .istanbul),
            Vectors(geth, "bn256ScalarMul.json", 7, .istanbul),
            Vectors(geth, "bn256Pairing.json", 8, .istanbul),
            Vectors(geth, "blake2F.json", 9, .istanbul),
            Vectors(geth, "fail-blake2f.json", 9, .istanbul),
            Vectors(geth, "pointEvaluation.json", 0x0a, .cancun),
            Vectors(geth, "p256Verify.json", 0x100, .osaka),
            Vectors("precompile-vectors-eips", "eip-7951/test-vectors.json", 0x100, .osaka),
            Vectors(specs, "osaka/eip7883_modexp_gas_increase/vector/vectors.json", 5, .osaka),
        ]
        for name in [
            "k_and_s", "modified_r_s", "public_key", "shamir_multiplication",
            "signature_specific", "small_large_r_s", "special_case_hash", "special_case_r_s",
            "special_points", "u1_u2",
        ] {
            result.append(Vectors(specs, osaka + name + ".json", 0x100, .osaka))
        }
        for (name, address) in [
            ("blsG1Add", 0x0b), ("blsG1Mul", 0x0c), ("blsG1MultiExp", 0x0c), ("blsG2Add", 0x0d),
            ("blsG2Mul", 0x0e), ("blsG2MultiExp", 0x0e), ("blsPairing", 0x0f), ("blsMapG1", 0x10),
            ("blsMapG2", 0x11),
        ] as [(String, UInt32)] {
            result.append(Vectors(geth, name + ".json", address, .prague))
            result.append(Vectors(geth, "fail-" + name + ".json", address, .prague))
        }
        for (archive, folder) in [
            ("precompile-vectors-eips", "eip-2537/"),
            (specs, "prague/eip2537_bls_12_381_precompiles/vectors/"),
        ] {
            for (name, address) in [
                ("add_G1", 0x0b), ("mul_G1", 0x0c), ("msm_G1", 0x0c), ("add_G2", 0x0d),
                ("mul_G2", 0x0e), ("pairing_check", 0x0f), ("map_fp_to_G1", 0x10),
                ("map_fp2_to_G2", 0x11),
            ] as [(String, UInt32)] {
                result.append(Vectors(archive, folder + name + "_bls.json", address, .prague))
                result.append(
                    Vectors(archive, folder + "fail-" + name + "_bls.json", address, .prague))
            }
            result.append(Vectors(archive, folder + "fail-msm_G2_bls.json", 0x0e, .prague))
        }
        return result
    }()

    @Test(arguments: vectors)
    func `a precompile answers and costs as the vectors say`(_ vectors: Vectors) throws {
        let file = try Fixtures.file(vectors.archive, vectors.path)
        let list = try #require(try Fixtures.json(file).arrayValue)
        let machine = TestMachine(vectors.fork, [:])
        let address = Address(w0: 0, w1: 0, w2: vectors.address)
        for vector in list {
            let name = vector["Name"]?.stringValue ?? ""
            let input = try #require(vector["Input"]?.stringValue.flatMap { Hex.decode($0) })
            let result = machine.evm.processMessageCall(
                .call(
                    from: TestMachine.sender, to: address, value: .zero, data: input,
                    gas: 100_000_000),
                in: TransactionEnvironment(origin: TestMachine.sender, gasPrice: 1))
            guard let expected = vector["Expected"]?.stringValue else {
                #expect(result.halt == .precompileFailed || result.halt == .outOfGas, "\(name)")
                #expect(result.gasLeft == 0 && result.output.isEmpty, "\(name)")
                continue
            }
            #expect(result.halt == nil, "\(name)")
            #expect(Hex.encode(result.output).dropFirst(2) == expected, "\(name)")
            // The EIP's own list was written for RIP-7212, when the price was half.
            if vectors.archive == "precompile-vectors-eips", vectors.address == 0x100 { continue }
            if let gas = vector["Gas"]?.uint64Value ?? vector["GasNew"]?.uint64Value {
                #expect(100_000_000 - result.gasLeft == gas, "\(name)")
            }
        }
    }

    @Test func `point evaluation accepts exactly the valid proofs`() throws {
        let path =
            "cancun/eip4844_blobs/point_evaluation_vectors/go_kzg_4844_verify_kzg_proof.json"
        let file = try Fixtures.file("precompile-vectors-specs", path)
        let list = try #require(try Fixtures.json(file).arrayValue)
        for vector in list {
            func part(_ key: String) throws -> Bytes {
                try #require(vector["input"]?[key]?.stringValue.flatMap { Hex.decode($0) })
            }
            let commitment = try part("commitment")
            let input =
                KZG.versionedHash(commitment).bytes + (try part("z")) + (try part("y")) + commitment
                + (try part("proof"))
            let output = try? Precompile.pointEvaluation.run(input)
            #expect((output != nil) == (vector["output"]?.boolValue == true))
        }
    }
}

struct PrecompileTests {
    @Test func `each fork has the precompiles of its EIPs`() {
        let counts: [(Fork, Int)] = [
            (.frontier, 4), (.spuriousDragon, 4), (.byzantium, 8), (.petersburg, 8),
            (.istanbul, 9), (.shanghai, 9), (.cancun, 10), (.prague, 17), (.osaka, 18), (.bpo2, 18),
        ]
        for (fork, count) in counts {
            #expect(Precompiles.addresses(at: fork).count == count, "\(fork)")
        }
        #expect(!Precompiles.contains(Address(w0: 0, w1: 0, w2: 0x100), at: .prague))
        #expect(Precompiles.contains(Address(w0: 0, w1: 0, w2: 0x100), at: .osaka))
        #expect(!Precompiles.contains(.zero, at: .osaka))
        #expect(!Precompiles.contains(Address(w0: 0, w1: 1, w2: 1), at: .osaka))
    }

    @Test(arguments: [
        (Precompile.sha256, 0, 60), (.sha256, 1, 72), (.sha256, 32, 72), (.sha256, 33, 84),
        (.ripemd160, 0, 600), (.ripemd160, 33, 840), (.identity, 0, 15), (.identity, 33, 21),
        (.ecrecover, 128, 3000), (.pointEvaluation, 192, 50000), (.p256Verify, 160, 6900),
        (.bn254Pairing, 384, 45000 + 2 * 34000), (.blsPairing, 768, 37700 + 2 * 32600),
        (.blsG1MSM, 0, 0), (.blsG1MSM, 160, 12000), (.blsG1MSM, 320, 22776),
        (.blsG2MSM, 288, 22500), (.blsG2MSM, 129 * 288, 129 * 22500 * 524 / 1000),
    ])
    func `a precompile costs by the size of its input`(
        _ precompile: Precompile, _ size: Int, _ gas: Int
    ) {
        let input = Bytes(repeating: 0, count: size)
        let cost = input.withUnsafeBytes { precompile.cost($0, GasSchedule.of(.osaka)) }
        #expect(cost == gas)
    }

    @Test func `one gas too little takes all of it`() {
        let machine = TestMachine(.osaka, [:])
        for (gas, halt) in [(15 as Gas, nil as Halt?), (14, .outOfGas)] {
            let result = machine.evm.processMessageCall(
                .call(
                    from: TestMachine.sender, to: Precompile.identity.address, value: .zero,
                    data: [], gas: gas),
                in: TransactionEnvironment(origin: TestMachine.sender, gasPrice: 1))
            #expect(result.halt == halt)
            #expect(result.gasLeft == 0)
        }
    }

    @Test func `lengths that cannot be paid cost more than there is`() throws {
        // Base, exponent and modulus of 2^256 - 1 bytes, then of 2^32.
        for length in [UInt256.max, UInt256(1 << 32 as UInt64)] {
            let input = Bytes([length, length, length].flatMap(\.bigEndianBytes))
            for fork in [Fork.byzantium, .berlin, .osaka] {
                let cost = input.withUnsafeBytes {
                    Precompile.modexp.cost($0, GasSchedule.of(fork))
                }
                #expect(cost > 1 << 50, "\(fork)")
            }
        }
        // A huge exponent of nothing is cheap and has no output.
        let input = Bytes([UInt256.zero, .max, .zero].flatMap(\.bigEndianBytes))
        #expect(try Precompile.modexp.run(input) == [])
    }

    @Test func `the limit of modular exponentiation is 1024 bytes from Osaka on`() {
        func cost(_ length: UInt64, _ fork: Fork) -> Int {
            let lengths = [UInt256(length), .one, .one]
            return Bytes(lengths.flatMap(\.bigEndianBytes)).withUnsafeBytes {
                Precompile.modexp.cost($0, GasSchedule.of(fork))
            }
        }
        #expect(cost(1024, .osaka) == 2 * 128 * 128)
        #expect(cost(1025, .osaka) == .max)
        #expect(cost(1025, .prague) < 10000)
    }
}
