import Cryptography
import EthereumTypes
import Execution
import Primitives

/// A block as `eth_getBlockByNumber` shows it, with whole transactions: what every node serves.
///
/// It is put together again from its members, and only believed if it has the hash that stands
/// beside them: a member that this does not know would have changed it.
struct JSONBlock {
    /// The header.
    let header: Header
    /// The transactions.
    let transactions: [Transaction]
    /// The withdrawals, from Shanghai on.
    let withdrawals: [Withdrawal]?
    /// How many ommers it has, which are not among the members.
    let ommerCount: Int

    /// - Throws: `malformed` if a member is missing or of another kind, or the hash is another.
    init(_ value: JSONValue) throws(FollowError) {
        let block = JSONMembers(value, of: "a block")
        header = try Self.header(block)
        guard try header.hash() == block.hash("hash") else {
            throw .malformed("block \(header.number) is not what its hash says")
        }
        var transactions: [Transaction] = []
        for member in try block.list("transactions", of: "a transaction") {
            transactions.append(try Self.transaction(member))
        }
        self.transactions = transactions
        // Each of them is asked for.
        ommerCount = try block.list("uncles", of: "an uncle").count
        guard ommerCount <= maxOmmers else {
            throw .malformed("block \(header.number) with \(ommerCount) uncles")
        }
        guard block.has("withdrawals") else {
            withdrawals = nil
            return
        }
        var withdrawals: [Withdrawal] = []
        for member in try block.list("withdrawals", of: "a withdrawal") {
            withdrawals.append(
                Withdrawal(
                    index: try member.uint64("index"),
                    validatorIndex: try member.uint64("validatorIndex"),
                    address: try member.address("address"), amount: try member.uint64("amount")))
        }
        self.withdrawals = withdrawals
    }

    /// The header of an ommer, as `eth_getUncleByBlockNumberAndIndex` shows it.
    static func ommer(_ value: JSONValue) throws(FollowError) -> Header {
        try header(JSONMembers(value, of: "an uncle"))
    }

    private static func header(_ block: JSONMembers) throws(FollowError) -> Header {
        guard let bloom = Bloom(try block.bytes("logsBloom")) else {
            throw block.missing("logsBloom")
        }
        guard let nonce = UInt256(bigEndian: try block.bytes("nonce"))?.asUInt64 else {
            throw block.missing("nonce")
        }
        return Header(
            parentHash: try block.hash("parentHash"), ommersHash: try block.hash("sha3Uncles"),
            coinbase: try block.address("miner"), stateRoot: try block.hash("stateRoot"),
            transactionsRoot: try block.hash("transactionsRoot"),
            receiptsRoot: try block.hash("receiptsRoot"), logsBloom: bloom,
            difficulty: try block.uint256("difficulty"), number: try block.uint64("number"),
            gasLimit: try block.uint64("gasLimit"), gasUsed: try block.uint64("gasUsed"),
            timestamp: try block.uint64("timestamp"), extraData: try block.bytes("extraData"),
            prevRandao: try block.hash("mixHash"), nonce: nonce,
            baseFeePerGas: try block.has("baseFeePerGas") ? block.uint256("baseFeePerGas") : nil,
            withdrawalsRoot: try block.has("withdrawalsRoot")
                ? block.hash("withdrawalsRoot") : nil,
            blobGasUsed: try block.has("blobGasUsed") ? block.uint64("blobGasUsed") : nil,
            excessBlobGas: try block.has("excessBlobGas") ? block.uint64("excessBlobGas") : nil,
            parentBeaconBlockRoot: try block.has("parentBeaconBlockRoot")
                ? block.hash("parentBeaconBlockRoot") : nil,
            requestsHash: try block.has("requestsHash") ? block.hash("requestsHash") : nil)
    }

