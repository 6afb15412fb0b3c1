public import Primitives

/// What a transaction did, as the block commits to it: Yellow Paper 4.4.1, EIP-658, EIP-2718.

/// How a transaction ended.
public enum ReceiptOutcome: Hashable, Sendable {
    /// Whether it succeeded: from Byzantium on (EIP-658).
    case status(Bool)
    /// The state root after it: before Byzantium.
    case postState(Hash256)
}

/// What a transaction did.
public struct Receipt: Hashable, Sendable {
    /// The type of the transaction.
    public var type: TransactionType
    /// How the transaction ended.
    public var outcome: ReceiptOutcome
    /// Gas used in the block up to and with this transaction.
    public var cumulativeGasUsed: Gas
    /// What the transaction's contracts logged, in order.
    public var logs: [Log]

    /// A receipt of these parts.
    public init(
        type: TransactionType, outcome: ReceiptOutcome, cumulativeGasUsed: Gas, logs: [Log]
    ) {
        self.type = type
        self.outcome = outcome
        self.cumulativeGasUsed = cumulativeGasUsed
        self.logs = logs
    }

    /// Whether the transaction succeeded; `nil` where the receipt does not say it.
    public var succeeded: Bool? {
        guard case .status(let succeeded) = outcome else { return nil }
        return succeeded
    }

    /// The bloom filter of the logs; computed at each call.
    public var bloom: Bloom { Bloom(logs) }

    /// The receipt as it stands in the receipts trie: `rlp(fields)`, with a leading type byte for a
    /// typed transaction.
    public func encoded() -> Bytes { encoded(bloom: bloom) }

    /// The same for a caller who has the bloom filter already.
    public func encoded(bloom: Bloom) -> Bytes {
        var encoder = RLPEncoder()
        encoder.list { list in
            switch outcome {
            case .status(let succeeded): list.append(succeeded)
            case .postState(let root): list.append(root)
            }
            list.append(cumulativeGasUsed)
            list.append(bloom.bytes)
            list.append(logs)
        }
        return type == .legacy ? encoder.bytes : [type.rawValue] + encoder.bytes
    }

    /// Reads what ``encoded()`` writes.
    public init(encoded: Bytes) throws(ReceiptDecodingError) {
        guard let first = encoded.first else { throw .empty }
        if first >= 0xc0 {
            try self.init(fields: encoded[...], type: .legacy)
        } else {
            guard let type = TransactionType(rawValue: first), type != .legacy else {
                throw .unknownType(first)
            }
            try self.init(fields: encoded.dropFirst(), type: type)
        }
    }

    private init(
        fields: ArraySlice<UInt8>, type: TransactionType
    ) throws(ReceiptDecodingError) {
        let bloom: Bloom
        do throws(RLPError) {
            var decoder = RLPDecoder(fields)
            var list = try decoder.list()
            try decoder.finish()
            self.type = type
            let first = try list.bytes()
            if let root = Hash256(first) {
                outcome = .postState(root)
            } else if first.isEmpty || first == [1] {
                outcome = .status(!first.isEmpty)
            } else {
                throw RLPError.wrongLength(expected: 32, actual: first.count)
            }
            cumulativeGasUsed = try list.uint64()
            bloom = try list.bloom()
            logs = try list.logs()
            try list.finish()
        } catch {
            throw .malformed(error)
        }
        guard bloom == self.bloom else { throw .bloomMismatch }
    }
}

/// Why bytes are not a receipt.
public enum ReceiptDecodingError: Error, Equatable {
    case empty
    case unknownType(UInt8)
    case malformed(RLPError)
    /// The bloom filter is not that of the logs.
    case bloomMismatch
}
