//  The virtual machine: each precompile, and the interpreters against each other.

import EVM
import EthereumTypes
import Primitives
import State

/// Runs the precompile that the first byte chooses on the rest.
package func fuzzPrecompiles(_ input: Bytes) {
    guard let first = input.first else { return }
    let addresses = Precompiles.addresses(at: .osaka)
    let address = addresses[Int(first) % addresses.count]
    let data = Bytes(input.dropFirst())
    let state = JournaledState(reader: World(contracts: [:]))
    let gas: Gas = 2_000_000
    let result = call(address, data: data, gas: gas, fork: .osaka, state: state)
    precondition(result.gasLeft <= gas, "A precompile gives gas.")
    precondition(
        result.halt == nil || result.gasLeft == 0, "A precompile that fails leaves gas.")
}

/// Runs a program on the traced byte-code interpreter, then without a tracer until it is decoded:
/// gas, output, logs, refund and state must be the same each time.
///
/// The first two bytes choose the fork and the gas, the third the length of a second contract.
package func fuzzInterpreters(_ input: Bytes) {
    guard input.count > 3 else { return }
    let fork = Fork.allCases[Int(input[0]) % Fork.allCases.count]
    let gas = [300, 5_000, 60_000, 400_000][Int(input[1]) % 4] as Gas
    let rest = input.dropFirst(3)
    let callee = rest.prefix(min(Int(input[2]), rest.count / 2))
    let world = World(contracts: [
        World.contract: Bytes(rest.dropFirst(callee.count)), World.callee: Bytes(callee),
    ])
    let expected = Outcome(world, gas, fork, tracer: SilentTracer())
    for _ in 0..<3 {
        let actual = Outcome(world, gas, fork, tracer: nil)
        precondition(actual == expected, "The interpreters differ.\n\(expected)\n\(actual)")
    }
}

/// All that can be seen of a run.
private struct Outcome: Equatable {
    let result: MessageResult
    let logs: [Log]
    let refund: Int
    let diff: StateDiff

    init(_ world: World, _ gas: Gas, _ fork: Fork, tracer: (any Tracer)?) {
        let state = JournaledState(reader: world)
        result = call(
            World.contract, data: Bytes(0..<100), gas: gas, fork: fork, state: state,
            tracer: tracer)
        logs = state.logs
        refund = state.refund
        state.finishTransaction(emptyAccounts: .deleteTouched)
        diff = state.takeDiff()
    }
}

/// With any tracer the byte-code interpreter runs, and nothing is decoded.
private final class SilentTracer: Tracer {}

private func call(
    _ address: Address, data: Bytes, gas: Gas, fork: Fork, state: JournaledState,
    tracer: (any Tracer)? = nil
) -> MessageResult {
    let block = BlockEnvironment(
        coinbase: Address(lowBytesOf: 0xc01), number: 1_000, timestamp: 5_000,
        gasLimit: 30_000_000, baseFeePerGas: 7, difficulty: 0x20000,
        prevRandao: Hash256(UInt256(0x4a4d)), blobBaseFee: 3, chainId: 1)
    let evm = EVM(fork: fork, block: block, state: state, tracer: tracer)
    state.beginTransaction()
    _ = state.warm(World.sender)
    _ = state.warm(address)
    return evm.processMessageCall(
        .call(from: World.sender, to: address, value: .zero, data: data, gas: gas),
        in: TransactionEnvironment(
            origin: World.sender, gasPrice: 10, blobVersionedHashes: [Hash256(UInt256.one)]))
}
