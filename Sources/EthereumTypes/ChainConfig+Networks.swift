import Primitives

/// The schedules of the public networks: EIP-2387 … EIP-7607 "Activation", as in
/// `ethereum/execution-specs` and geth's `params/config.go`.
extension ChainConfig {
    /// Ethereum mainnet.
    public static let mainnet = ChainConfig(
        chainId: 1,
        activations: [
            .homestead: .block(1_150_000),
            .dao: .block(1_920_000),
            .tangerineWhistle: .block(2_463_000),
            .spuriousDragon: .block(2_675_000),
            .byzantium: .block(4_370_000),
            .constantinople: .block(7_280_000),
            .petersburg: .block(7_280_000),
            .istanbul: .block(9_069_000),
            .muirGlacier: .block(9_200_000),
            .berlin: .block(12_244_000),
            .london: .block(12_965_000),
            .arrowGlacier: .block(13_773_000),
            .grayGlacier: .block(15_050_000),
            // 58,750,000,000,000,000,000,000
            .paris: .totalDifficulty(
                UInt256(58_750_000_000_000) &* UInt256(1_000_000_000)),
            .shanghai: .timestamp(1_681_338_455),
            .cancun: .timestamp(1_710_338_135),
            .prague: .timestamp(1_746_612_311),
            .osaka: .timestamp(1_764_798_551),
            .bpo1: .timestamp(1_765_290_071),
            .bpo2: .timestamp(1_767_747_671),
        ],
        // 0x00000000219ab540356cbb839cbe05303d7705fa
        depositContractAddress: Address(
            w0: 0x0000_0000_219a_b540, w1: 0x356c_bb83_9cbe_0530, w2: 0x3d77_05fa),
        daoForkSupport: true)

    /// The Sepolia test network.
    public static let sepolia = ChainConfig(
        chainId: 11_155_111,
        activations: [
            .homestead: .block(0),
            .tangerineWhistle: .block(0),
            .spuriousDragon: .block(0),
            .byzantium: .block(0),
            .constantinople: .block(0),
            .petersburg: .block(0),
            .istanbul: .block(0),
            .muirGlacier: .block(0),
            .berlin: .block(0),
            .london: .block(0),
            .paris: .totalDifficulty(UInt256(17_000_000_000_000_000)),
            .shanghai: .timestamp(1_677_557_088),
            .cancun: .timestamp(1_706_655_072),
            .prague: .timestamp(1_741_159_776),
            .osaka: .timestamp(1_760_427_360),
            .bpo1: .timestamp(1_761_017_184),
            .bpo2: .timestamp(1_761_607_008),
        ],
        // 0x7f02c3e3c98b133055b8b348b2ac625669ed295d
        depositContractAddress: Address(
            w0: 0x7f02_c3e3_c98b_1330, w1: 0x55b8_b348_b2ac_6256, w2: 0x69ed_295d),
        daoForkSupport: true,
        mergeNetsplitBlock: 1_735_371)
}
