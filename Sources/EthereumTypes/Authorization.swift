public import Cryptography
public import Primitives

/// An account's signed permission to run the code at another address as its own: EIP-7702.
///
/// The signature is kept as it was sent: an authorization that does not verify is skipped when it
/// is processed, and does not make its transaction invalid.
public struct Authorization: Hashable, Sendable {
    /// The chain on which it holds; zero for any chain.
    public var chainId: UInt256
    /// Whose code the authority shall run; the zero address takes a delegation back.
    public var address: Address
    /// The authority's nonce at which it holds.
    public var nonce: Nonce
    /// Zero or one in a valid signature.
    public var yParity: UInt8
    /// The first part of the signature.
    public var r: UInt256
    /// The second part of the signature.
    public var s: UInt256

    /// An authorization as it was sent.
    public init(
        chainId: UInt256, address: Address, nonce: Nonce, yParity: UInt8, r: UInt256, s: UInt256
    ) {
        self.chainId = chainId
        self.address = address
        self.nonce = nonce
        self.yParity = yParity
        self.r = r
        self.s = s
    }

    /// An authorization signed with a key.
    public init(chainId: UInt256, address: Address, nonce: Nonce, signedWith key: PrivateKey) {
        self.init(chainId: chainId, address: address, nonce: nonce, yParity: 0, r: .zero, s: .zero)
        let signature = key.sign(signingHash())
        yParity = signature.yParity ? 1 : 0
        r = signature.r
        s = signature.s
    }

    /// `MAGIC` of EIP-7702: no transaction type, so that neither can be taken for the other.
    static let magic: UInt8 = 0x05

    /// What the authority signs: keccak256(0x05 ‖ rlp([chainId, address, nonce])).
    public func signingHash() -> Hash256 {
        var encoder = RLPEncoder()
        encoder.list { list in
            list.append(chainId)
            list.append(address)
            list.append(nonce)
        }
        return keccak256([Self.magic] + encoder.bytes)
    }

    /// Who signed, or `nil` if the signature is not valid (its s must be in the lower half).
    public func authority() -> Address? {
        guard yParity <= 1 else { return nil }
        let signature = Signature(yParity: yParity == 1, r: r, s: s)
        guard signature.isInRange, signature.hasLowS else { return nil }
        return recoverAddress(hash: signingHash(), signature: signature)
    }
}

extension RLPEncoder {
    mutating func append(_ authorizationList: [Authorization]) {
        list { entries in
            for authorization in authorizationList {
                entries.list { fields in
                    fields.append(authorization.chainId)
                    fields.append(authorization.address)
                    fields.append(authorization.nonce)
                    fields.append(UInt64(authorization.yParity))
                    fields.append(authorization.r)
                    fields.append(authorization.s)
                }
            }
        }
    }
}

extension RLPDecoder {
    mutating func authorizationList() throws(RLPError) -> [Authorization] {
        var entries = try list()
        var authorizationList: [Authorization] = []
        while !entries.isAtEnd {
            var fields = try entries.list()
            let chainId = try fields.uint256()
            let address = try fields.address()
            let nonce = try fields.uint64()
            let parity = try fields.uint64()
            guard let yParity = UInt8(exactly: parity) else {
                throw .numberTooLarge(
                    maximumBytes: 1, actual: (71 - parity.leadingZeroBitCount) / 8)
            }
            authorizationList.append(
                Authorization(
                    chainId: chainId, address: address, nonce: nonce, yParity: yParity,
                    r: try fields.uint256(), s: try fields.uint256()))
            try fields.finish()
        }
        return authorizationList
    }
}
