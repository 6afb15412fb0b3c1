import Cryptography
import EthereumTypes
import Foundation
import Primitives
import TestSupport
import Testing

@Suite struct GenesisTests {
    /// The `genesis` folder of the repository.
    static func repositoryFile(_ name: String) throws -> Bytes {
        let root = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        return try Fixtures.bytes(root.appending(path: "genesis/\(name)"))
    }

    static let systemContracts = [
        "0x000f3df6d732807ef1319fb7b8bb8522d0beac02",
        "0x0000f90827f1c53a10cb7a02335b175320002935",
        "0x00000961ef480eb55e80d19ad83579a64c007002",
        "0x0000bbddc7ce488642fb579f8b00f3a590007251",
        "0x4e59b44847b379578588920ca78fbf26c0b4956c",
    ]

    @Test func `the developer genesis funds the ten accounts of its mnemonic`() throws {
        let genesis = try Genesis(json: Self.repositoryFile("dev.json"))
        #expect(genesis.config.chainId == 31_337)
        #expect(genesis.header(stateRoot: .zero).requestsHash != nil)
        #expect(
            genesis.config.fork(number: 0, timestamp: 0, isPostMerge: true) == .osaka)
        let seed = try Mnemonic.seed(
            "test test test test test test test test test test test junk", passphrase: "")
        let root = try #require(HDKey(seed: seed))
        let tenThousandEther = try #require(UInt256(decimal: "10000000000000000000000"))
        for index in 0..<10 {
            let address = try root.derive(path: "m/44'/60'/0'/0/\(index)").address
            #expect(genesis.alloc[address]?.balance == tenThousandEther)
        }
        #expect(genesis.alloc.count == 10 + Self.systemContracts.count)
    }

    @Test(arguments: ["dev.json", "private.json"])
    func `the shipped files deploy the system contracts`(name: String) throws {
        let genesis = try Genesis(json: Self.repositoryFile(name))
        for contract in Self.systemContracts {
            let account = genesis.alloc[try #require(Address(hex: contract))]
            #expect(account?.nonce == 1)
            #expect(account?.code.isEmpty == false)
        }
        // The factory of EIP-1014 deployments has a known code.
        let factory = try #require(Address(hex: Self.systemContracts[4]))
        #expect(
            keccak256(genesis.alloc[factory]?.code ?? []).description
                == "0x2fa86add0aed31f33a762c9d88e807c475bd51d0f52bd0955754b2608f7e4989")
        #expect(try Genesis(json: genesis.json) == genesis)
    }

    @Test func `numbers may be written in any of geth's ways`() throws {
        let genesis = try Genesis(json: [
            "config": ["chainId": 5], "gasLimit": "4700000", "difficulty": 1024,
            "timestamp": "0x10", "nonce": "",
            "alloc": [
                "f39fd6e51aad88f6f4ce6ab8827279cfffb92266": [
                    "balance": "123456789012345678901234567890",
                    "storage": ["0x1": "0x02", "03": "0a"],
                ]
            ],
        ])
        #expect(genesis.gasLimit == 4_700_000)
        #expect(genesis.difficulty == 1_024)
        #expect(genesis.timestamp == 16)
        let account = try #require(genesis.alloc[Samples.address])
        #expect(account.balance.description == "123456789012345678901234567890")
        #expect(account.storage == [1: 2, 3: 10])
        #expect(genesis.header(stateRoot: .zero).baseFeePerGas == nil)
    }

    @Test(arguments: [
        ("{", nil as GenesisError?),
        ("[]", .invalid(path: "", expected: "an object", found: "[]")),
        ("{}", .missing(path: "config")),
        (#"{"config":{}}"#, .missing(path: "config.chainId")),
        (#"{"config":{"chainId":1}}"#, .missing(path: "gasLimit")),
        (#"{"config":{"chainId":1},"gasLimit":"1"}"#, .missing(path: "alloc")),
        (
            #"{"config":{"chainId":"x"}}"#,
            .invalid(
                path: "config.chainId", expected: "an unsigned number of up to 64 bits",
                found: "\"x\"")
        ),
        (
            #"{"config":{"chainId":1},"gasLimit":1,"alloc":{"0x12":{}}}"#,
            .invalid(
                path: "alloc.0x12", expected: "named by 20 hexadecimal bytes", found: "0x12")
        ),
        (
            #"{"config":{"chainId":1},"gasLimit":1,"mixHash":"0x12","alloc":{}}"#,
            .invalid(
                path: "mixHash", expected: "a string of 32 hexadecimal bytes", found: "\"0x12\"")
        ),
    ])
    func `a bad file is refused with the place and the reason`(
        text: String, expected: GenesisError?
    ) {
        #expect {
            try Genesis(json: Bytes(text.utf8))
        } throws: { error in
            guard let error = error as? GenesisError, !error.description.isEmpty else {
                return false
            }
            if let expected { return error == expected }
            guard case .json = error else { return false }
            return true
        }
    }

    @Test func `an account that stands twice is refused`() {
        let text = """
            {"config":{"chainId":1},"gasLimit":1,"alloc":{
            "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266":{"balance":"1"},
            "f39fd6e51aad88f6f4ce6ab8827279cfffb92266":{"balance":"2"}}}
            """
        #expect(throws: GenesisError.self) { try Genesis(json: Bytes(text.utf8)) }
    }

    @Test(.enabled(if: Fixtures.areAvailable, Fixtures.hint))
    func `the basic genesis tests give their headers`() throws {
        let file = try Fixtures.file("basic-tests", "GenesisTests/basic_genesis_tests.json")
        for (name, test) in try Fixtures.cases(file) {
            let expected = try Block(
                encoded: Samples.bytes(test["result"]?.stringValue ?? ""))
            var object = try #require(test.objectValue)
            object["config"] = ["chainId": 1]
            object["mixHash"] = object["mixhash"]
            let genesis = try Genesis(json: .object(object))
            #expect(
                genesis.header(stateRoot: expected.header.stateRoot) == expected.header, "\(name)")
        }
    }

    @Test(
        .enabled(if: Fixtures.areAvailable, Fixtures.hint),
        arguments: ["chain-rpc-compat", "chain-ethtest", "chain-sync"])
    func `the genesis of a real chain survives JSON`(archive: String) throws {
        let genesis = try Genesis(json: Fixtures.bytes(Fixtures.file(archive, "genesis.json")))
        let read = try Genesis(json: genesis.json.encoded())
        #expect(read.config == genesis.config)
        #expect(read.alloc == genesis.alloc)
        #expect(read.header(stateRoot: .zero) == genesis.header(stateRoot: .zero))
        var decoder = RLPDecoder(try Fixtures.bytes(Fixtures.file(archive, "chain.rlp")))
        let first = try decoder.block()
        let header = genesis.header(stateRoot: .zero)
        if header.baseFeePerGas != nil {
            #expect(first.header.baseFeePerGas == nextBaseFee(parent: header))
        }
        #expect(genesis.config.fork(of: first.header) >= .homestead)
    }
}
