/// The forks of the protocol, in order: a later one contains all rules of those before it.
///
/// A fork is only a name here. What it changes stands with what is changed: instructions and gas in
/// `EVM`, the state transition in `Execution`, when it begins in ``ChainConfig``.
public enum Fork: UInt8, CaseIterable, Comparable, Hashable, Sendable {
    case frontier
    case homestead
    /// The DAO fork: Homestead's rules, and one irregular state change in its first block.
    case dao
    /// EIP-150 (gas prices), called so in test fixtures.
    case tangerineWhistle
    /// EIP-155, 158, 160, 161, 170.
    case spuriousDragon
    case byzantium
    case constantinople
    /// Constantinople without EIP-1283.
    case petersburg
    case istanbul
    case muirGlacier
    case berlin
    case london
    case arrowGlacier
    case grayGlacier
    /// The merge: proof of stake.
    case paris
    case shanghai
    case cancun
    case prague
    case osaka
    /// The first of the forks that change nothing but the blob parameters (EIP-7892).
    case bpo1
    case bpo2
    case bpo3
    case bpo4
    case bpo5

    /// Whether a fork comes before another one.
    public static func < (lhs: Fork, rhs: Fork) -> Bool { lhs.rawValue < rhs.rawValue }

    /// The name as people write it: `Shanghai`, `Tangerine Whistle`, `BPO1`.
    public var name: String {
        switch self {
        case .frontier: "Frontier"
        case .homestead: "Homestead"
        case .dao: "DAO"
        case .tangerineWhistle: "Tangerine Whistle"
        case .spuriousDragon: "Spurious Dragon"
        case .byzantium: "Byzantium"
        case .constantinople: "Constantinople"
        case .petersburg: "Petersburg"
        case .istanbul: "Istanbul"
        case .muirGlacier: "Muir Glacier"
        case .berlin: "Berlin"
        case .london: "London"
        case .arrowGlacier: "Arrow Glacier"
        case .grayGlacier: "Gray Glacier"
        case .paris: "Paris"
        case .shanghai: "Shanghai"
        case .cancun: "Cancun"
        case .prague: "Prague"
        case .osaka: "Osaka"
        case .bpo1: "BPO1"
        case .bpo2: "BPO2"
        case .bpo3: "BPO3"
        case .bpo4: "BPO4"
        case .bpo5: "BPO5"
        }
    }

    /// The fork of a name, in any case and with or without spaces, underscores and hyphens; also
    /// the names of test fixtures (`EIP150`, `EIP158`, `ConstantinopleFix`) and `Merge`, `Latest`.
    public init?(name: some StringProtocol) {
        let key = name.lowercased().filter { $0 != " " && $0 != "_" && $0 != "-" }
        switch key {
        case "eip150": self = .tangerineWhistle
        case "eip155", "eip158": self = .spuriousDragon
        case "constantinoplefix": self = .petersburg
        case "merge": self = .paris
        case "latest": self = .osaka
        default:
            let match = Fork.allCases.first { fork in
                fork.name.lowercased().filter { $0 != " " } == key
            }
            guard let match else { return nil }
            self = match
        }
    }

    /// Whether the fork only changes blob parameters.
    public var isBlobParameterOnly: Bool { self >= .bpo1 && self <= .bpo5 }

    /// Whether blocks of this fork are made by proof of stake.
    public var isPostMerge: Bool { self >= .paris }
}
