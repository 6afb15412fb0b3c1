//  What the protocol itself does in a block: calls of system contracts before and after the
//  transactions, and the requests to the consensus layer that come of them.

import EVM
public import EthereumTypes
public import Primitives
import State

/// Addresses and limits of the system contracts.
public enum SystemContract {
    /// Who calls them: 0xfffffffffffffffffffffffffffffffffffffffe.
    static let caller = Address(w0: .max, w1: .max, w2: 0xffff_fffe)
    /// EELS `SYSTEM_TRANSACTION_GAS`.
    static let gas: Gas = 30_000_000

    /// EIP-4788: 0x000f3df6d732807ef1319fb7b8bb8522d0beac02.
    static let beaconRoots = Address(
        w0: 0x000f_3df6_d732_807e, w1: 0xf131_9fb7_b8bb_8522, w2: 0xd0be_ac02)
    /// EIP-2935: 0x0000f90827f1c53a10cb7a02335b175320002935.
    static let historyStorage = Address(
        w0: 0x0000_f908_27f1_c53a, w1: 0x10cb_7a02_335b_1753, w2: 0x2000_2935)
    /// EIP-7002: 0x00000961ef480eb55e80d19ad83579a64c007002.
    static let withdrawalRequests = Address(
        w0: 0x0000_0961_ef48_0eb5, w1: 0x5e80_d19a_d835_79a6, w2: 0x4c00_7002)
    /// EIP-7251: 0x0000bbddc7ce488642fb579f8b00f3a590007251.
    static let consolidationRequests = Address(
        w0: 0x0000_bbdd_c7ce_4886, w1: 0x42fb_579f_8b00_f3a5, w2: 0x9000_7251)
}

extension SystemContract {
    /// The system contracts of a fork by the names that EIP-7910 gives them.
    public static func named(at fork: Fork, config: ChainConfig) -> [String: Address] {
        var named: [String: Address] = [:]
        if fork >= .cancun { named["BEACON_ROOTS_ADDRESS"] = beaconRoots }
        guard fork >= .prague else { return named }
        named["CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS"] = consolidationRequests
        named["DEPOSIT_CONTRACT_ADDRESS"] = config.depositContractAddress
        named["HISTORY_STORAGE_ADDRESS"] = historyStorage
        named["WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS"] = withdrawalRequests
        return named
    }
}

/// Calls a system contract: EELS `process_unchecked_system_transaction`. Without code nothing
/// happens; a failure is ignored.
@discardableResult
func processSystemTransaction(
    _ target: Address, data: Bytes, in context: ExecutionContext, state: JournaledState,
    tracer: (any Tracer)?
) -> MessageResult {
    state.beginTransaction()
    _ = state.warm(target)
    let evm = EVM(fork: context.fork, block: context.block, state: state, tracer: tracer)
    let message = Message(
        kind: .call, caller: SystemContract.caller, recipient: target, codeAddress: target,
        value: .zero, data: data, gas: SystemContract.gas)
    let environment = TransactionEnvironment(
        origin: SystemContract.caller, gasPrice: context.block.baseFeePerGas,
        blobVersionedHashes: [])
    let result = evm.processMessageCall(message, in: environment)
    state.finishTransaction(emptyAccounts: context.emptyAccounts)
    return result
}

/// Calls a system contract that must exist, if the context says so, and succeed: EELS `process_checked_system_transaction`.
private func processCheckedSystemTransaction(
    _ target: Address, in context: ExecutionContext, state: JournaledState,
    tracer: (any Tracer)?
) throws(InvalidBlock) -> Bytes {
    guard !state.code(target).isEmpty else {
        if context.requiresSystemContracts { throw .systemContractMissing(target) }
        return []
    }
    let result = processSystemTransaction(
        target, data: [], in: context, state: state, tracer: tracer)
    guard result.halt == nil else { throw .systemCallFailed(target) }
    return result.output
}

/// The requests that a block makes, in ascending order of their types and each with its type as
/// first byte: EELS `process_general_purpose_requests` (EIP-7685).
func processRequests(
    receipts: [Receipt], in context: ExecutionContext, state: JournaledState,
    tracer: (any Tracer)?
) throws(InvalidBlock) -> [Bytes] {
    var requests: [Bytes] = []
    let deposits = try depositRequests(
        in: receipts, contract: context.config.depositContractAddress)
    if !deposits.isEmpty { requests.append([RequestType.deposit.rawValue] + deposits) }

    let withdrawals = try processCheckedSystemTransaction(
        SystemContract.withdrawalRequests, in: context, state: state, tracer: tracer)
    if !withdrawals.isEmpty { requests.append([RequestType.withdrawal.rawValue] + withdrawals) }

    let consolidations = try processCheckedSystemTransaction(
        SystemContract.consolidationRequests, in: context, state: state, tracer: tracer)
    if !consolidations.isEmpty {
        requests.append([RequestType.consolidation.rawValue] + consolidations)
    }
    return requests
}

/// keccak256("DepositEvent(bytes,bytes,bytes,bytes,bytes)").
private let depositEvent = Hash256(
    w0: 0x649b_bc62_d0e3_1342, w1: 0xafea_4e5c_d82d_4049, w2: 0xe7e1_ee91_2fc0_889a,
    w3: 0xa790_803b_e390_38c5)

/// The deposits that the logs report, one after another: EELS `parse_deposit_requests` (EIP-6110).
private func depositRequests(
    in receipts: [Receipt], contract: Address
) throws(InvalidBlock) -> Bytes {
    var deposits: Bytes = []
    for receipt in receipts {
        for log in receipt.logs
        where log.address == contract && log.topics.first == depositEvent {
            deposits += try depositData(in: log.data)
        }
    }
    return deposits
}

/// A field of the deposit event: where the ABI puts it, and how long its content is.
private let depositFields: [(offset: Int, size: Int)] = [
    (160, 48),  // public key
    (256, 32),  // withdrawal credentials
    (320, 8),  // amount
    (384, 96),  // signature
    (512, 8),  // index
]

/// The contents of a deposit event without the ABI around them: EELS `extract_deposit_data`.
private func depositData(in data: Bytes) throws(InvalidBlock) -> Bytes {
    guard data.count == 576 else { throw .depositEventLayout }
    func word(at offset: Int) -> UInt256? { UInt256(bigEndian: data[offset..<offset + 32]) }

    var content: Bytes = []
    for (index, field) in depositFields.enumerated() {
        guard word(at: index * 32) == UInt256(field.offset),
            word(at: field.offset) == UInt256(field.size)
        else { throw .depositEventLayout }
        let start = field.offset + 32
        content += data[start..<start + field.size]
    }
    return content
}
