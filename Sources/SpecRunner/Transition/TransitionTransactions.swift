//  The transactions of a state transition: JSON objects, signed or with the key to sign them, or the
//  RLP list of a block's body.

import Cryptography
public import EthereumTypes
public import Primitives

/// A transaction to apply.
public enum TransitionTransaction: Sendable {
    case valid(Transaction)
    /// What cannot be a transaction is rejected with this reason, and does not stop the others.
    case undecodable(String)

    /// Reads a list of JSON objects.
    ///
    /// - Parameter chainId: of the chain that those are signed for that come with a key.
    public static func list(
        json: JSONValue, chainId: UInt64
    ) throws(TransitionError) -> [TransitionTransaction] {
        try TransitionError.reading("txs") { () throws(FixtureError) in
            guard let items = json.arrayValue else { throw FixtureError("not a list") }
            var list: [TransitionTransaction] = []
            for item in items { list.append(try TransitionTransaction(json: item, chainId)) }
            return list
        }
    }

    /// Reads the RLP list of a block's body.
    public static func list(rlp: Bytes) throws(TransitionError) -> [TransitionTransaction] {
        do throws(RLPError) {
            var decoder = RLPDecoder(rlp)
            var items = try decoder.list()
            var list: [TransitionTransaction] = []
            while !items.isAtEnd {
                let isList = items.nextIsList
                let item = Bytes(isList ? try items.rawItem() : try items.bytes())
                list.append(TransitionTransaction(encoded: item, isList: isList))
            }
            return list
        } catch {
            throw TransitionError(.rlp, "the transactions are not an RLP list: \(error)")
        }
    }

    private init(encoded: Bytes, isList: Bool) {
        // A legacy transaction must not hide in a string.
        guard isList || (encoded.first ?? 0) < 0xc0 else {
            self = .undecodable("transaction type not supported")
            return
        }
        do throws(TransactionDecodingError) {
            self = .valid(try Transaction(encoded: encoded))
        } catch {
            self = .undecodable(Self.text(error, encoded))
        }
    }

    /// geth's words where test tools know the failure by them.
    private static func text(_ error: TransactionDecodingError, _ encoded: Bytes) -> String {
        switch error {
        case .empty: "typed transaction too short"
        case .unknownType: "transaction type not supported"
        case .invalidV: "invalid transaction v, r, s values"
        case .missingRecipient(let type): missingRecipientText(type)
        case .malformed(let field, let reason): "rlp: \(field.rawValue): \(reason)"
        case .unknownWrapperVersion(let version): "unsupported blob sidecar version \(version)"
        }
    }

    private static func missingRecipientText(_ type: TransactionType) -> String {
        "rlp: input string too short for common.Address, decoding into "
            + (type == .blob ? "(types.BlobTx).To" : "(types.SetCodeTx).To")
    }

    // MARK: JSON

    private init(json: JSONValue, _ chainId: UInt64) throws(FixtureError) {
        let number = try json.ifPresent("type")?.looseUInt64() ?? 0
        guard let type = UInt8(exactly: number).flatMap({ TransactionType(rawValue: $0) }) else {
            self = .undecodable("transaction type not supported")
            return
        }
        var transaction = try Self.unsigned(json, type)
        guard transaction.to != nil || type.canCreate else {
            self = .undecodable(Self.missingRecipientText(type))
            return
        }
        let v = try json.ifPresent("v")?.looseWord() ?? .zero
        let r = try json.ifPresent("r")?.looseWord() ?? .zero
        let s = try json.ifPresent("s")?.looseWord() ?? .zero
        if let secret = try json.ifPresent("secretKey")?.looseHash(),
            v.isZero, r.isZero, s.isZero
        {
            guard let key = PrivateKey(secret.uint256) else {
                throw FixtureError("secretKey is not a private key")
            }
            let isProtected = json.ifPresent("protected")?.boolValue ?? true
            transaction.chainId = type == .legacy && !isProtected ? nil : chainId
            self = .valid(transaction.signed(with: key))
            return
        }
        if type == .legacy {
            guard let (chainId, yParity) = Transaction.splitLegacyV(v) else {
                self = .undecodable("invalid transaction v, r, s values")
                return
            }
            transaction.chainId = chainId
            transaction.signature = Signature(yParity: yParity, r: r, s: s)
        } else {
            let yParity = try json.ifPresent("yParity")?.looseWord()
            guard yParity ?? v <= .one else {
                self = .undecodable("invalid transaction v, r, s values")
                return
            }
            transaction.chainId = try json.ifPresent("chainId")?.looseUInt64() ?? chainId
            transaction.signature = Signature(yParity: yParity ?? v == .one, r: r, s: s)
        }
        self = .valid(transaction)
    }

    private static func unsigned(
        _ json: JSONValue, _ type: TransactionType
    ) throws(FixtureError) -> Transaction {
        let price = try json.ifPresent("gasPrice")?.looseWord() ?? .zero
        let cap = try json.ifPresent("maxFeePerGas")?.looseWord() ?? .zero
        let tip = try json.ifPresent("maxPriorityFeePerGas")?.looseWord() ?? .zero
        let to = json.ifPresent("to")
        let creates = to == nil || to == .string("") || to == .string("0x")
        let data = json.ifPresent("input") ?? json.ifPresent("data")
        let gas = json.ifPresent("gas") ?? json.ifPresent("gasLimit") ?? .null
        var transaction = Transaction(
            type: type, chainId: nil,
            nonce: try json.present("nonce").looseUInt64(),
            maxPriorityFeePerGas: type.hasFeeCaps ? tip : price,
            maxFeePerGas: type.hasFeeCaps ? cap : price,
            gasLimit: try gas.looseUInt64(),
            to: creates ? nil : try to?.looseAddress(),
            value: try json.ifPresent("value")?.looseWord() ?? .zero,
            data: try data?.looseBytes() ?? [])
        guard type != .legacy else { return transaction }
        for entry in json.ifPresent("accessList")?.arrayValue ?? [] {
            var keys: [Hash256] = []
            for key in entry.ifPresent("storageKeys")?.arrayValue ?? [] {
                keys.append(Hash256(try key.looseWord()))
            }
            transaction.accessList.append(
                AccessListEntry(
                    address: try entry.present("address").looseAddress(), storageKeys: keys))
        }
        if type == .blob {
            transaction.maxFeePerBlobGas =
                try json.ifPresent("maxFeePerBlobGas")?.looseWord() ?? .zero
            for hash in json.ifPresent("blobVersionedHashes")?.arrayValue ?? [] {
                transaction.blobVersionedHashes.append(try hash.looseHash())
            }
        }
        if type == .setCode {
            for item in json.ifPresent("authorizationList")?.arrayValue ?? [] {
                transaction.authorizationList.append(try authorization(item))
            }
        }
        return transaction
    }

    private static func authorization(
        _ json: JSONValue
    ) throws(FixtureError) -> Authorization {
        let parity = try (json.ifPresent("yParity") ?? json.ifPresent("v") ?? .null).looseUInt64()
        guard let yParity = UInt8(exactly: parity) else {
            throw FixtureError("an authorization's yParity is more than 8 bits")
        }
        return Authorization(
            chainId: try json.present("chainId").looseWord(),
            address: try json.present("address").looseAddress(),
            nonce: try json.present("nonce").looseUInt64(), yParity: yParity,
            r: try json.present("r").looseWord(), s: try json.present("s").looseWord())
    }
}
