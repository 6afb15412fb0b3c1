import EthereumTypes
import Primitives

/// A contract that a devnet has from genesis on, with the run-time code that its EIP publishes.
struct PredeployedContract: Sendable {
    let address: String
    let code: String
    /// The first fork whose chains have it.
    let fork: Fork

    /// The parent beacon block roots of the last 8191 slots (EIP-4788).
    static let beaconRoots = PredeployedContract(
        address: "0x000F3df6D732807Ef1319fB7B8bB8522d0Beac02",
        code: [
            "0x3373fffffffffffffffffffffffffffffffffffffffe14604d57602036146024575f5ffd5b5f358015",
            "60495762001fff810690815414603c575f5ffd5b62001fff01545f5260205ff35b5f5ffd5b62001fff42",
            "064281555f359062001fff015500",
        ].joined(),
        fork: .cancun)

    /// The hashes of the last 8191 blocks (EIP-2935).
    static let historyStorage = PredeployedContract(
        address: "0x0000F90827F1C53a10cb7A02335B175320002935",
        code: [
            "0x3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111",
            "604257611fff81430311604257611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500",
        ].joined(),
        fork: .prague)

    /// Withdrawal requests from the execution layer (EIP-7002).
    static let withdrawalQueue = PredeployedContract(
        address: "0x00000961Ef480Eb55e80D19ad83579A64c007002",
        code: [
            "0x3373fffffffffffffffffffffffffffffffffffffffe1460cb5760115f54807fffffffffffffffffff",
            "ffffffffffffffffffffffffffffffffffffffffffffff146101f457600182026001905f5b5f82111560",
            "685781019083028483029004916001019190604d565b909390049250505036603814608857366101f457",
            "346101f4575f5260205ff35b34106101f457600154600101600155600354806003026004013381556001",
            "015f35815560010160203590553360601b5f5260385f601437604c5fa0600101600355005b6003546002",
            "548082038060101160df575060105b5f5b8181146101835782810160030260040181604c02815460601b",
            "8152601401816001015481526020019060020154807fffffffffffffffffffffffffffffffff00000000",
            "000000000000000000000000168252906010019060401c908160381c81600701538160301c8160060153",
            "8160281c81600501538160201c81600401538160181c81600301538160101c81600201538160081c8160",
            "0101535360010160e1565b910180921461019557906002556101a0565b90505f6002555f6003555b5f54",
            "807fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff14156101cd57505f",
            "5b6001546002828201116101e25750505f6101e8565b01600290035b5f555f600155604c025ff35b5f5f",
            "fd",
        ].joined(),
        fork: .prague)

    /// Consolidation requests (EIP-7251).
    static let consolidationQueue = PredeployedContract(
        address: "0x0000BBdDc7CE488642fb579F8B00f3a590007251",
        code: [
            "0x3373fffffffffffffffffffffffffffffffffffffffe1460d35760115f54807fffffffffffffffffff",
            "ffffffffffffffffffffffffffffffffffffffffffffff1461019a57600182026001905f5b5f82111560",
            "685781019083028483029004916001019190604d565b9093900492505050366060146088573661019a57",
            "3461019a575f5260205ff35b341061019a57600154600101600155600354806004026004013381556001",
            "015f358155600101602035815560010160403590553360601b5f5260605f60143760745fa06001016003",
            "55005b6003546002548082038060021160e7575060025b5f5b8181146101295782810160040260040181",
            "607402815460601b81526014018160010154815260200181600201548152602001906003015490526001",
            "0160e9565b910180921461013b5790600255610146565b90505f6002555f6003555b5f54807fffffffff",
            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffff141561017357505f5b6001546001",
            "828201116101885750505f61018e565b01600190035b5f555f6001556074025ff35b5f5ffd",
        ].joined(),
        fork: .prague)

    /// The CREATE2 proxy that tools expect on every chain.
    static let deterministicDeployer = PredeployedContract(
        address: "0x4e59b44847b379578588920cA78FbF26c0B4956C",
        code: [
            "0x7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082",
            "378035828234f58015156039578182fd5b8082525050506014600cf3",
        ].joined(),
        fork: .frontier)

    static let all = [
        beaconRoots, historyStorage, withdrawalQueue, consolidationQueue, deterministicDeployer,
    ]
}
