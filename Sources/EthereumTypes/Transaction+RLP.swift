import Cryptography
public import Primitives

/// The bytes of a transaction: EIP-2718 `type ‖ rlp(fields)`, or for a legacy one `rlp(fields)`.
/// Each form's fields are those of its EIP, in that order.
extension Transaction {
    /// The hash that identifies the transaction.
    public func hash() -> Hash256 { keccak256(encoded()) }

    /// The transaction as it is sent, hashed and put into the transactions trie. Blobs are not part
    /// of it (see ``BlobTransactionWithSidecar``).
    public func encoded() -> Bytes {
        var encoder = RLPEncoder()
        encoder.list { list in
            list.appendFields(of: self)
            switch type {
            case .legacy: list.append(legacyV)
            default: list.append(signature.yParity)
            }
            list.append(signature.r)
            list.append(signature.s)
        }
        return type == .legacy ? encoder.bytes : [type.rawValue] + encoder.bytes
    }

    /// What is signed: keccak256(type ‖ rlp(fields)), for a legacy transaction
    /// keccak256(rlp(fields, chainId, 0, 0)) with a chain id (EIP-155), else keccak256(rlp(fields)).
    public func signingHash() -> Hash256 {
        var encoder = RLPEncoder()
        encoder.list { list in
            list.appendFields(of: self)
            if type == .legacy, let chainId {
                list.append(chainId)
                list.append(UInt64(0))
                list.append(UInt64(0))
            }
        }
        return keccak256(type == .legacy ? encoder.bytes : [type.rawValue] + encoder.bytes)
    }

    /// `v` of a legacy transaction: 27 or 28, or 35 or 36 and twice the chain id (EIP-155).
    public var legacyV: UInt256 {
        let parity = UInt256(signature.yParity ? 1 : 0)
        guard let chainId else { return UInt256(27) &+ parity }
        return UInt256(chainId) &+ UInt256(chainId) &+ UInt256(35) &+ parity
    }

    /// Reads what ``encoded()`` writes. Only the canonical encoding is accepted: the bytes of the
    /// result are the bytes that were read.
    public init(encoded: Bytes) throws(TransactionDecodingError) {
        try self.init(envelope: encoded[...])
    }

    init(envelope: ArraySlice<UInt8>) throws(TransactionDecodingError) {
        guard let first = envelope.first else { throw .empty }
        if first >= 0xc0 {
            var fields = try TransactionFields(envelope, type: .legacy)
            try self.init(legacyFields: &fields)
            try fields.finish()
        } else {
            guard let type = TransactionType(rawValue: first), type != .legacy else {
                throw .unknownType(first)
            }
            var fields = try TransactionFields(envelope.dropFirst(), type: type)
            try self.init(type: type, fields: &fields)
            try fields.finish()
        }
    }

    private init(
        legacyFields fields: inout TransactionFields
    ) throws(TransactionDecodingError) {
        self = .legacy(
            chainId: nil,
            nonce: try fields.uint64(.nonce),
            gasPrice: try fields.uint256(.gasPrice),
            gasLimit: try fields.uint64(.gasLimit),
            to: try fields.recipient(),
            value: try fields.uint256(.value),
            data: try fields.bytes(.data))
        let v = try fields.uint256(.v)
        guard let (chainId, yParity) = Self.splitLegacyV(v) else { throw .invalidV(v) }
        self.chainId = chainId
        signature = Signature(
            yParity: yParity, r: try fields.uint256(.r), s: try fields.uint256(.s))
    }

    /// The chain id and y parity that a legacy `v` stands for; `nil` if it stands for none.
    public static func splitLegacyV(_ v: UInt256) -> (chainId: UInt64?, yParity: Bool)? {
        if v == 27 || v == 28 { return (nil, v == 28) }
        guard v >= 35 else { return nil }
        let doubled = v &- 35
        guard let chainId = (doubled >> UInt64(1)).asUInt64 else { return nil }
        return (chainId, doubled.l0 & 1 == 1)
    }

    /// The fields of a typed transaction, at the head of `fields`.
    init(
        type: TransactionType, fields: inout TransactionFields
    ) throws(TransactionDecodingError) {
        let chainId = try fields.uint64(.chainId)
        let nonce = try fields.uint64(.nonce)
        let maxPriorityFeePerGas = try fields.uint256(
            type.hasFeeCaps ? .maxPriorityFeePerGas : .gasPrice)
        let maxFeePerGas =
            type.hasFeeCaps ? try fields.uint256(.maxFeePerGas) : maxPriorityFeePerGas
        self.init(
            type: type, chainId: chainId, nonce: nonce,
            maxPriorityFeePerGas: maxPriorityFeePerGas, maxFeePerGas: maxFeePerGas,
            gasLimit: try fields.uint64(.gasLimit),
            to: try fields.recipient(),
            value: try fields.uint256(.value),
            data: try fields.bytes(.data),
            accessList: try fields.accessList())
        guard to != nil || type.canCreate else { throw .missingRecipient(type) }
        switch type {
        case .legacy, .accessList, .dynamicFee: break
        case .blob:
            maxFeePerBlobGas = try fields.uint256(.maxFeePerBlobGas)
            blobVersionedHashes = try fields.hashes(.blobVersionedHashes)
        case .setCode:
            authorizationList = try fields.authorizationList()
        }
        let yParity = try fields.bool(.yParity)
        signature = Signature(
            yParity: yParity, r: try fields.uint256(.r), s: try fields.uint256(.s))
    }
}

