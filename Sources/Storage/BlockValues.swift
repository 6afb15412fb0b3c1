import Cryptography
import EthereumTypes
package import Primitives

// What the values of a block's families are made of.

/// A value of `transactions`: number[8] ‖ index[4], for each place of the transaction in the chain,
/// the last one first.
struct StoredLocations {
    var locations: [TransactionLocation]

    init(_ locations: [TransactionLocation]) {
        self.locations = locations
    }

    init(_ bytes: Bytes) throws(StorageError) {
        locations = []
        var rest = bytes[...]
        repeat {
            guard let number = UInt64(bigEndian: rest.prefix(8)),
                let index = UInt32(bigEndian: rest.dropFirst(8).prefix(4))
            else { throw .corrupted("transaction location of \(bytes.count) bytes") }
            locations.append(TransactionLocation(blockNumber: number, index: Int(index)))
            rest = rest.dropFirst(12)
        } while !rest.isEmpty
    }

    var bytes: Bytes {
        var bytes = Bytes()
        bytes.reserveCapacity(12 * locations.count)
        for location in locations {
            bytes.append(bigEndian: location.blockNumber)
            bytes.append(bigEndian: UInt32(truncatingIfNeeded: location.index))
        }
        return bytes
    }
}

/// A value of `bodies`: count[4] ‖ sender[20]… ‖ RLP [transactions, ommers, withdrawals].
package struct StoredBody {
    var senders: [Address]
    var encodedBody: Bytes

    init(senders: [Address], encodedBody: Bytes) {
        self.senders = senders
        self.encodedBody = encodedBody
    }

    package init(_ bytes: Bytes) throws(StorageError) {
        guard bytes.count >= 4, let count = UInt32(bigEndian: bytes[..<4]),
            (bytes.count - 4) / 20 >= Int(count)
        else { throw .corrupted("block body of \(bytes.count) bytes") }
        let end = 4 + 20 * Int(count)
        senders = stride(from: 4, to: end, by: 20).compactMap { Address(bytes[$0..<($0 + 20)]) }
        encodedBody = Bytes(bytes[end...])
    }

    var bytes: Bytes {
        var bytes = Bytes()
        bytes.reserveCapacity(4 + 20 * senders.count + encodedBody.count)
        bytes.append(bigEndian: UInt32(truncatingIfNeeded: senders.count))
        for sender in senders { bytes.append(sender) }
        bytes.append(contentsOf: encodedBody)
        return bytes
    }

    /// The hashes of the transactions, without decoding them: a legacy one is hashed as the list
    /// that it is, a typed one as what its string holds.
    func transactionHashes() throws(StorageError) -> [Hash256] {
        var hashes: [Hash256] = []
        try forEachTransaction { encoded in
            hashes.append(keccak256(encoded))
            return true
        }
        return hashes
    }

    /// The same of some of them.
    func transactionHashes(at indexes: Set<Int>) throws(StorageError) -> [Int: Hash256] {
        var hashes: [Int: Hash256] = [:]
        var index = 0
        try forEachTransaction { encoded in
            if indexes.contains(index) { hashes[index] = keccak256(encoded) }
            index += 1
            return hashes.count < indexes.count
        }
        return hashes
    }

    /// What the hash of one of the transactions is that of; `nil` if there are not so many.
    func encodedTransaction(at index: Int) throws(StorageError) -> Bytes? {
        var found: Bytes?
        var place = 0
        try forEachTransaction { encoded in
            if place == index { found = Bytes(encoded) }
            place += 1
            return found == nil
        }
        return found
    }

    /// Calls a function with what a transaction's hash is that of, until it returns `false`.
    private func forEachTransaction(
        _ body: (ArraySlice<UInt8>) -> Bool
    ) throws(StorageError) {
        try decoding("block body") { () throws(RLPError) in
            var decoder = RLPDecoder(encodedBody)
            var fields = try decoder.list()
            var items = try fields.list()
            while !items.isAtEnd {
                guard body(items.nextIsList ? try items.rawItem() : try items.bytes()) else {
                    return
                }
            }
        }
    }
}

/// A value of `receipts`: RLP of a list of [type, status or post state, cumulative gas, logs]. The
/// blooms are left out: they are made again from the logs.
package struct StoredReceipts {
    package var receipts: [Receipt]

    package init(_ receipts: [Receipt]) {
        self.receipts = receipts
    }

    package init(_ bytes: Bytes) throws(StorageError) {
        receipts = try decoding("receipts") { () throws(RLPError) in
            var decoder = RLPDecoder(bytes)
            var items = try decoder.list()
            try decoder.finish()
            var receipts: [Receipt] = []
            while !items.isAtEnd {
                var fields = try items.list()
                receipts.append(try Self.receipt(&fields))
            }
            return receipts
        }
    }

    private static func receipt(_ fields: inout RLPDecoder) throws(RLPError) -> Receipt {
        guard let byte = UInt8(exactly: try fields.uint64()),
            let type = TransactionType(rawValue: byte)
        else { throw .invalidFlag }
        let outcome = try fields.bytes()
        let receipt = Receipt(
            type: type, outcome: Hash256(outcome).map { .postState($0) } ?? .status(outcome == [1]),
            cumulativeGasUsed: try fields.uint64(), logs: try fields.logs())
        try fields.finish()
        return receipt
    }

    /// One of the receipts of a value, without decoding the others; `nil` if there are not so many.
    static func receipt(at index: Int, in bytes: Bytes) throws(StorageError) -> StoredReceipt? {
        try decoding("receipts") { () throws(RLPError) in
            var decoder = RLPDecoder(bytes)
            var items = try decoder.list()
            var place = 0
            var gasBefore: Gas = 0
            var logCount = 0
            while !items.isAtEnd {
                var fields = try items.list()
                if place == index {
                    let receipt = try receipt(&fields)
                    guard receipt.cumulativeGasUsed >= gasBefore else { throw .invalidFlag }
                    return StoredReceipt(
                        receipt: receipt, gasUsed: receipt.cumulativeGasUsed - gasBefore,
                        firstLogIndex: logCount)
                }
                _ = try fields.item()
                _ = try fields.item()
                gasBefore = try fields.uint64()
                var logs = try fields.list()
                while !logs.isAtEnd {
                    _ = try logs.item()
                    logCount += 1
                }
                place += 1
            }
            return nil
        }
    }

    package var bytes: Bytes {
        var encoder = RLPEncoder()
        encoder.list { items in
            for receipt in receipts {
                items.list { fields in
                    fields.append(UInt64(receipt.type.rawValue))
                    switch receipt.outcome {
                    case .status(let succeeded): fields.append(succeeded)
                    case .postState(let root): fields.append(root)
                    }
                    fields.append(receipt.cumulativeGasUsed)
                    fields.append(receipt.logs)
                }
            }
        }
        return encoder.bytes
    }
}
