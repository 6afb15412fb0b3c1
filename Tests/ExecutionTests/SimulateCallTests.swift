import EVM
import EthereumTypes
import Execution
import Primitives
import State
import Testing

@Suite struct SimulateCallTests {
    /// Returns BASEFEE and GASPRICE as two words.
    private let prices: Bytes = [
        0x48, 0x60, 0x00, 0x52, 0x3a, 0x60, 0x20, 0x52, 0x60, 0x40, 0x60, 0x00, 0xf3,
    ]

    private func simulate(
        _ request: CallRequest, in scenario: Scenario, gasCap: Gas = 50_000_000
    ) throws(TransactionError) -> TransactionOutcome {
        try simulateCall(
            request, in: scenario.context, state: JournaledState(reader: scenario.state),
            gasCap: gasCap)
    }

    private func words(_ outcome: TransactionOutcome) -> [UInt256] {
        stride(from: 0, to: outcome.output.count, by: 32).compactMap {
            UInt256(bigEndian: outcome.output[$0..<$0 + 32])
        }
    }

    @Test func `a call without fees sees a base fee of zero and needs no balance`() throws {
        var scenario = Scenario(.osaka, code: prices)
        scenario.accounts[Scenario.sender] = nil
        let outcome = try simulate(CallRequest(to: Scenario.contract), in: scenario)
        #expect(words(outcome) == [.zero, .zero])
    }

    @Test func `a call with a price sees the block's base fee and must pay`() throws {
        let scenario = Scenario(.osaka, code: prices)
        var request = CallRequest(
            from: Scenario.sender, to: Scenario.contract, gas: 100_000, fees: .gasPrice(9))
        #expect(words(try simulate(request, in: scenario)) == [7, 9])
        request.fees = .dynamic(maxFeePerGas: 20, maxPriorityFeePerGas: 2)
        #expect(words(try simulate(request, in: scenario)) == [7, 9])

        request.fees = .gasPrice(6)
        #expect(throws: TransactionError.self) { try simulate(request, in: scenario) }
        request.fees = .gasPrice(Scenario.ether)
        do throws(TransactionError) {
            _ = try simulate(request, in: scenario)
            Issue.record("The call was not refused.")
        } catch {
            guard case .invalid(.insufficientFunds(let have, let want)) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(have == Scenario.ether && want == Scenario.ether &* 100_000)
        }
    }

    @Test func `neither nonce nor code of the sender nor the gas cap of Osaka matter`() throws {
        var scenario = Scenario(.osaka, code: prices)
        scenario.gasLimit = 100_000_000
        scenario.accounts[Scenario.sender]?.code = [0x00]
        scenario.accounts[Scenario.sender]?.nonce = 7
        let request = CallRequest(
            from: Scenario.sender, to: Scenario.contract, gas: 40_000_000)
        #expect(try simulate(request, in: scenario).succeeded)
    }

    @Test func `gas above the node's cap is cut down`() throws {
        // Returns GAS.
        let scenario = Scenario(
            .osaka, code: [0x5a, 0x60, 0x00, 0x52, 0x60, 0x20, 0x60, 0x00, 0xf3])
        let request = CallRequest(to: Scenario.contract, gas: .max)
        let gas = words(try simulate(request, in: scenario, gasCap: 1_000_000))
        #expect(gas == [UInt256(1_000_000 - 21_000 - 2)])
    }

    @Test func `overrides change accounts and the block for one simulation`() throws {
        // Returns SLOAD(0), SELFBALANCE and NUMBER.
        let code: Bytes = [
            0x60, 0x00, 0x54, 0x60, 0x00, 0x52, 0x47, 0x60, 0x20, 0x52, 0x43, 0x60, 0x40, 0x52,
            0x60, 0x60, 0x60, 0x00, 0xf3,
        ]
        var scenario = Scenario(.osaka, code: [0xfe])
        scenario.accounts[Scenario.contract]?.storage = [.zero: 1, .one: 2]
        let overrides = [
            Scenario.contract: StateOverride(
                balance: 42, code: code, storage: .changed([.zero: 9]))
        ]
        let diff = try StateDiff(overriding: scenario.state, with: overrides)
        var block = BlockOverrides()
        block.number = 1_234
        let outcome = try simulateCall(
            CallRequest(to: Scenario.contract), in: scenario.context.applying(block),
            state: JournaledState(reader: StateOverlay(base: scenario.state, diff: diff)),
            gasCap: 1_000_000)
        #expect(words(outcome) == [9, 42, 1_234])

        var replaced = scenario.state
        let replacement = StateOverride(storage: .replaced([5: 6]))
        replaced.apply(
            try StateDiff(overriding: replaced, with: [Scenario.contract: replacement]))
        #expect(replaced.accounts[Scenario.contract]?.storage == [5: 6])
    }
}