/// Why bytes are not a transaction.
public enum TransactionDecodingError: Error, Equatable {
    /// The parts of a transaction, by their names in JSON-RPC where they have one.
    public enum Field: String, Equatable, Sendable {
        case envelope, chainId, nonce, gasPrice, maxPriorityFeePerGas, maxFeePerGas, gasLimit, to
        case value, data, accessList, maxFeePerBlobGas, blobVersionedHashes, authorizationList
        case v, yParity, r, s
        case wrapperVersion, blobs, commitments, proofs
    }

    /// There are no bytes.
    case empty
    /// The first byte is that of no known type.
    case unknownType(UInt8)
    case malformed(Field, RLPError)
    /// `v` is neither 27 or 28 nor that of a chain id of 64 bits.
    case invalidV(UInt256)
    /// The type cannot create contracts.
    case missingRecipient(TransactionType)
    /// The version of a blob transaction's wrapper is not one that is known (EIP-7594).
    case unknownWrapperVersion(UInt64)
}

extension RLPEncoder {
    /// Appends a transaction as an item of a block's list.
    mutating func append(_ transaction: Transaction) {
        switch transaction.type {
        case .legacy: appendRaw(transaction.encoded())
        default: append(transaction.encoded())
        }
    }

    /// The fields before the signature.
    fileprivate mutating func appendFields(of transaction: Transaction) {
        if transaction.type != .legacy { append(transaction.chainId ?? 0) }
        append(transaction.nonce)
        if transaction.type.hasFeeCaps { append(transaction.maxPriorityFeePerGas) }
        append(transaction.maxFeePerGas)
        append(transaction.gasLimit)
        if let to = transaction.to { append(to) } else { append(Bytes()) }
        append(transaction.value)
        append(transaction.data)
        if transaction.type != .legacy { append(transaction.accessList) }
        switch transaction.type {
        case .legacy, .accessList, .dynamicFee: break
        case .blob:
            append(transaction.maxFeePerBlobGas)
            list { list in
                for hash in transaction.blobVersionedHashes { list.append(hash) }
            }
        case .setCode:
            append(transaction.authorizationList)
        }
    }

    /// Appends the fields and the signature of a typed transaction as a list.
    mutating func appendPayload(of transaction: Transaction) {
        list { list in
            list.appendFields(of: transaction)
            list.append(transaction.signature.yParity)
            list.append(transaction.signature.r)
            list.append(transaction.signature.s)
        }
    }
}

extension RLPDecoder {
    /// Reads a transaction as an item of a block's list: a list, or the string of a typed one.
    mutating func transaction() throws(TransactionDecodingError) -> Transaction {
        if nextIsList {
            let item: ArraySlice<UInt8>
            do throws(RLPError) { item = try rawItem() } catch {
                throw .malformed(.envelope, error)
            }
            return try Transaction(envelope: item)
        }
        let item: ArraySlice<UInt8>
        do throws(RLPError) { item = try bytes() } catch { throw .malformed(.envelope, error) }
        // A legacy transaction must not hide in a string.
        if let first = item.first, first >= 0xc0 { throw .unknownType(first) }
        return try Transaction(envelope: item)
    }
}

/// Reads the fields of a transaction one after the other, and names the one that is wrong.
struct TransactionFields {
    private var list: RLPDecoder

    init(_ encoded: ArraySlice<UInt8>, type: TransactionType) throws(TransactionDecodingError) {
        do throws(RLPError) {
            var decoder = RLPDecoder(encoded)
            list = try decoder.list()
            try decoder.finish()
        } catch {
            throw .malformed(.envelope, error)
        }
    }

    init(_ list: RLPDecoder) { self.list = list }

    mutating func uint64(
        _ field: TransactionDecodingError.Field
    ) throws(TransactionDecodingError) -> UInt64 {
        do throws(RLPError) { return try list.uint64() } catch { throw .malformed(field, error) }
    }

    mutating func uint256(
        _ field: TransactionDecodingError.Field
    ) throws(TransactionDecodingError) -> UInt256 {
        do throws(RLPError) { return try list.uint256() } catch { throw .malformed(field, error) }
    }

    mutating func bool(
        _ field: TransactionDecodingError.Field
    ) throws(TransactionDecodingError) -> Bool {
        do throws(RLPError) { return try list.bool() } catch { throw .malformed(field, error) }
    }

    mutating func bytes(
        _ field: TransactionDecodingError.Field
    ) throws(TransactionDecodingError) -> Bytes {
        do throws(RLPError) { return Bytes(try list.bytes()) } catch {
            throw .malformed(field, error)
        }
    }

    mutating func recipient() throws(TransactionDecodingError) -> Address? {
        do throws(RLPError) { return try list.optionalAddress() } catch {
            throw .malformed(.to, error)
        }
    }

    mutating func accessList() throws(TransactionDecodingError) -> AccessList {
        do throws(RLPError) { return try list.accessList() } catch {
            throw .malformed(.accessList, error)
        }
    }

    mutating func hashes(
        _ field: TransactionDecodingError.Field
    ) throws(TransactionDecodingError) -> [Hash256] {
        do throws(RLPError) {
            var items = try list.list()
            var hashes: [Hash256] = []
            while !items.isAtEnd { hashes.append(try items.hash()) }
            return hashes
        } catch {
            throw .malformed(field, error)
        }
    }

    mutating func authorizationList() throws(TransactionDecodingError) -> [Authorization] {
        do throws(RLPError) { return try list.authorizationList() } catch {
            throw .malformed(.authorizationList, error)
        }
    }

    func finish() throws(TransactionDecodingError) {
        do throws(RLPError) { try list.finish() } catch { throw .malformed(.envelope, error) }
    }
}
