import Cryptography
import Primitives
import TestSupport
import Testing

@Suite struct KeyFileTests {
    /// A key file of another program (eth-account), with scrypt and a password outside ASCII.
    static let text = """
        {"address": "19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A", "crypto": {"cipher": "aes-128-ctr", \
        "cipherparams": {"iv": "05e03dae9f39851b22fcd095166c2224"}, "ciphertext": \
        "880103506e33808a9c0363919e5ee89320f9811d230379d201a5204b1435dc1e", "kdf": "scrypt", \
        "kdfparams": {"dklen": 32, "n": 4096, "r": 8, "p": 1, "salt": \
        "1c05cc71b0e85afa0093af14b7f6a7a1"}, "mac": \
        "1ab2b81e8b45abe5c3e40b8760ae65b75d9575d3ff881500ccea8034f93947c4"}, \
        "id": "e4c21951-c32f-422a-9363-d2c8a76cc1c1", "version": 3}
        """

    let json: JSONValue

    init() throws { json = try JSONValue(parsing: Self.text) }

    @Test func `the file of another program opens with its password`() throws {
        let file = try KeyFile(json: json)
        let key = try file.decrypt(password: "pässword")
        #expect(key.bytes == Bytes(repeating: 0x11, count: 32))
        #expect(file.address == key.address)
        #expect(file.id == "e4c21951-c32f-422a-9363-d2c8a76cc1c1")
    }

    @Test func `another password is refused`() throws {
        let file = try KeyFile(json: json)
        #expect(throws: KeyFileError.wrongPassword) { try file.decrypt(password: "password") }
        #expect(throws: KeyFileError.wrongPassword) { try file.decrypt(password: "") }
    }

    @Test func `what is written is what was read`() throws {
        let file = try KeyFile(json: json)
        #expect(try KeyFile(json: file.json) == file)
        #expect(
            file.json["crypto"]?["kdfparams"]?["salt"] == "1c05cc71b0e85afa0093af14b7f6a7a1")
    }

    @Test func `a key that was locked is unlocked again`() throws {
        let key = PrivateKey.random()
        let file = KeyFile.encrypt(key, password: "correct horse", strength: .light)
        let read = try KeyFile(json: JSONValue(parsing: file.json.encoded()))
        #expect(try read.decrypt(password: "correct horse") == key)
        #expect(throws: KeyFileError.wrongPassword) { try read.decrypt(password: "horse") }
        #expect(read.address == key.address)
        #expect(read.id.count == 36)
    }

    @Test func `a file that names another address is refused`() throws {
        var object = try #require(json.objectValue)
        object["address"] = "f39fd6e51aad88f6f4ce6ab8827279cfffb92266"
        let file = try KeyFile(json: .object(object))
        #expect(throws: KeyFileError.wrongKey) { try file.decrypt(password: "pässword") }
    }

    @Test func `a file without an address or with an empty one is accepted`() throws {
        var object = try #require(json.objectValue)
        object["address"] = ""
        #expect(try KeyFile(json: .object(object)).address == nil)
        object["address"] = nil
        #expect(try KeyFile(json: .object(object)).address == nil)
        #expect(try KeyFile(json: .object(object)).json["address"] == nil)
    }

    @Test(
        arguments: [
            ("version", 1, KeyFileError.unsupportedVersion("1")),
            ("version", nil, .malformed(field: "version")),
            ("crypto", nil, .malformed(field: "crypto")),
            ("address", "0x12", .malformed(field: "address")),
            ("crypto.cipher", "aes-128-cbc", .unsupportedCipher("aes-128-cbc")),
            ("crypto.cipher", nil, .malformed(field: "cipher")),
            ("crypto.cipherparams", nil, .malformed(field: "cipherparams")),
            ("crypto.cipherparams.iv", "00", .malformed(field: "iv")),
            ("crypto.ciphertext", "xx", .malformed(field: "ciphertext")),
            ("crypto.ciphertext", "1234", .malformed(field: "ciphertext")),
            ("crypto.mac", "1234", .malformed(field: "mac")),
            ("crypto.kdf", "argon2", .unsupportedKeyDerivation("argon2")),
            ("crypto.kdfparams", [], .malformed(field: "dklen")),
            ("crypto.kdfparams.dklen", 16, .malformed(field: "dklen")),
            ("crypto.kdfparams.dklen", 1_000_000, .malformed(field: "dklen")),
            ("crypto.kdfparams.n", 0, .malformed(field: "n")),
            ("crypto.kdfparams.n", 1, .malformed(field: "n")),
            ("crypto.kdfparams.n", 4095, .malformed(field: "n")),
            ("crypto.kdfparams.n", -4096, .malformed(field: "n")),
            ("crypto.kdfparams.r", 0, .malformed(field: "r")),
            ("crypto.kdfparams.p", 0, .malformed(field: "p")),
            ("crypto.kdfparams.n", 1_099_511_627_776, .keyDerivationTooCostly),
            ("crypto.kdfparams.n", 4_611_686_018_427_387_904, .keyDerivationTooCostly),
            ("crypto.kdfparams.r", 1_099_511_627_776, .keyDerivationTooCostly),
            ("crypto.kdfparams.p", 1_099_511_627_776, .keyDerivationTooCostly),
            ("crypto.kdfparams.p", 9_223_372_036_854_775_807, .keyDerivationTooCostly),
        ] as [(String, JSONValue?, KeyFileError)])
    func `a malformed file is refused with the field's name`(
        path: String, value: JSONValue?, error: KeyFileError
    ) throws {
        let changed = replace(
            path.split(separator: ".").map(String.init)[...], in: json, with: value)
        #expect(throws: error) { try KeyFile(json: changed) }
    }

    @Test func `what is no object is refused`() {
        #expect(throws: KeyFileError.malformed(field: "version")) { try KeyFile(json: []) }
    }

    /// The vector of the definition of Web3 Secret Storage for scrypt, at its full cost.
    @Test func `the published scrypt file opens`() throws {
        let file = try KeyFile(
            json: JSONValue(
                parsing: """
                    {"crypto": {"cipher": "aes-128-ctr", "cipherparams":
                    {"iv": "83dbcc02d8ccb40e466191a123791e0e"}, "ciphertext":
                    "d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c",
                    "kdf": "scrypt", "kdfparams": {"dklen": 32, "n": 262144, "p": 8, "r": 1, "salt":
                    "ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19"}, "mac":
                    "2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097"},
                    "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6", "version": 3}
                    """))
        #expect(
            Hex.encode(try file.decrypt(password: "testpassword").bytes)
                == "0x7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d")
    }

    @Test(.enabled(if: Fixtures.areAvailable, Fixtures.hint))
    func `the official key files open`() throws {
        let file = try Fixtures.file("basic-tests", "KeyStoreTests/basic_tests.json")
        for (name, vector) in try Fixtures.cases(file) {
            let key = try KeyFile(json: try #require(vector["json"]))
                .decrypt(password: try #require(vector["password"]?.stringValue))
            let expected = try #require(vector["priv"]?.stringValue)
            #expect(key.bytes == Hex.decode(expected), "\(name)")
        }
    }

    private func replace(
        _ path: ArraySlice<String>, in json: JSONValue, with value: JSONValue?
    ) -> JSONValue {
        guard let field = path.first, var object = json.objectValue else { return json }
        if path.count == 1 {
            object[field] = value
        } else {
            object[field] = replace(path.dropFirst(), in: object[field] ?? nil, with: value)
        }
        return .object(object)
    }
}
