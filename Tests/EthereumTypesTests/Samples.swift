import Cryptography
import EthereumTypes
import Primitives

/// Values that several tests use.
enum Samples {
    /// The first key of the developer mnemonic.
    static let key: PrivateKey = key(
        "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")

    static let address = Address(hex: "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266") ?? .zero

    static func key(_ hex: String) -> PrivateKey {
        guard let bytes = Hex.decode(hex), let key = PrivateKey(bytes) else {
            preconditionFailure("not a key: \(hex)")
        }
        return key
    }

    static func bytes(_ hex: String) -> Bytes {
        guard let bytes = Hex.decode(hex) else { preconditionFailure("not hexadecimal: \(hex)") }
        return bytes
    }

    /// One transaction of every type, signed with ``key``.
    static func transaction(_ type: TransactionType) -> Transaction {
        var transaction = Transaction(
            type: type, chainId: 31337, nonce: 7,
            maxPriorityFeePerGas: type.hasFeeCaps ? 2 : 30, maxFeePerGas: 30, gasLimit: 100_000,
            to: address, value: 1_000, data: [0, 1, 2])
        if type != .legacy {
            transaction.accessList = [
                AccessListEntry(address: address, storageKeys: [.zero, Hash256(UInt256(1))])
            ]
        }
        if type == .blob {
            transaction.maxFeePerBlobGas = 9
            transaction.blobVersionedHashes = [KZG.versionedHash(commitment)]
        }
        if type == .setCode {
            transaction.authorizationList = [
                Authorization(chainId: .zero, address: .zero, nonce: 0, signedWith: key)
            ]
        }
        return transaction.signed(with: key)
    }

    static let commitment = Bytes(repeating: 0xc0, count: BlobSidecar.proofByteCount)

    /// A header with every field up to a fork.
    static func header(at fork: Fork) -> Header {
        var header = Header(
            parentHash: Hash256(UInt256(1)), coinbase: address, stateRoot: Hash256(UInt256(2)),
            difficulty: fork >= .paris ? .zero : 131_072, number: 5, gasLimit: 30_000_000,
            gasUsed: 21_000, timestamp: 1_000, extraData: [1, 2, 3],
            prevRandao: Hash256(UInt256(4)), nonce: fork >= .paris ? 0 : 42)
        if fork >= .london { header.baseFeePerGas = 7 }
        if fork >= .shanghai { header.withdrawalsRoot = .emptyTrieRoot }
        if fork >= .cancun {
            header.blobGasUsed = 131_072
            header.excessBlobGas = 0
            header.parentBeaconBlockRoot = Hash256(UInt256(9))
        }
        if fork >= .prague { header.requestsHash = requestsHash(of: []) }
        return header
    }
}
