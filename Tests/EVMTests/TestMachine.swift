import EVM
import EthereumTypes
import Primitives
import State
import TestSupport

/// A machine on a small state, for tests of single codes.
struct TestMachine {
    static let sender = Address(lowBytesOf: UInt256(0x5e4d_e4 as UInt64))
    static let contract = Address(lowBytesOf: UInt256(0xc0de as UInt64))
    static let callee = Address(lowBytesOf: UInt256(0xca11ee as UInt64))

    static let block = BlockEnvironment(
        coinbase: Address(lowBytesOf: UInt256(0xc01 as UInt64)), number: 1000, timestamp: 5000,
        gasLimit: 30_000_000, baseFeePerGas: 7, difficulty: 0x20000,
        prevRandao: Hash256(UInt256(0x4a4d as UInt64)), blobBaseFee: 3, chainId: 1)
    static let environment = TransactionEnvironment(
        origin: sender, gasPrice: 10, blobVersionedHashes: [Hash256(UInt256.one)])

    let state: JournaledState
    let evm: EVM

    init(
        _ fork: Fork, _ accounts: [Address: FixedState.Entry], tracer: (any Tracer)? = nil,
        recorder: CallRecorder? = nil
    ) {
        var accounts = accounts
        accounts[Self.sender] = .init(nonce: 1, balance: 1_000_000)
        state = JournaledState(reader: FixedState(accounts))
        state.beginTransaction()
        state.warm(Self.sender)
        state.warm(Self.contract)
        let block = BlockEnvironment(
            coinbase: Address(lowBytesOf: UInt256(0xc01 as UInt64)), number: 1000,
            timestamp: 5000, gasLimit: 30_000_000, baseFeePerGas: 7, difficulty: 0x20000,
            prevRandao: Hash256(UInt256(0x4a4d as UInt64)), blobBaseFee: 3, chainId: 1)
        evm = EVM(fork: fork, block: block, state: state, tracer: tracer, recorder: recorder)
    }

    /// A machine with one contract.
    init(_ fork: Fork, code: Bytes, storage: [UInt256: UInt256] = [:]) {
        self.init(
            fork,
            [Self.contract: .init(nonce: 1, balance: 1000, code: code, storage: storage)])
    }

    /// Calls the contract.
    func call(gas: Gas = 1_000_000, data: Bytes = [], value: Wei = .zero) -> MessageResult {
        evm.processMessageCall(
            .call(from: Self.sender, to: Self.contract, value: value, data: data, gas: gas),
            in: Self.environment)
    }
}
