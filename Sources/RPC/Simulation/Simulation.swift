import Chain
import Cryptography
import EVM
import EthereumTypes
import Execution
import Primitives
import State
import Storage

/// Blocks that might be, one on the other, on top of a block that is: `eth_simulateV1`.
///
/// Rules, defaults and errors are those of geth's `internal/ethapi/simulate.go`: blocks between two
/// numbers are filled with empty ones, gas of all calls together is capped, and without validation
/// calls need neither funds for gas nor the right nonce.
struct Simulation {
    private let request: SimulationRequest
    private let config: ChainConfig
    private let baseState: any StateReader
    private let baseHash: Hash256
    private let base: Header
    private let stateRoot: (StateDiff) throws(StateReadError) -> Hash256
    /// What all that was simulated so far changed.
    private var changes = StateDiff()
    private var hashes: [BlockNumber: Hash256] = [:]
    private var gasLeft: Gas

    /// Seconds from one block to the next, if not said otherwise.
    private static let secondsPerBlock: UInt64 = 12

    /// - Parameter reference: the block to begin on.
    init(
        _ request: SimulationRequest, on reference: BlockReference?, _ chain: ChainAccess,
        limits: RPCLimits
    ) throws {
        let number = try chain.minedNumber(of: reference)
        guard number <= chain.head.number, let header = try chain.view.header(number),
            let hash = try chain.view.canonicalHash(number)
        else { throw RPCError.headerNotFound }
        self.request = request
        config = chain.config
        base = header
        baseHash = hash
        gasLeft = limits.callGas
        let parent = try chain.view.parentBlock(at: number)
        baseState = parent.state
        stateRoot = parent.stateRoot
    }

    /// Makes all blocks.
    mutating func run(
        _ rpc: RPCContext, cancellation: Cancellation
    ) throws -> [SimulatedBlock] {
        var results: [SimulatedBlock] = []
        var parent = (header: base, hash: baseHash)
        for calls in try completed(request.blocks, rpc.limits) {
            guard .now < rpc.deadline else { throw RPCError.timedOut }
            let block = try simulate(calls, on: parent, cancellation)
            hashes[block.result.block.header.number] = block.hash
            parent = (block.result.block.header, block.hash)
            results.append(block)
        }
        return results
    }

    /// The blocks with their numbers and times, and empty ones in the gaps.
    private func completed(
        _ blocks: [SimulationRequest.BlockCalls], _ limits: RPCLimits
    ) throws(RPCError) -> [SimulationRequest.BlockCalls] {
        guard !blocks.isEmpty else { throw .invalidParams("empty input") }
        guard UInt64(blocks.count) <= limits.simulatedBlocks else { throw .tooManyBlocks }
        try checkCalls(blocks, limits)
        var result: [SimulationRequest.BlockCalls] = []
        var number = base.number
        var time = base.timestamp
        for var calls in blocks {
            let wanted = calls.block.number ?? UInt256(number) + 1
            guard wanted > UInt256(number) else {
                throw RPCError(
                    code: -38_020,
                    message: "block numbers must be in order: \(wanted) <= \(number)")
            }
            guard let next = wanted.asUInt64, next - base.number <= limits.simulatedBlocks
            else {
                throw .tooManyBlocks
            }
            while number + 1 < next {
                number += 1
                time = Self.after(time)
                var gap = SimulatedBlockOverrides()
                gap.number = UInt256(number)
                gap.timestamp = time
                result.append(.init(block: gap))
            }
            number = next
            let timestamp = calls.block.timestamp ?? Self.after(time)
            guard timestamp > time else {
                throw RPCError(
                    code: -38_021,
                    message: "block timestamps must be in order: \(timestamp) <= \(time)")
            }
            time = timestamp
            calls.block.number = wanted
            calls.block.timestamp = timestamp
            result.append(calls)
        }
        return result
    }

    private func checkCalls(
        _ blocks: [SimulationRequest.BlockCalls], _ limits: RPCLimits
    ) throws(RPCError) {
        var total = 0
        for block in blocks {
            let count = block.calls.count
            guard count <= limits.simulatedBlockCalls else {
                throw RPCError(
                    code: RPCErrorCode.simulationLimit,
                    message: "too many calls in block: \(count) > \(limits.simulatedBlockCalls)")
            }
            total += count
            guard total <= limits.simulatedCalls else {
                throw RPCError(
                    code: RPCErrorCode.simulationLimit,
                    message: "too many calls: \(total) > \(limits.simulatedCalls)")
            }
        }
    }

    private static func after(_ time: Timestamp) -> Timestamp {
        let (next, overflow) = time.addingReportingOverflow(secondsPerBlock)
        return overflow ? .max : next
    }

    // MARK: One block

