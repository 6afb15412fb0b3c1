import EVM
import EthereumTypes
import Execution
import Primitives
import Testing

@Suite struct EstimateGasTests {
    private func estimate(
        _ request: CallRequest, in scenario: Scenario, gasCap: Gas = 50_000_000
    ) throws(GasEstimationError) -> Gas {
        try estimateGas(
            for: request, in: scenario.context, reader: scenario.state, gasCap: gasCap)
    }

    @Test func `a plain transfer is 21000`() throws {
        let scenario = Scenario(.osaka)
        let request = CallRequest(from: Scenario.sender, to: Scenario.coinbase, value: 1)
        #expect(try estimate(request, in: scenario) == 21_000)
    }

    @Test func `ether for a precompile needs the precompile's gas`() throws {
        let scenario = Scenario(.osaka)
        // The pairing check, whose price is 45,000 for no pairs.
        let pairing = Address(lowBytesOf: 8)
        let gas = try estimate(
            CallRequest(from: Scenario.sender, to: pairing, value: 1), in: scenario)
        #expect((66_000..<67_500).contains(gas))
    }

    @Test func `an estimate suffices and is not much too high`() throws {
        // Writes two slots, clears one that was set.
        let code: Bytes = [
            0x60, 0x01, 0x60, 0x01, 0x55, 0x60, 0x01, 0x60, 0x02, 0x55, 0x60, 0x00, 0x60, 0x00,
            0x55,
        ]
        var scenario = Scenario(.osaka, code: code)
        scenario.accounts[Scenario.contract]?.storage = [.zero: .one]
        let request = CallRequest(from: Scenario.sender, to: Scenario.contract)
        let gas = try estimate(request, in: scenario)
        let (outcome, _) = try scenario.run(scenario.transaction(gasLimit: gas))
        #expect(outcome.succeeded)
        #expect(gas <= outcome.gasUsedBeforeRefund * 64 / 63 + 3_000)
        #expect(gas >= outcome.gasUsedBeforeRefund)
    }

    @Test func `a call that holds back gas for its callee is estimated with it`() throws {
        // Fails unless GAS is at least 100000.
        let code: Bytes = [
            0x62, 0x01, 0x86, 0xa0, 0x5a, 0x10, 0x60, 0x0a, 0x57, 0x00, 0x5b, 0x60, 0x00, 0x60,
            0x00, 0xfd,
        ]
        let scenario = Scenario(.osaka, code: code)
        let gas = try estimate(
            CallRequest(from: Scenario.sender, to: Scenario.contract), in: scenario)
        #expect((121_000..<123_500).contains(gas))
    }

    @Test func `a revert comes with its data`() {
        let code: Bytes = [0x60, 0x01, 0x60, 0x00, 0x52, 0x60, 0x20, 0x60, 0x00, 0xfd]
        let scenario = Scenario(.osaka, code: code)
        do throws(GasEstimationError) {
            _ = try estimate(CallRequest(to: Scenario.contract), in: scenario)
            Issue.record("There is an estimate.")
        } catch {
            guard case .failed(.reverted, _, let output) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(output == UInt256.one.bigEndianBytes)
        }
    }

    @Test func `a call that never has enough exceeds its allowance`() {
        // Loops for ever.
        let scenario = Scenario(.osaka, code: [0x5b, 0x60, 0x00, 0x56])
        do throws(GasEstimationError) {
            _ = try estimate(CallRequest(to: Scenario.contract), in: scenario, gasCap: 100_000)
            Issue.record("There is an estimate.")
        } catch {
            guard case .exceedsAllowance(100_000) = error else {
                Issue.record("\(error)")
                return
            }
        }
    }

    @Test func `the balance bounds the gas of a call that pays`() {
        var scenario = Scenario(.osaka, code: [0x5b, 0x60, 0x00, 0x56])
        scenario.accounts[Scenario.sender]?.balance = 1_000_000
        var request = CallRequest(
            from: Scenario.sender, to: Scenario.contract, fees: .gasPrice(10))
        do throws(GasEstimationError) {
            _ = try estimate(request, in: scenario)
            Issue.record("There is an estimate.")
        } catch {
            guard case .exceedsAllowance(100_000) = error else {
                Issue.record("\(error)")
                return
            }
        }
        request.value = 1_000_000
        do throws(GasEstimationError) {
            _ = try estimate(request, in: scenario)
            Issue.record("There is an estimate.")
        } catch {
            guard case .insufficientFundsForTransfer = error else {
                Issue.record("\(error)")
                return
            }
        }
    }
}
