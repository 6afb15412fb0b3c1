//  Running a piece of code outside of any transaction, once or many times: `apus evm run`.

import Cryptography
public import EVM
public import EthereumTypes
public import Execution
public import Primitives
import State

/// A message call, and the world it is made in.
public struct CodeRun: Sendable {
    /// What the message does.
    public enum Action: Sendable {
        /// Calls the receiver.
        case call
        /// Runs the code, with the input after it, as initialisation code.
        case create
    }

    /// The rules to run by.
    public var fork: Fork
    /// What CHAINID gives.
    public var chainId: UInt64 = 1
    /// What the message does.
    public var action: Action = .call
    /// Put at the receiver's address; nil leaves there what the state has.
    public var code: Bytes?
    /// Call data, or what follows the initialisation code.
    public var input: Bytes = []
    /// Wei that the message carries.
    public var value: Wei = .zero
    /// Gas for the code; nothing is taken off before it runs.
    public var gas: Gas = 10_000_000_000
    /// What GASPRICE gives.
    public var gasPrice: Wei = .zero
    /// Who calls, at the transaction's origin.
    public var sender: Address = Address(lowBytesOf: UInt256(bigEndian: "sender".utf8) ?? .zero)
    /// Who is called.
    public var receiver: Address = Address(
        lowBytesOf: UInt256(bigEndian: "receiver".utf8) ?? .zero)
    /// The accounts before the run.
    public var accounts: [Address: GenesisAccount] = [:]
    /// The block that the code sees.
    public var block: BlockEnvironment

    /// A run in an empty world.
    public init(fork: Fork) {
        self.fork = fork
        block = BlockEnvironment(
            coinbase: .zero, number: 0, timestamp: 0, gasLimit: 10_000_000_000,
            baseFeePerGas: .zero, difficulty: .zero, prevRandao: .zero, blobBaseFee: .one,
            chainId: .one)
    }

    /// Takes accounts, the fork and the block from a genesis file, as far as it has them; a file with
    /// nothing but accounts will do as well.
    public mutating func setPrestate(_ file: JSONValue) throws(GenesisError) {
        guard var object = file.objectValue, object["alloc"] != nil else {
            accounts = try Genesis(alloc: file).alloc
            return
        }
        if object["config"] == nil { object["config"] = ["chainId": .number("1")] }
        if object["gasLimit"] == nil { object["gasLimit"] = .string(UInt256(gas).hexQuantity) }
        let genesis = try Genesis(json: .object(object))
        if let config = file["config"], !config.isNull {
            fork = genesis.config.fork(
                number: genesis.number, timestamp: genesis.timestamp,
                isPostMerge: genesis.difficulty.isZero)
        }
        accounts = genesis.alloc
        chainId = genesis.config.chainId
        block.coinbase = genesis.coinbase
        block.number = genesis.number
        block.timestamp = genesis.timestamp
        block.gasLimit = genesis.gasLimit
        block.baseFeePerGas = genesis.baseFeePerGas ?? .zero
        block.difficulty = genesis.difficulty
        block.prevRandao = genesis.prevRandao
    }

    /// Runs the code once.
    public func execute(tracer: (any Tracer)? = nil) -> CodeRunResult {
        let world = world()
        let state = JournaledState(reader: world)
        let (message, result) = run(on: state, tracer)
        var after = world
        let logs = state.logs
        after.apply(state.takeDiff())
        return CodeRunResult(
            gasUsed: message.gas - result.gasLeft, output: result.output, halt: result.halt,
            logs: logs, state: after)
    }

    /// Runs the code several times, each time on the state as it was given.
    ///
    /// - Returns: how long each run took, without making the state.
    public func measure(runs: Int) -> [Duration] {
        let world = world()
        let clock = ContinuousClock()
        return (0..<max(runs, 1)).map { _ in
            let state = JournaledState(reader: world)
            return clock.measure { _ = run(on: state, nil) }
        }
    }

    private func world() -> InMemoryState {
        var accounts = accounts
        if let code, action == .call {
            accounts[receiver, default: GenesisAccount(balance: .zero)].code = code
        }
        return InMemoryState(accounts: accounts)
    }

    /// Sends the message as geth's `runtime` does: no gas is bought, the nonce counts for creations.
    private func run(
        on state: JournaledState, _ tracer: (any Tracer)?
    ) -> (Message, MessageResult) {
        var block = block
        block.chainId = UInt256(chainId)
        let evm = EVM(fork: fork, block: block, state: state, tracer: tracer)
        state.beginTransaction()
        let message: Message
        switch action {
        case .call:
            message = .call(from: sender, to: receiver, value: value, data: input, gas: gas)
        case .create:
            let nonce = state.nonce(sender)
            state.setNonce(sender, nonce &+ 1)
            message = .create(
                from: sender, at: contractAddress(creator: sender, nonce: nonce), value: value,
                initCode: (code ?? []) + input, gas: gas)
        }
        if fork >= .berlin {
            _ = state.warm(sender)
            _ = state.warm(message.recipient)
            if fork >= .shanghai { _ = state.warm(block.coinbase) }
        }
        let result = evm.processMessageCall(
            message, in: TransactionEnvironment(origin: sender, gasPrice: gasPrice))
        state.finishTransaction(
            emptyAccounts: fork >= .spuriousDragon ? .deleteTouched : .keep)
        return (message, result)
    }
}

/// What came of a run.
public struct CodeRunResult: Sendable {
    /// Gas that the code has used, before refunds.
    public let gasUsed: Gas
    /// What was returned, or the code of the new contract.
    public let output: Bytes
    /// Nil if it succeeded.
    public let halt: Halt?
    /// What the code has logged.
    public let logs: [Log]
    /// The accounts afterwards.
    public let state: InMemoryState

    /// The accounts afterwards, with the root of their state.
    public var dump: Bytes {
        var writer = JSONWriter()
        writer.object { object in
            object.key("root")
            object.hash(state.stateRoot())
            object.key("accounts")
            let genesis = Genesis(config: .single(.frontier, chainId: 1), alloc: state.accounts)
            object.value(genesis.json["alloc"] ?? .object([:]))
        }
        return writer.bytes
    }
}
