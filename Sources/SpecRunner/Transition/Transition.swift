//  The state transition function as a tool: accounts, a block and transactions in, the accounts after
//  them and all that a header would commit to out. The format and the rules are those of geth's
//  `evm t8n`, which the official test generator drives.

import Cryptography
public import EVM
public import EthereumTypes
import Execution
public import Primitives
import State

/// A state transition to compute.
public struct Transition: Sendable {
    /// The rules.
    public let config: ChainConfig
    let alloc: [Address: GenesisAccount]
    let environment: TransitionEnvironment
    let transactions: [TransitionTransaction]
    /// What the block earns its maker; nil if not even an account is touched for it.
    let reward: Wei?

    /// - Parameter config: see `config(fork:chainId:)`.
    public init(
        config: ChainConfig, alloc: JSONValue, environment: TransitionEnvironment,
        transactions: [TransitionTransaction], reward: Wei?
    ) throws(TransitionError) {
        self.config = config
        do throws(GenesisError) {
            self.alloc = try Genesis(alloc: alloc).alloc
        } catch {
            throw TransitionError(.json, "failed unmarshalling alloc: \(error)")
        }
        self.environment = environment
        self.transactions = transactions
        self.reward = reward
    }

    /// The forks, by the names that geth's tool and the fixtures have for them.
    public static let forkNames: [String] = Fork.allCases.compactMap { fork in
        switch fork {
        case .dao: nil
        case .tangerineWhistle: "EIP150"
        case .spuriousDragon: "EIP158"
        case .petersburg: "ConstantinopleFix"
        case .paris: "Merge"
        default: fork.name.filter { $0 != " " }
        }
    }

    /// The chain that the name of a fork, or of a transition between two, stands for.
    public static func config(
        fork name: String, chainId: UInt64
    ) throws(TransitionError) -> ChainConfig {
        do throws(FixtureError) {
            var config = try ChainConfig(fixture: nil, network: name)
            config.chainId = chainId
            return config
        } catch {
            throw TransitionError(
                .configuration, "failed constructing chain configuration: \(error)")
        }
    }

    /// Applies the transactions.
    ///
    /// - Parameter trace: asked for a tracer for each transaction, by its place among those that are
    ///   included and its hash.
    public func run(
        trace: (Int, Hash256) throws -> (any Tracer)? = { _, _ in nil }
    ) throws -> TransitionResult {
        let fork = environment.fork(of: config)
        let header = try environment.header(at: fork, config: config)
        let before = InMemoryState(accounts: alloc)
        let reader = TransitionReader(state: before, hashes: environment.blockHashes)
        var context = ExecutionContext(header: header, config: config, fork: fork)
        // The block of a state test has no parent, and its state no system contracts.
        context.requiresSystemContracts = environment.parentHash != nil
        let executor = BlockExecutor(
            context: context,
            state: JournaledState(reader: reader),
            stateRoot: { (diff) throws(StateReadError) in
                var state = before
                state.apply(diff)
                return state.stateRoot()
            })
        executor.beginBlock(
            parentHash: header.parentHash, parentBeaconBlockRoot: header.parentBeaconBlockRoot)

        var result = TransitionResult(
            header: header, fork: fork,
            // geth repeats a given base fee also where the fork has none.
            baseFeePerGas: header.baseFeePerGas ?? environment.baseFeePerGas,
            blobBaseFee: executor.context.block.blobBaseFee)
        for (index, transaction) in transactions.enumerated() {
            switch transaction {
            case .undecodable(let reason): result.reject(index, reason)
            case .valid(let transaction):
                let place = result.included.count
                let tracer = try trace(place, transaction.hash())
                try apply(transaction, index, to: executor, header, tracer, into: &result)
            }
        }
        let outcome: BlockOutcome
        do throws(BlockExecutionError) {
            outcome = try executor.finishBlock(
                paying: reward.map { environment.rewards($0) } ?? [],
                withdrawals: environment.withdrawals ?? [])
        } catch {
            switch error {
            case .invalid(let reason):
                result.refuse(reason.transitionText)
                outcome = executor.takeOutcome()
            case .stateRead(let failure):
                throw TransitionError(.missingBlockHash, failure.message)
            }
        }
        var after = before
        after.apply(outcome.diff)
        result.finish(outcome, state: after, withdrawals: environment.withdrawals)
        return result
    }

