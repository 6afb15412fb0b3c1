import Cryptography
import EthereumTypes
import Primitives
import Testing

@Suite struct TransactionTests {
    @Test(arguments: TransactionType.allCases)
    func `every type survives encoding`(type: TransactionType) throws {
        let transaction = Samples.transaction(type)
        let decoded = try Transaction(encoded: transaction.encoded())
        #expect(decoded == transaction)
        #expect(decoded.encoded() == transaction.encoded())
        #expect(decoded.recoverSender() == Samples.address)
    }

    @Test func `the example of EIP-155 has its hash, signature and sender`() throws {
        var transaction = Transaction.legacy(
            chainId: 1, nonce: 9, gasPrice: 20_000_000_000, gasLimit: 21_000,
            to: Address(hex: "0x3535353535353535353535353535353535353535"),
            value: UInt256(1_000_000_000_000_000_000))
        #expect(
            transaction.signingHash().description
                == "0xdaf5a779ae972f972197303d7b574746c7ef83eadac0f2791ad23db92e4c8e53")
        transaction.sign(
            with: Samples.key("0x" + String(repeating: "46", count: 32)))
        #expect(transaction.legacyV == 37)
        #expect(
            Hex.encode(transaction.encoded())
                == "0xf86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a764"
                + "00008025a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8"
                + "997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83")
    }

    @Test func `a legacy transaction without chain id is valid on every chain`() throws {
        var transaction = Samples.transaction(.legacy)
        transaction.chainId = nil
        transaction.sign(with: Samples.key)
        let decoded = try Transaction(encoded: transaction.encoded())
        #expect(decoded.chainId == nil)
        #expect(decoded.recoverSender(at: .frontier) == Samples.address)
    }

    @Test func `a chain id in a legacy transaction is refused before Spurious Dragon`() {
        let transaction = Samples.transaction(.legacy)
        #expect(transaction.recoverSender(at: .tangerineWhistle) == nil)
        #expect(transaction.recoverSender(at: .spuriousDragon) == Samples.address)
    }

    @Test func `a high s is refused from Homestead on`() throws {
        var transaction = Samples.transaction(.legacy)
        transaction.chainId = nil
        transaction.sign(with: Samples.key)
        let order = try #require(
            UInt256(hex: "0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"))
        transaction.signature.s = order &- transaction.signature.s
        transaction.signature.yParity.toggle()
        #expect(transaction.recoverSender(at: .frontier) == Samples.address)
        #expect(transaction.recoverSender(at: .homestead) == nil)
    }

    @Test(arguments: [UInt256(0), 1, 26, 29, 34, .max])
    func `a legacy v that means nothing is refused`(v: UInt256) {
        #expect(Transaction.splitLegacyV(v) == nil)
    }

    @Test func `a legacy v holds any chain id of 64 bits`() {
        var transaction = Samples.transaction(.legacy)
        transaction.chainId = .max
        let split = Transaction.splitLegacyV(transaction.legacyV)
        #expect(split?.chainId == .max)
        #expect(Transaction.splitLegacyV(transaction.legacyV &+ 2) == nil)
    }

    @Test(arguments: [TransactionType.blob, .setCode])
    func `these types cannot create contracts`(type: TransactionType) {
        var transaction = Samples.transaction(type)
        transaction.to = nil
        #expect(throws: TransactionDecodingError.missingRecipient(type)) {
            try Transaction(encoded: transaction.encoded())
        }
    }

    @Test func `what is no transaction is refused with the reason`() {
        #expect(throws: TransactionDecodingError.empty) { try Transaction(encoded: []) }
        #expect(throws: TransactionDecodingError.unknownType(5)) { try Transaction(encoded: [5]) }
        #expect(throws: TransactionDecodingError.unknownType(0)) {
            try Transaction(encoded: [0, 0xc0])
        }
        #expect(throws: TransactionDecodingError.malformed(.chainId, .endOfInput)) {
            try Transaction(encoded: [2, 0xc0])
        }
    }

    @Test(arguments: TransactionType.allCases)
    func `no prefix and no extension of a transaction is one`(type: TransactionType) {
        let encoded = Samples.transaction(type).encoded()
        for count in 0..<encoded.count {
            #expect(throws: TransactionDecodingError.self) {
                try Transaction(encoded: Bytes(encoded.prefix(count)))
            }
        }
        #expect(throws: TransactionDecodingError.self) {
            try Transaction(encoded: encoded + [0])
        }
    }

    @Test(arguments: TransactionType.allCases)
    func `what is read after a changed byte is written as it was read`(type: TransactionType) {
        let encoded = Samples.transaction(type).encoded()
        for index in encoded.indices {
            for value: UInt8 in [0, 1, 0x7f, 0x80, 0x81, 0xb8, 0xc0, 0xf8, 0xff] {
                var changed = encoded
                changed[index] = value
                guard let transaction = try? Transaction(encoded: changed) else { continue }
                #expect(transaction.encoded() == changed)
            }
        }
    }

    @Test func `the effective price is the tip above the base fee, up to the cap`() {
        let transaction = Samples.transaction(.dynamicFee)
        #expect(transaction.effectiveGasPrice(baseFee: 10) == 12)
        #expect(transaction.effectiveGasPrice(baseFee: 29) == 30)
        #expect(transaction.effectiveGasPrice(baseFee: .max) == 30)
        #expect(transaction.effectiveGasPrice(baseFee: nil) == 30)
        #expect(transaction.effectiveTip(baseFee: 28) == 2)
        #expect(transaction.effectiveTip(baseFee: 30) == .zero)
        #expect(transaction.effectiveTip(baseFee: 31) == nil)
        #expect(Samples.transaction(.legacy).effectiveTip(baseFee: 10) == 20)
    }

    @Test func `the maximum cost counts gas, blobs and value`() {
        var transaction = Samples.transaction(.blob)
        #expect(transaction.maximumCost() == UInt256(100_000 * 30 + 131_072 * 9 + 1_000))
        transaction.value = .max
        #expect(transaction.maximumCost() == nil)
    }

    @Test func `an impersonated transaction names its sender and has no valid signature`() {
        var transaction = Samples.transaction(.dynamicFee)
        #expect(transaction.impersonatedSender == nil)
        transaction.impersonate(Samples.address)
        #expect(transaction.impersonatedSender == Samples.address)
        #expect(transaction.recoverSender() == nil)
        #expect(RecoveredTransaction(recovering: transaction) == nil)
    }
}

