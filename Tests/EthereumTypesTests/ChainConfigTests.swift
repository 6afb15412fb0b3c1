import EthereumTypes
import Primitives
import Testing

@Suite struct ForkTests {
    @Test(arguments: Fork.allCases)
    func `a fork is found by its name`(fork: Fork) {
        #expect(Fork(name: fork.name) == fork)
        #expect(Fork(name: fork.name.lowercased()) == fork)
        #expect(Fork(name: fork.name.replacing(" ", with: "_")) == fork)
    }

    @Test func `the names of the fixtures are known`() {
        #expect(Fork(name: "EIP150") == .tangerineWhistle)
        #expect(Fork(name: "EIP158") == .spuriousDragon)
        #expect(Fork(name: "ConstantinopleFix") == .petersburg)
        #expect(Fork(name: "Merge") == .paris)
        #expect(Fork(name: "Amsterdam") == nil)
        #expect(Fork(name: "") == nil)
    }
}

@Suite struct ChainConfigTests {
    @Test(arguments: [
        (BlockNumber(0), Fork.frontier), (1_149_999, .frontier), (1_150_000, .homestead),
        (1_919_999, .homestead), (1_920_000, .dao), (2_463_000, .tangerineWhistle),
        (2_675_000, .spuriousDragon), (4_370_000, .byzantium), (7_279_999, .byzantium),
        (7_280_000, .petersburg), (9_069_000, .istanbul), (9_200_000, .muirGlacier),
        (12_244_000, .berlin), (12_965_000, .london), (13_773_000, .arrowGlacier),
        (15_050_000, .grayGlacier), (15_537_393, .grayGlacier),
    ])
    func `mainnet's forks before the merge begin at their blocks`(
        number: BlockNumber, expected: Fork
    ) {
        // A timestamp alone starts nothing before the merge.
        #expect(
            ChainConfig.mainnet.fork(number: number, timestamp: .max, isPostMerge: false)
                == expected)
    }

    @Test(arguments: [
        (Timestamp(1_663_224_179), Fork.paris), (1_681_338_454, .paris),
        (1_681_338_455, .shanghai), (1_710_338_135, .cancun), (1_746_612_311, .prague),
        (1_764_798_551, .osaka), (1_765_290_070, .osaka), (1_765_290_071, .bpo1),
        (1_767_747_671, .bpo2),
    ])
    func `mainnet's forks after the merge begin at their timestamps`(
        timestamp: Timestamp, expected: Fork
    ) {
        #expect(
            ChainConfig.mainnet.fork(number: 15_537_394, timestamp: timestamp, isPostMerge: true)
                == expected)
    }

    @Test func `Sepolia's blocks before the merge follow London`() {
        let sepolia = ChainConfig.sepolia
        #expect(sepolia.fork(number: 0, timestamp: 0, isPostMerge: false) == .london)
        #expect(sepolia.fork(number: 1_450_409, timestamp: 0, isPostMerge: true) == .paris)
        #expect(
            sepolia.fork(number: 9_000_000, timestamp: 1_761_607_008, isPostMerge: true) == .bpo2)
    }

    @Test(arguments: Fork.allCases)
    func `a single fork holds from genesis on`(fork: Fork) {
        let config = ChainConfig.single(fork, chainId: 1)
        #expect(config.fork(number: 0, timestamp: 0, isPostMerge: fork.isPostMerge) == fork)
    }

    @Test func `blob parameters are those of the newest entry up to the fork`() {
        let mainnet = ChainConfig.mainnet
        #expect(mainnet.blobParameters(at: .shanghai) == nil)
        #expect(mainnet.blobParameters(at: .cancun) == .cancun)
        #expect(mainnet.blobParameters(at: .osaka) == .prague)
        #expect(mainnet.blobParameters(at: .bpo5) == .bpo2)
        var config = ChainConfig.single(.osaka, chainId: 1)
        config.blobSchedule = [.prague: .bpo1]
        #expect(config.blobParameters(at: .osaka) == .bpo1)
        #expect(config.blobParameters(at: .cancun) == nil)
    }

    @Test(arguments: [ChainConfig.mainnet, .sepolia, .single(.osaka, chainId: 31_337)])
    func `a configuration survives JSON`(config: ChainConfig) throws {
        #expect(try ChainConfig(json: config.json) == config)
        var uncapped = config
        uncapped.transactionGasCap = .max
        #expect(try ChainConfig(json: uncapped.json) == uncapped)
    }

    @Test func `Petersburg begins with Constantinople if nothing else is said`() throws {
        let config = try ChainConfig(json: ["chainId": 1, "constantinopleBlock": 5])
        #expect(config.blockNumber(of: .petersburg) == 5)
        #expect(config.fork(number: 5, timestamp: 0, isPostMerge: false) == .petersburg)
    }

    @Test(
        arguments: [
            (["chainId": 1, "amsterdamTime": 5], "config.amsterdamTime"),
            (["chainId": 1, "berlinBlock": 5, "londonBlock": 4], "config.londonBlock"),
            (["chainId": 1, "eip155Block": 5, "eip158Block": 4], "config.eip155Block"),
            (["chainId": 1, "zeroBaseFee": true], "config.zeroBaseFee"),
            (["chainId": 1, "contractSizeLimit": 1], "config.contractSizeLimit"),
            (["chainId": 1, "blobSchedule": ["london": [:]]], "config.blobSchedule.london"),
        ] as [(JSONValue, String)])
    func `what would fork the node off is refused`(json: JSONValue, path: String) {
        #expect {
            try ChainConfig(json: json)
        } throws: { error in
            guard case .unsupported(let found, _) = error as? GenesisError else { return false }
            return found == path
        }
    }

    @Test(arguments: ["clique", "qbft", "ibft2", "ibft"])
    func `a chain of proof of authority has the merge behind it`(section: String) throws {
        var config: JSONObject = ["chainId": 1, "berlinBlock": 0, "shanghaiTime": 0]
        config[section] = ["period": 5, "epoch": 30_000, "blockperiodseconds": 2]
        let read = try ChainConfig(json: .object(config))
        #expect(read.terminalTotalDifficulty == .zero)
        #expect(read.fork(number: 1, timestamp: 1, isPostMerge: true) == .shanghai)

        let genesis = try Genesis(
            json: [
                "config": .object(config), "gasLimit": "0x1", "difficulty": "0x1", "alloc": [:],
                "extraData": .string("0x" + String(repeating: "00", count: 97)),
            ])
        #expect(genesis.notes.contains { $0.contains("config.\(section)") })
        #expect(genesis.extraData.count == 97)
    }

    @Test func `Besu's names of forks are understood`() throws {
        let config = try ChainConfig(
            json: [
                "chainId": 1, "constantinopleBlock": 1, "constantinopleFixBlock": 2,
                "mergeNetSplitBlock": 9, "zeroBaseFee": false, "ecCurve": "secp256k1",
            ])
        #expect(config.blockNumber(of: .petersburg) == 2)
        #expect(config.mergeNetsplitBlock == 9)
    }

    @Test func `timestamps need a merge`() {
        #expect(throws: GenesisError.missing(path: "config.terminalTotalDifficulty")) {
            try ChainConfig(json: ["chainId": 1, "shanghaiTime": 0])
        }
    }

    @Test func `a blob schedule that would divide by zero is refused`() {
        #expect(
            throws: GenesisError.invalid(
                path: "config.blobSchedule.cancun.baseFeeUpdateFraction", expected: "above zero",
                found: "0")
        ) {
            try ChainConfig(json: [
                "chainId": 1,
                "blobSchedule": ["cancun": ["target": 1, "max": 2, "baseFeeUpdateFraction": 0]],
            ])
        }
    }
}

