import Cryptography
import Primitives
import Testing
import TestSupport

/// The order of the group of secp256k1.
let groupOrder = UInt256(
    l0: 0xbfd2_5e8c_d036_4141, l1: 0xbaae_dce6_af48_a03b, l2: 0xffff_ffff_ffff_fffe, l3: .max)

@Suite struct SignatureTests {
    let key: PrivateKey
    let hash = keccak256(utf8: "a message")
    let signature: Signature

    init() throws {
        key = try #require(PrivateKey(keccak256(utf8: "cow").bytes))
        signature = key.sign(hash)
    }

    @Test func `the signer is recovered from a signature`() {
        #expect(recoverAddress(hash: hash, signature: signature) == key.address)
        #expect(recoverPublicKey(hash: hash, signature: signature) == key.publicKey)
    }

    @Test func `another message or parity gives another signer`() {
        var flipped = signature
        flipped.yParity.toggle()
        #expect(recoverAddress(hash: .zero, signature: signature) != key.address)
        #expect(recoverAddress(hash: hash, signature: flipped) != key.address)
    }

    @Test func `the high form of s gives the same signer and is not low`() {
        let high = Signature(
            yParity: !signature.yParity, r: signature.r, s: groupOrder - signature.s)
        #expect(signature.hasLowS)
        #expect(!high.hasLowS)
        #expect(high.isInRange)
        #expect(recoverAddress(hash: hash, signature: high) == key.address)
    }

    @Test func `half the order is the last low s`() {
        let half = groupOrder >> 1
        #expect(Signature(yParity: false, r: .one, s: half).hasLowS)
        #expect(!Signature(yParity: false, r: .one, s: half + .one).hasLowS)
    }

    @Test(arguments: [UInt256.zero, groupOrder, groupOrder + .one, .max])
    func `r and s out of range give no signer`(value: UInt256) {
        var signature = signature
        signature.r = value
        #expect(!signature.isInRange)
        #expect(recoverAddress(hash: hash, signature: signature) == nil)
        signature = self.signature
        signature.s = value
        #expect(!signature.isInRange)
        #expect(recoverAddress(hash: hash, signature: signature) == nil)
    }

    @Test func `the greatest values in range are tried`() {
        // x = n - 1 is on no point of the curve; s may be n - 1.
        let last = groupOrder - .one
        #expect(Signature(yParity: false, r: last, s: last).isInRange)
        #expect(
            recoverAddress(hash: hash, signature: .init(yParity: false, r: last, s: .one)) == nil)
        let s = Signature(yParity: signature.yParity, r: signature.r, s: last)
        #expect(recoverAddress(hash: hash, signature: s) != nil)
    }

    @Test func `an r that is no x coordinate gives no signer`() {
        // 5³ + 7 = 132 is no square modulo p.
        let signature = Signature(yParity: false, r: 5, s: .one)
        #expect(recoverAddress(hash: hash, signature: signature) == nil)
    }

    @Test func `a hash of zero or above the order is accepted`() {
        for hash in [Hash256.zero, Hash256(UInt256.max), Hash256(groupOrder)] {
            #expect(recoverAddress(hash: hash, signature: key.sign(hash)) == key.address)
        }
    }

    @Test func `the bytes of a signature are r, s and v`() {
        let bytes = signature.bytes
        #expect(bytes.count == 65)
        #expect(bytes[64] == (signature.yParity ? 28 : 27))
        #expect(Signature(bytes) == signature)
        #expect(Signature(bytes.dropLast() + [bytes[64] - 27]) == signature)
        #expect(Signature(bytes.dropLast() + [29]) == nil)
        #expect(Signature(bytes.dropLast()) == nil)
        #expect(Signature(bytes + [0]) == nil)
        #expect(Signature(Bytes()) == nil)
    }

    @Test(arguments: [1, 2, 7])
    func `many signatures are recovered in their order`(threads: Int) {
        var items: [(Hash256, Signature)] = []
        var expected: [Address?] = []
        for index in 0..<100 {
            let hash = keccak256(UInt256(UInt64(index)))
            var signature = key.sign(hash)
            if index % 9 == 0 { signature.r = .zero }
            if index % 10 == 0 { signature.yParity.toggle() }
            items.append((hash, signature))
            expected.append(recoverAddress(hash: hash, signature: signature))
        }
        #expect(recoverAddresses(items, threads: threads) == expected)
        #expect(expected.contains(nil) && expected.contains(key.address))
        #expect(recoverAddresses([], threads: threads).isEmpty)
    }

    @Test(.enabled(if: Fixtures.areAvailable, Fixtures.hint))
    func `the vectors of ECRECOVER hold`() throws {
        let vectors = try PrecompileVector.all("precompile-vectors-geth", "ecRecover.json")
        #expect(!vectors.isEmpty)
        for vector in vectors {
            let input = vector.input + Bytes(repeating: 0, count: 128)
            let v = try #require(UInt256(bigEndian: input[32..<64]))
            var result = Bytes()
            if v == 27 || v == 28 {
                let signature = Signature(
                    yParity: v == 28,
                    r: try #require(UInt256(bigEndian: input[64..<96])),
                    s: try #require(UInt256(bigEndian: input[96..<128])))
                let hash = try #require(Hash256(input[..<32]))
                if let address = recoverAddress(hash: hash, signature: signature) {
                    result = address.uint256.bigEndianBytes
                }
            }
            #expect(result == vector.expected, "\(vector.name)")
        }
    }
}
