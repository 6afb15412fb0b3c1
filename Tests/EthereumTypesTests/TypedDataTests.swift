import Cryptography
import EthereumTypes
import Primitives
import Testing

@Suite struct TypedDataTests {
    /// The example of EIP-712.
    static let mail: JSONValue = [
        "types": [
            "EIP712Domain": [
                ["name": "name", "type": "string"], ["name": "version", "type": "string"],
                ["name": "chainId", "type": "uint256"],
                ["name": "verifyingContract", "type": "address"],
            ],
            "Person": [
                ["name": "name", "type": "string"], ["name": "wallet", "type": "address"],
            ],
            "Mail": [
                ["name": "from", "type": "Person"], ["name": "to", "type": "Person"],
                ["name": "contents", "type": "string"],
            ],
        ],
        "primaryType": "Mail",
        "domain": [
            "name": "Ether Mail", "version": "1", "chainId": 1,
            "verifyingContract": "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC",
        ],
        "message": [
            "from": ["name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"],
            "to": ["name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"],
            "contents": "Hello, Bob!",
        ],
    ]

    static func mail(message change: (inout JSONObject) -> Void) -> JSONValue {
        var object = mail.objectValue ?? [:]
        var message = object["message"]?.objectValue ?? [:]
        change(&message)
        object["message"] = .object(message)
        return .object(object)
    }

    /// Typed data of one struct `T` with one member `v`.
    static func single(
        _ type: String, _ value: JSONValue?, types: [String: JSONValue] = [:]
    ) throws -> TypedData {
        var definitions: JSONObject = [
            "EIP712Domain": [], "T": [["name": "v", "type": .string(type)]],
        ]
        for (name, members) in types { definitions[name] = members }
        var message = JSONObject()
        message["v"] = value
        return try TypedData(json: [
            "types": .object(definitions), "primaryType": "T", "domain": [:],
            "message": .object(message),
        ])
    }

    /// The hash that ``single(_:_:types:)`` must give for an encoded member.
    static func hash(_ type: String, _ word: Hash256) -> Hash256 {
        keccak256(keccak256(utf8: "T(\(type) v)").bytes + word.bytes)
    }