    private static func transaction(
        _ member: JSONMembers
    ) throws(FollowError) -> Transaction {
        let number = member.has("type") ? try member.uint64("type") : 0
        guard let type = UInt8(exactly: number).flatMap(TransactionType.init) else {
            throw member.missing("type")
        }
        let price = try member.uint256(type.hasFeeCaps ? "maxFeePerGas" : "gasPrice")
        var transaction = Transaction(
            type: type, chainId: nil, nonce: try member.uint64("nonce"),
            maxPriorityFeePerGas: type.hasFeeCaps
                ? try member.uint256("maxPriorityFeePerGas") : price,
            maxFeePerGas: price, gasLimit: try member.uint64("gas"),
            to: try member.has("to") ? member.address("to") : nil,
            value: try member.uint256("value"), data: try member.bytes("input"))
        try sign(&transaction, member)
        if type != .legacy {
            for entry in try member.list("accessList", of: "an access list") {
                transaction.accessList.append(
                    AccessListEntry(
                        address: try entry.address("address"),
                        storageKeys: try entry.hashes("storageKeys")))
            }
        }
        if type == .blob {
            transaction.maxFeePerBlobGas = try member.uint256("maxFeePerBlobGas")
            transaction.blobVersionedHashes = try member.hashes("blobVersionedHashes")
        }
        if type == .setCode {
            for entry in try member.list("authorizationList", of: "an authorization") {
                guard let parity = UInt8(exactly: try entry.uint64("yParity")) else {
                    throw entry.missing("yParity")
                }
                transaction.authorizationList.append(
                    Authorization(
                        chainId: try entry.uint256("chainId"),
                        address: try entry.address("address"), nonce: try entry.uint64("nonce"),
                        yParity: parity, r: try entry.uint256("r"), s: try entry.uint256("s")))
            }
        }
        return transaction
    }

    /// The signature, and of a legacy transaction the chain that `v` tells (EIP-155).
    private static func sign(
        _ transaction: inout Transaction, _ member: JSONMembers
    ) throws(FollowError) {
        let v = try member.uint64("v")
        let isOdd: Bool
        switch (transaction.type, v) {
        case (.legacy, 27...28): isOdd = v == 28
        case (.legacy, 35...):
            transaction.chainId = (v - 35) / 2
            isOdd = (v - 35) % 2 == 1
        case (.legacy, _): throw member.missing("v")
        case (.accessList, 0...1), (.dynamicFee, 0...1), (.blob, 0...1), (.setCode, 0...1):
            transaction.chainId = try member.uint64("chainId")
            isOdd = v == 1
        case (.accessList, _), (.dynamicFee, _), (.blob, _), (.setCode, _):
            throw member.missing("v")
        }
        transaction.signature = Signature(
            yParity: isOdd, r: try member.uint256("r"), s: try member.uint256("s"))
    }
}

/// The members of an object in an upstream's answer, and errors that say which one is wrong.
private struct JSONMembers {
    private let value: JSONValue
    private let what: String

    init(_ value: JSONValue, of what: String) {
        self.value = value
        self.what = what
    }

    /// Whether there is a member of this name that is not null.
    func has(_ name: String) -> Bool { value[name].map { !$0.isNull } ?? false }

    func missing(_ name: String) -> FollowError { .malformed("\(what) without a usable \(name)") }

    func uint256(_ name: String) throws(FollowError) -> UInt256 {
        guard let number = value[name]?.stringValue.flatMap({ UInt256(hex: $0) }) else {
            throw missing(name)
        }
        return number
    }

    func uint64(_ name: String) throws(FollowError) -> UInt64 {
        guard let number = try uint256(name).asUInt64 else { throw missing(name) }
        return number
    }

    func bytes(_ name: String) throws(FollowError) -> Bytes {
        guard let bytes = value[name]?.stringValue.flatMap({ Hex.decode($0) }) else {
            throw missing(name)
        }
        return bytes
    }

    func hash(_ name: String) throws(FollowError) -> Hash256 {
        guard let hash = Hash256(try bytes(name)) else { throw missing(name) }
        return hash
    }

    func hashes(_ name: String) throws(FollowError) -> [Hash256] {
        guard let elements = value[name]?.arrayValue else { throw missing(name) }
        var hashes: [Hash256] = []
        for element in elements {
            guard
                let hash = element.stringValue.flatMap({ Hex.decode($0) }).flatMap({ Hash256($0) })
            else { throw missing(name) }
            hashes.append(hash)
        }
        return hashes
    }

    func address(_ name: String) throws(FollowError) -> Address {
        guard let address = Address(try bytes(name)) else { throw missing(name) }
        return address
    }

    func list(_ name: String, of what: String) throws(FollowError) -> [JSONMembers] {
        guard let elements = value[name]?.arrayValue else { throw missing(name) }
        return elements.map { JSONMembers($0, of: what) }
    }
}