@Suite struct ForkIdentifierTests {
    /// The vectors of geth's core/forkid tests, and of EIP-2124 and EIP-6122.
    @Test(
        arguments: [
            (0, 0, 0xfc64_ec04, 1_150_000), (1_149_999, 0, 0xfc64_ec04, 1_150_000),
            (1_150_000, 0, 0x97c2_c34c, 1_920_000), (1_920_000, 0, 0x91d1_f948, 2_463_000),
            (2_463_000, 0, 0x7a64_da13, 2_675_000), (2_675_000, 0, 0x3edd_5b10, 4_370_000),
            (4_370_000, 0, 0xa00b_c324, 7_280_000), (7_280_000, 0, 0x668d_b0af, 9_069_000),
            (9_069_000, 0, 0x879d_6e30, 9_200_000), (9_200_000, 0, 0xe029_e991, 12_244_000),
            (12_244_000, 0, 0x0eb4_40f6, 12_965_000), (12_965_000, 0, 0xb715_077d, 13_773_000),
            (13_773_000, 0, 0x20c3_27fc, 15_050_000), (15_050_000, 0, 0xf0af_d0e3, 1_681_338_455),
            (20_000_000, 1_681_338_455, 0xdce9_6c2d, 1_710_338_135),
            (20_000_000, 1_710_338_135, 0x9f3d_2254, 1_746_612_311),
            (20_000_000, 1_746_612_311, 0xc376_cf8b, 1_764_798_551),
            (20_000_000, 1_764_798_551, 0x5167_e2a6, 1_765_290_071),
            (20_000_000, 1_765_290_071, 0xcba2_a1c0, 1_767_747_671),
            (20_000_000, 1_767_747_671, 0x07c9_462e, 0),
        ] as [(BlockNumber, Timestamp, UInt32, UInt64)])
    func `mainnet is identified at every fork`(
        number: BlockNumber, timestamp: Timestamp, hash: UInt32, next: UInt64
    ) throws {
        let genesis = try #require(
            Hash256(hex: "0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3"))
        let identifier = ChainConfig.mainnet.forkIdentifier(
            genesisHash: genesis, genesisTime: 0, number: number, timestamp: timestamp)
        #expect(identifier.hash == hash)
        #expect(identifier.next == next)
    }

    @Test(
        arguments: [
            (0, 0, 0xfe33_66e7, 1_735_371), (1_735_370, 0, 0xfe33_66e7, 1_735_371),
            (1_735_371, 0, 0xb96c_bd13, 1_677_557_088),
            (1_735_372, 1_677_557_088, 0xf7f9_bc08, 1_706_655_072),
            (1_735_372, 1_741_159_776, 0xed88_b5fd, 1_760_427_360),
            (1_735_372, 1_761_607_008, 0x2689_56b6, 0),
        ] as [(BlockNumber, Timestamp, UInt32, UInt64)])
    func `Sepolia is identified at every fork`(
        number: BlockNumber, timestamp: Timestamp, hash: UInt32, next: UInt64
    ) throws {
        let genesis = try #require(
            Hash256(hex: "0x25a5cc106eea7138acab33231d7160d69cb777ee0c2c553fcddf5138993e6dd9"))
        let identifier = ChainConfig.sepolia.forkIdentifier(
            genesisHash: genesis, genesisTime: 1_633_267_481, number: number, timestamp: timestamp)
        #expect(identifier.hash == hash)
        #expect(identifier.next == next)
    }
}