    @Test func `the example of EIP-712 has its hashes and signature`() throws {
        let data = try TypedData(json: Self.mail)
        #expect(
            data.encodedType
                == "Mail(Person from,Person to,string contents)Person(string name,address wallet)")
        #expect(
            data.domainSeparator.description
                == "0xf2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f")
        #expect(
            data.messageHash?.description
                == "0xc52c0ee5d84264471806290a3f2c4cecfc5490626bf912d01f240d7a274b371e")
        #expect(
            data.signingHash.description
                == "0xbe609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2")
        let key = try #require(PrivateKey(keccak256(utf8: "cow").bytes))
        let signature = key.sign(data.signingHash)
        #expect(
            Hash256(signature.r).description
                == "0x4355c47d63924e8a72e509b65029052eb6c299d53a04e167c5775fd466751c9d")
        #expect(
            Hash256(signature.s).description
                == "0x07299936d304c153f6443dfa05f40ff007d72911b6f72307f996231605b91562")
        #expect(signature.yParity)
    }

    @Test func `a string with the JSON in it is the same`() throws {
        let text = JSONValue.string(Self.mail.description)
        #expect(try TypedData(json: text) == TypedData(json: Self.mail))
        #expect(throws: TypedDataError.self) { try TypedData(json: "{") }
    }

    @Test func `a member that the types do not name is not part of the hash`() throws {
        let changed = Self.mail { $0["cc"] = "nobody" }
        #expect(try TypedData(json: changed) == TypedData(json: Self.mail))
    }

    @Test func `a missing value is an error that names it`() {
        #expect(throws: TypedDataError.missing(path: "message.contents")) {
            try TypedData(json: Self.mail { $0["contents"] = nil })
        }
        #expect(throws: TypedDataError.missing(path: "message.to.wallet")) {
            try TypedData(json: Self.mail { $0["to"] = ["name": "Bob"] })
        }
    }

    @Test func `a missing struct counts as the zero word`() throws {
        let absent = try TypedData(json: Self.mail { $0["to"] = nil })
        #expect(try absent == TypedData(json: Self.mail { $0["to"] = .null }))
        #expect(try absent != TypedData(json: Self.mail))
    }

    @Test func `the primary type may be the domain itself`() throws {
        var object = Self.mail.objectValue ?? [:]
        object["primaryType"] = "EIP712Domain"
        let data = try TypedData(json: .object(object))
        #expect(data.messageHash == nil)
        #expect(data.signingHash == keccak256([0x19, 0x01] + data.domainSeparator.bytes))
    }

    @Test func `a domain that is not described has the members it has`() throws {
        var object = Self.mail.objectValue ?? [:]
        var types = object["types"]?.objectValue ?? [:]
        types["EIP712Domain"] = nil
        object["types"] = .object(types)
        #expect(try TypedData(json: .object(object)) == TypedData(json: Self.mail))
    }

    @Test func `arrays are the hash of their elements`() throws {
        let one = Hash256(UInt256(1)).bytes
        let two = Hash256(UInt256(2)).bytes
        #expect(
            try Self.single("uint8[]", [1, 2]).messageHash
                == Self.hash("uint8[]", keccak256(one + two)))
        #expect(
            try Self.single("uint8[]", []).messageHash == Self.hash("uint8[]", .keccakEmpty))
        #expect(
            try Self.single("uint8[2][]", [[1, 2]]).messageHash
                == Self.hash("uint8[2][]", keccak256(keccak256(one + two).bytes)))
        #expect(throws: TypedDataError.wrongLength(path: "message.v[0]", expected: 2, found: 1)) {
            try Self.single("uint8[2][]", [[1]])
        }
    }

    @Test func `arrays of structs hash each struct`() throws {
        let members: JSONValue = [["name": "a", "type": "bool"]]
        let data = try Self.single("S[]", [["a": true]], types: ["S": members])
        let element = keccak256(
            keccak256(utf8: "S(bool a)").bytes + Hash256(UInt256(1)).bytes)
        #expect(data.encodedType == "T(S[] v)S(bool a)")
        #expect(
            data.messageHash
                == keccak256(
                    keccak256(utf8: "T(S[] v)S(bool a)").bytes + keccak256(element.bytes).bytes))
    }

    @Test func `types that refer to each other end`() throws {
        let node: JSONValue = [["name": "next", "type": "Node"]]
        let data = try Self.single("Node", ["next": ["next": .null]], types: ["Node": node])
        #expect(data.encodedType == "T(Node v)Node(Node next)")
    }

    @Test(
        arguments: [
            ("uint8", .number("255"), "0xff"), ("uint8", "0xff", "0xff"), ("uint256", "7", "0x7"),
            ("int8", .number("127"), "0x7f"),
            (
                "int8", .number("-128"),
                "0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff80"
            ),
            (
                "int256", "-1",
                "0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
            ),
            ("bool", true, "0x1"), ("bool", false, "0x0"),
            (
                "bytes4", "0x01020304",
                "0x0102030400000000000000000000000000000000000000000000000000000000"
            ),
            (
                "address", "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
                "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
            ),
        ] as [(String, JSONValue, String)])
    func `elementary values are one word`(type: String, value: JSONValue, word: String) throws {
        let expected = Hash256(try #require(UInt256(hex: word)))
        #expect(try Self.single(type, value).messageHash == Self.hash(type, expected))
    }

    @Test func `strings and bytes are hashed`() throws {
        #expect(
            try Self.single("string", "žluťoučký").messageHash
                == Self.hash("string", keccak256(utf8: "žluťoučký")))
        #expect(
            try Self.single("bytes", "0x0102").messageHash
                == Self.hash("bytes", keccak256([1, 2])))
    }

    @Test(
        arguments: [
            ("uint8", .number("256")), ("uint8", .number("-1")), ("uint8", "x"),
            ("uint8", .number("1.5")),
            ("int8", .number("128")), ("int8", .number("-129")), ("bool", "yes"), ("bool", 1),
            ("bytes4", "0x010203"), ("bytes4", "01020304"), ("bytes", "hello"), ("bytes", "0x1"),
            ("address", "0x01"), ("string", 5), ("uint8[]", 5),
        ] as [(String, JSONValue)])
    func `a value that its type cannot have is refused`(type: String, value: JSONValue) {
        #expect(
            throws: TypedDataError.invalid(
                path: "message.v", type: type, found: value.description)
        ) {
            try Self.single(type, value)
        }
    }

    @Test(arguments: [
        "uint7", "uint0", "uint264", "int", "bytes0", "bytes33", "uint08", "Unknown", "", "[]",
    ])
    func `a type that does not exist is refused`(type: String) {
        guard type != "int" else { return }
        #expect(throws: TypedDataError.self) { try Self.single(type, 1) }
    }

    @Test(arguments: ["types", "primaryType", "message"])
    func `every part must be there`(part: String) {
        var object = Self.mail.objectValue ?? [:]
        object[part] = nil
        #expect(throws: TypedDataError.missing(path: part)) {
            try TypedData(json: .object(object))
        }
    }
}
