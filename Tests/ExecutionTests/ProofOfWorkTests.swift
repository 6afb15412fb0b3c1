import EthereumTypes
import Execution
import Primitives
import TestSupport
import Testing

@Suite struct ProofOfWorkTests {
    @Test(.enabled(if: Fixtures.areAvailable, Fixtures.hint))
    func `the official vectors hold`() throws {
        let ethash = Ethash(epoch: 0)
        for file in try Fixtures.files("basic-tests", under: "PoWTests") {
            for (name, vector) in try Fixtures.cases(file) {
                func hash(_ key: String) -> Hash256? {
                    Hash256(hex: "0x" + (vector[key]?.stringValue ?? ""))
                }
                let header = try Header(
                    encoded: try #require(Hex.decode(vector["header"]?.stringValue ?? "")))
                #expect(header.number < Ethash.epochLength)
                #expect(header.hashWithoutSeal() == hash("header_hash"), "\(name)")
                let (mixHash, result) = ethash.hashimoto(
                    hash: header.hashWithoutSeal(), nonce: header.nonce)
                #expect(mixHash == hash("mixHash"), "\(name)")
                #expect(result == hash("result"), "\(name)")
            }
        }
    }

    @Test func `a seal is for one nonce, one mix hash and a difficulty`() {
        let ethash = Ethash(epoch: 0)
        var header = Header(
            parentHash: .zero, coinbase: .zero, stateRoot: .zero, difficulty: 1, number: 1,
            gasLimit: 5_000, timestamp: 1, nonce: 42)
        header.prevRandao =
            ethash.hashimoto(hash: header.hashWithoutSeal(), nonce: header.nonce).mixHash
        #expect(ethash.isSealed(header))
        header.nonce = 43
        #expect(!ethash.isSealed(header))
        header.nonce = 42
        header.prevRandao.w0 &+= 1
        #expect(!ethash.isSealed(header))

        header.difficulty = .max
        header.prevRandao =
            ethash.hashimoto(hash: header.hashWithoutSeal(), nonce: header.nonce).mixHash
        #expect(!ethash.isSealed(header))
        header.number = Ethash.epochLength
        #expect(!ethash.isSealed(header))
    }
}