    /// Applies one transaction, or notes why it is not applied.
    private func apply(
        _ transaction: Transaction, _ index: Int, to executor: BlockExecutor, _ header: Header,
        _ tracer: (any Tracer)?, into result: inout TransitionResult
    ) throws(TransitionError) {
        let context = executor.context
        if transaction.type == .blob {
            guard header.excessBlobGas != nil else {
                result.reject(index, "blob tx used but field env.ExcessBlobGas missing")
                return
            }
        }
        guard let recovered = RecoveredTransaction(recovering: transaction, at: context.fork)
        else {
            result.reject(index, "invalid transaction v, r, s values")
            return
        }
        if transaction.blobGas > executor.blobGasLeft {
            let (used, _) = executor.blobGasUsed.addingReportingOverflow(transaction.blobGas)
            result.reject(
                index,
                "blob gas (\(used)) would exceed maximum allowance \(context.maxBlobGas)")
            return
        }
        do throws(TransactionError) {
            let outcome = try executor.process(recovered, tracer: tracer)
            result.include(recovered, outcome)
        } catch {
            switch error {
            case .invalid(let reason):
                result.reject(index, reason.transitionText(sender: recovered.sender))
            case .stateRead(let failure):
                throw TransitionError(.missingBlockHash, failure.message)
            }
        }
    }
}

/// The accounts before the transition, and the hashes of the blocks that the input names.
private struct TransitionReader: StateReader {
    let state: InMemoryState
    let hashes: [BlockNumber: Hash256]?

    func account(_ address: Address) throws(StateReadError) -> Account? {
        try state.account(address)
    }

    func storage(_ address: Address, _ slot: UInt256) throws(StateReadError) -> UInt256 {
        try state.storage(address, slot)
    }

    func code(_ hash: Hash256) throws(StateReadError) -> Bytes { try state.code(hash) }

    func blockHash(_ number: BlockNumber) throws(StateReadError) -> Hash256? {
        if let hash = hashes?[number] { return hash }
        throw StateReadError(
            message: "getHash(\(number)) invoked, "
                + (hashes == nil
                    ? "no blockhashes provided" : "blockhash for that block not provided"))
    }
}

extension Genesis {
    /// Reads accounts as a genesis file lists them under `alloc`.
    init(alloc: JSONValue) throws(GenesisError) {
        try self.init(
            json: ["config": ["chainId": .number("1")], "gasLimit": "0x1", "alloc": alloc])
    }
}

extension InvalidBlock {
    /// What geth says when the end of a block fails, and EELS where geth does not look.
    fileprivate var transitionText: String {
        switch self {
        case .depositEventLayout: "failed to parse deposit logs: not the layout of EIP-6110"
        case .systemContractMissing(let address):
            "System contract address \(address) does not contain code"
        case .systemCallFailed(let address): "system call failed to execute: \(address)"
        default: "\(self)"
        }
    }
}

extension InvalidTransaction {
    /// What geth's state transition says, as against its pool.
    fileprivate func transitionText(sender: Address) -> String {
        let address = "address \(sender.checksummed)"
        return switch self {
        case .nonceTooLow(let account, let transaction):
            "nonce too low: \(address), tx: \(transaction) state: \(account)"
        case .nonceTooHigh(let account, let transaction):
            "nonce too high: \(address), tx: \(transaction) state: \(account)"
        case .nonceOverflow: "nonce has max value: \(address), nonce: \(Nonce.max)"
        case .senderNotEOA(let size): "sender not an eoa: \(address), len(code): \(size)"
        case .insufficientFunds(let have, let want):
            "insufficient funds for gas * price + value: \(address) have \(have) want \(want)"
        case .costOverflow:
            "insufficient funds for gas * price + value: \(address) required balance exceeds 256 bits"
        case .feeCapBelowBaseFee(let feeCap, let baseFee):
            "max fee per gas less than block base fee: \(address), maxFeePerGas: \(feeCap), "
                + "baseFee: \(baseFee)"
        case .priorityFeeAboveFeeCap(let priorityFee, let feeCap):
            "max priority fee per gas higher than max fee per gas: \(address), "
                + "maxPriorityFeePerGas: \(priorityFee), maxFeePerGas: \(feeCap)"
        case .blobFeeCapBelowBlobBaseFee(let feeCap, let blobBaseFee):
            "max fee per blob gas less than block blob gas fee: \(address) blobGasFeeCap: "
                + "\(feeCap), blobBaseFee: \(blobBaseFee)"
        case .emptyAuthorizationList: "\(gethText) (sender \(sender.checksummed))"
        case .typeNotSupported, .wrongChainId, .invalidSignature, .gasAboveCap,
            .gasLimitExceedsBlock, .intrinsicGasTooLow, .floorDataGas, .initCodeTooLarge,
            .creationNotAllowed, .noBlobs, .tooManyBlobs, .invalidBlobHashVersion,
            .blobGasExceedsBlock:
            gethText
        }
    }
}