    private mutating func simulate(
        _ calls: SimulationRequest.BlockCalls, on parent: (header: Header, hash: Hash256),
        _ cancellation: Cancellation
    ) throws -> SimulatedBlock {
        var header = preliminaryHeader(calls.block, on: parent)
        var context = ExecutionContext(header: header, config: config)
        context.cancellation = cancellation
        if let fee = calls.block.blobBaseFee { context.block.blobBaseFee = fee }
        if let overrides = calls.state {
            context.movedPrecompiles = try overrides.movedPrecompiles(at: context.fork)
            changes.merge(try overrides.changes(of: state()))
        }
        let executor = BlockExecutor(
            context: context, state: JournaledState(reader: state()),
            stateRoot: { (_) throws(StateReadError) in .zero })
        executor.beginBlock(
            parentHash: parent.hash, parentBeaconBlockRoot: header.parentBeaconBlockRoot)
        var body = SimulatedBody(
            context: context, validates: request.validates,
            tracesTransfers: request.tracesTransfers)
        for call in calls.calls {
            if cancellation.isCancelled { throw RPCError.timedOut }
            try body.run(call, state: executor.state, gasLeft: &gasLeft)
        }
        let withdrawals = calls.block.withdrawals ?? []
        let outcome = try executor.finishBlock(
            paying: [], withdrawals: header.withdrawalsRoot == nil ? [] : withdrawals)
        changes.merge(outcome.diff)

        header.gasUsed = body.gasUsed
        header.stateRoot = try stateRoot(changes)
        header.transactionsRoot = transactionsRoot(of: body.transactions)
        header.receiptsRoot = receiptsRoot(of: body.receipts)
        for receipt in body.receipts { header.logsBloom.formUnion(receipt.bloom) }
        if context.fork >= .cancun { header.blobGasUsed = body.blobGasUsed }
        if context.fork >= .prague { header.requestsHash = requestsHash(of: outcome.requests) }
        let hash = header.hash()
        let block = Block(
            header: header, transactions: body.transactions, ommers: [],
            withdrawals: header.withdrawalsRoot == nil ? nil : withdrawals)
        return SimulatedBlock(
            hash: hash,
            result: BlockResult(
                block: block, senders: body.senders, transactionHashes: body.hashes,
                detail: request.detail, hash: hash,
                calls: EncodedJSON(body.encoded(blockHash: hash, header: header))))
    }

    /// The header with all that is known before the calls.
    private func preliminaryHeader(
        _ overrides: SimulatedBlockOverrides, on parent: (header: Header, hash: Hash256)
    ) -> Header {
        var header = Header(
            parentHash: parent.hash, coinbase: overrides.coinbase ?? parent.header.coinbase,
            stateRoot: .zero, transactionsRoot: .emptyTrieRoot, receiptsRoot: .emptyTrieRoot,
            difficulty: parent.header.difficulty, number: overrides.number?.asUInt64 ?? 0,
            gasLimit: overrides.gasLimit ?? parent.header.gasLimit, gasUsed: 0,
            timestamp: overrides.timestamp ?? 0, prevRandao: overrides.prevRandao ?? .zero)
        if config.isPostMerge(number: header.number, timestamp: header.timestamp) {
            header.difficulty = .zero
        }
        if let difficulty = overrides.difficulty { header.difficulty = difficulty }
        let fork = config.fork(of: header)
        if fork >= .london {
            header.baseFeePerGas =
                overrides.baseFeePerGas
                ?? (request.validates ? nextBaseFee(parent: parent.header) : .zero)
        }
        if fork >= .shanghai {
            header.withdrawalsRoot = withdrawalsRoot(of: overrides.withdrawals ?? [])
        }
        if fork >= .cancun, let parameters = config.blobParameters(at: fork) {
            header.parentBeaconBlockRoot = overrides.parentBeaconBlockRoot ?? .zero
            header.excessBlobGas = excessBlobGas(
                parent: parent.header, parameters: parameters, fork: fork)
        }
        return header
    }

    private func state() -> SimulatedState {
        SimulatedState(
            overlay: StateOverlay(base: baseState, diff: changes), base: base.number,
            baseHash: baseHash, hashes: hashes)
    }
}

/// A simulated block: its hash and what is answered about it.
struct SimulatedBlock: RPCResult {
    let hash: Hash256
    let result: BlockResult

    func write(to writer: inout JSONWriter) { result.write(to: &writer) }
    static let schema = Schema.block(
        "SimulatedBlock",
        others: [
            "calls": Schema.list(
                Schema.object(
                    "SimulatedCall",
                    [
                        "returnData": Schema.data, "logs": ["type": "array"],
                        "gasUsed": Schema.quantity, "status": Schema.quantity,
                    ], optional: ["error": ["type": "object"]]))
        ])
}

/// The state on top of simulated blocks, which have hashes like others.
private struct SimulatedState: StateReader {
    let overlay: StateOverlay
    let base: BlockNumber
    let baseHash: Hash256
    let hashes: [BlockNumber: Hash256]

    func account(_ address: Address) throws(StateReadError) -> Account? {
        try overlay.account(address)
    }

    func storage(_ address: Address, _ slot: UInt256) throws(StateReadError) -> UInt256 {
        try overlay.storage(address, slot)
    }

    func code(_ hash: Hash256) throws(StateReadError) -> Bytes { try overlay.code(hash) }

    func blockHash(_ number: BlockNumber) throws(StateReadError) -> Hash256? {
        if number > base { return hashes[number] }
        return number == base ? baseHash : try overlay.blockHash(number)
    }
}

extension ChainConfig {
    /// Whether a block surely has proof of stake, whatever its parent: geth's `IsPostMerge`.
    fileprivate func isPostMerge(number: BlockNumber, timestamp: Timestamp) -> Bool {
        terminalTotalDifficulty?.isZero ?? false
            || mergeNetsplitBlock.map { number >= $0 } ?? false
            || self.timestamp(of: .shanghai).map { timestamp >= $0 } ?? false
    }
}

extension RPCError {
    fileprivate static let tooManyBlocks = RPCError(
        code: RPCErrorCode.simulationLimit, message: "too many blocks")
}

extension RPCErrorCode {
    /// execution-apis, `eth_simulateV1`: the client asks for too much.
    fileprivate static let simulationLimit = -38_026
}