@Suite struct AuthorizationTests {
    @Test func `the authority is the signer`() {
        let authorization = Authorization(
            chainId: 1, address: Samples.address, nonce: 3, signedWith: Samples.key)
        #expect(authorization.authority() == Samples.address)
    }

    @Test func `an authorization with a high s or a strange parity has no authority`() throws {
        var authorization = Authorization(
            chainId: 1, address: Samples.address, nonce: 3, signedWith: Samples.key)
        let good = authorization
        authorization.yParity = 2
        #expect(authorization.authority() == nil)
        authorization = good
        authorization.s =
            try #require(
                UInt256(hex: "0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"))
            &- good.s
        authorization.yParity ^= 1
        #expect(authorization.authority() == nil)
    }

    @Test func `an authorization with any parity byte can be carried`() throws {
        var transaction = Samples.transaction(.setCode)
        transaction.authorizationList[0].yParity = 255
        transaction.sign(with: Samples.key)
        #expect(try Transaction(encoded: transaction.encoded()) == transaction)
    }
}

@Suite struct BlobSidecarTests {
    static func wrapped(_ version: BlobSidecar.Version) -> BlobTransactionWithSidecar {
        BlobTransactionWithSidecar(
            transaction: Samples.transaction(.blob),
            sidecar: BlobSidecar(
                version: version,
                blobs: [Bytes(repeating: 0, count: BlobSidecar.blobByteCount)],
                commitments: [Samples.commitment],
                proofs: Array(
                    repeating: Bytes(repeating: 1, count: BlobSidecar.proofByteCount),
                    count: version == .blobProofs ? 1 : BlobSidecar.cellsPerBlob)))
    }

    @Test(arguments: [BlobSidecar.Version.blobProofs, .cellProofs])
    func `both wrappers survive encoding`(version: BlobSidecar.Version) throws {
        let wrapped = Self.wrapped(version)
        let encoded = wrapped.encoded()
        #expect(BlobTransactionWithSidecar.isWrapped(encoded))
        #expect(!BlobTransactionWithSidecar.isWrapped(wrapped.transaction.encoded()))
        let decoded = try BlobTransactionWithSidecar(encoded: encoded)
        #expect(decoded == wrapped)
        try decoded.sidecar.checkStructure(
            versionedHashes: decoded.transaction.blobVersionedHashes)
    }

    @Test func `a wrapper of another version is refused`() {
        var bytes = Self.wrapped(.cellProofs).encoded()
        // The version is the byte after the transaction's list.
        guard
            let start = bytes.indices.first(where: { index in
                index > 100 && bytes[index] == 1 && bytes[index + 1] == 0xfa
            })
        else {
            Issue.record("no version byte found")
            return
        }
        bytes[start] = 2
        #expect(throws: TransactionDecodingError.unknownWrapperVersion(2)) {
            try BlobTransactionWithSidecar(encoded: bytes)
        }
        // Zero is written as the empty string.
        bytes[start] = 0x80
        #expect(throws: TransactionDecodingError.unknownWrapperVersion(0)) {
            try BlobTransactionWithSidecar(encoded: bytes)
        }
    }

    @Test func `a sidecar must fit its transaction`() {
        var sidecar = Self.wrapped(.blobProofs).sidecar
        let hashes = Samples.transaction(.blob).blobVersionedHashes
        #expect(throws: BlobSidecarError.wrongCount(.blobs, expected: 2, found: 1)) {
            try sidecar.checkStructure(versionedHashes: hashes + hashes)
        }
        #expect(throws: BlobSidecarError.commitmentMismatch(index: 0)) {
            try sidecar.checkStructure(versionedHashes: [.zero])
        }
        sidecar.proofs = []
        #expect(throws: BlobSidecarError.wrongCount(.proofs, expected: 1, found: 0)) {
            try sidecar.checkStructure(versionedHashes: hashes)
        }
    }
}
