import Cryptography
import EthereumTypes
import Primitives

/// A transaction or call as a client describes it, complete or not (geth's `TransactionArgs`).
struct TransactionRequest: RPCParameter, Hashable {
    var from: Address?
    var to: Address?
    var gas: Gas?
    var gasPrice: Wei?
    var maxFeePerGas: Wei?
    var maxPriorityFeePerGas: Wei?
    var value: Wei?
    var nonce: Nonce?
    var data: Bytes?
    var accessList: AccessList?
    var chainId: UInt256?
    var maxFeePerBlobGas: Wei?
    var blobVersionedHashes: [Hash256]?
    var authorizationList: [Authorization]?

    static func decode(_ text: JSONText) throws(RPCParameterError) -> TransactionRequest {
        let fields = try ObjectFields(text, type: "ethapi.TransactionArgs", name: "TransactionArgs")
        var request = TransactionRequest()
        request.from = try fields.read("from")
        request.to = try fields.read("to")
        request.gas = try fields.read("gas")
        request.gasPrice = try fields.read("gasPrice")
        request.maxFeePerGas = try fields.read("maxFeePerGas")
        request.maxPriorityFeePerGas = try fields.read("maxPriorityFeePerGas")
        request.value = try fields.read("value")
        request.nonce = try fields.read("nonce")
        request.accessList = try fields.read("accessList", [AccessListEntry].self)
        request.chainId = try fields.read("chainId")
        request.maxFeePerBlobGas = try fields.read("maxFeePerBlobGas")
        request.blobVersionedHashes = try fields.read("blobVersionedHashes", [Hash256].self)
        request.authorizationList = try fields.read("authorizationList", [Authorization].self)
        let data = try fields.read("data", HexData.self)?.bytes
        let input = try fields.read("input", HexData.self)?.bytes
        if let data, let input, data != input {
            throw RPCParameterError(
                "both \"data\" and \"input\" are set and not equal. "
                    + "Please use \"input\" to pass transaction call data")
        }
        request.data = input ?? data
        return request
    }

    /// Checks that the price is of one kind.
    func checkFeeKind() throws(RPCError) {
        if gasPrice != nil, maxFeePerGas != nil || maxPriorityFeePerGas != nil {
            throw .server("both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified")
        }
    }

    /// Checks what no transaction may be, before anything is filled in. Of calls only the kind is
    /// checked: the rest is said by who executes them.
    func checkFees() throws(RPCError) {
        try checkFeeKind()
        if let cap = maxFeePerGas, let tip = maxPriorityFeePerGas, cap < tip {
            throw .server("maxFeePerGas (\(cap)) < maxPriorityFeePerGas (\(tip))")
        }
    }

    func check(chainId expected: UInt64) throws(RPCError) {
        guard let chainId, chainId != UInt256(expected) else { return }
        throw .server("chainId does not match node's (have=\(chainId), want=\(expected))")
    }

    /// The type that the fields ask for.
    var type: TransactionType {
        if authorizationList != nil { return .setCode }
        if blobVersionedHashes != nil { return .blob }
        if gasPrice == nil { return .dynamicFee }
        return accessList == nil ? .legacy : .accessList
    }

    static let schema: JSONValue = [
        "type": "object",
        "properties": [
            "from": Address.schema, "to": Address.schema, "gas": UInt256.schema,
            "gasPrice": UInt256.schema, "maxFeePerGas": UInt256.schema,
            "maxPriorityFeePerGas": UInt256.schema, "value": UInt256.schema,
            "nonce": UInt256.schema, "input": HexData.schema, "data": HexData.schema,
            "accessList": ["type": "array"], "chainId": UInt256.schema,
            "maxFeePerBlobGas": UInt256.schema, "blobVersionedHashes": ["type": "array"],
            "authorizationList": ["type": "array"],
        ],
    ]
}

/// The members of a JSON object, read by name with the error texts of Go's decoder.
struct ObjectFields {
    private let members: [String: JSONText]
    private let name: String

    /// - Parameters:
    ///   - type: what Go calls the object where it should have been one.
    ///   - name: what Go calls it in front of the name of a member.
    init(_ text: JSONText, type: String, name: String) throws(RPCParameterError) {
        guard let members = text.members else {
            throw RPCParameterError(
                "json: cannot unmarshal \(text.goKind) into Go value of type \(type)")
        }
        self.members = members
        self.name = name
    }

    /// A member, or nil if it is missing or null.
    func read<Value: RPCParameter>(
        _ key: String, _: Value.Type = Value.self
    ) throws(RPCParameterError) -> Value? {
        guard let text = members[key], !text.isNull else { return nil }
        do {
            return try Value.decode(text)
        } catch {
            throw RPCParameterError(
                error.reason.replacing(
                    "Go value of type", with: "Go struct field \(name).\(key) of type"))
        }
    }

    func require<Value: RPCParameter>(
        _ key: String, _: Value.Type = Value.self
    ) throws(RPCParameterError) -> Value {
        guard let value = try read(key, Value.self) else {
            throw RPCParameterError("missing required field '\(key)' for \(name)")
        }
        return value
    }

    /// All members with their text.
    var all: [String: JSONText] { members }
}

extension AccessListEntry: RPCParameter {
    /// Reads the checked text.
    public static func decode(_ text: JSONText) throws(RPCParameterError) -> AccessListEntry {
        let fields = try ObjectFields(text, type: "types.AccessTuple", name: "AccessTuple")
        return AccessListEntry(
            address: try fields.require("address"),
            storageKeys: try fields.require("storageKeys"))
    }

    /// The JSON schema, for `rpc_discover`.
    public static let schema: JSONValue = ["type": "object"]
}

extension Authorization: RPCParameter {
    /// Reads the checked text.
    public static func decode(_ text: JSONText) throws(RPCParameterError) -> Authorization {
        let fields = try ObjectFields(
            text, type: "types.SetCodeAuthorization", name: "SetCodeAuthorization")
        let yParity: UInt64 = try fields.require("yParity")
        guard let parity = UInt8(exactly: yParity) else {
            throw RPCParameterError(
                "json: cannot unmarshal hex number > 8 bits into Go struct field "
                    + "SetCodeAuthorization.yParity of type hexutil.Uint64")
        }
        return Authorization(
            chainId: try fields.require("chainId"), address: try fields.require("address"),
            nonce: try fields.require("nonce"), yParity: parity,
            r: try fields.require("r", WordOrQuantity.self).value,
            s: try fields.require("s", WordOrQuantity.self).value)
    }

    /// The JSON schema, for `rpc_discover`.
    public static let schema: JSONValue = ["type": "object"]
}

/// A 256-bit number with or without leading zeros: clients pad the parts of signatures or not.
struct WordOrQuantity: RPCParameter {
    let value: UInt256

    static func decode(_ text: JSONText) throws(RPCParameterError) -> WordOrQuantity {
        let digits = try HexText.digits(text, type: "uint256.Int")
        let significant = digits.drop { $0 == UInt8(ascii: "0") }
        guard significant.count <= 64,
            let value = UInt256(
                hex: "0x"
                    + (significant.isEmpty ? "0" : String(decoding: significant, as: UTF8.self)))
        else {
            throw RPCParameterError(
                "json: cannot unmarshal invalid hex string into Go value of type uint256.Int")
        }
        return WordOrQuantity(value: value)
    }

    static let schema: JSONValue = UInt256.schema
}
