//  A whole block, checked and executed: EELS `state_transition`, up to the state root.

import Cryptography
public import EthereumTypes
public import Primitives
import State
import Trie

/// The longest encoded block: 10 MiB less 2 MiB for the consensus layer (EIP-7934).
public let maxBlockSize = 8_388_608

/// Executes a block on its parent's state and compares all that comes of it with the header, but for
/// the state root: who keeps the tries computes that of the returned diff and compares it.
///
/// - Parameters:
///   - senders: the recovered senders of the transactions, in their order.
///   - isSealed: whether a header, that of the block or of an ommer, has the seal that it needs.
///     Asked when everything else in the headers is found right, and before anything is executed.
public func executeBlock(
    _ block: Block, senders: [Address], on parent: ParentBlock, config: ChainConfig,
    isSealed: (Header) -> Bool = { _ in true }
) throws(BlockExecutionError) -> BlockOutcome {
    do throws(InvalidBlock) {
        try validateHeader(block.header, parent: parent, config: config)
    } catch {
        throw .invalid(error)
    }
    return try executeBody(
        of: block, senders: senders, on: parent, config: config, isSealed: isSealed)
}

/// Executes a block that the chain has, and compares all that comes of it with the header but for the
/// state root: `executeBlock`, except that the header's own fields are taken as they are. What a
/// header says of time, gas limit and fees is not compared with its parent, because a devnet's user
/// may have set it: `validateHeader` tells.
public func reexecuteBlock(
    _ block: Block, senders: [Address], on parent: ParentBlock, config: ChainConfig
) throws(BlockExecutionError) -> BlockOutcome {
    try executeBody(
        of: block, senders: senders, on: parent, config: config, isSealed: { _ in true })
}

/// Executes a block whose header was looked at, with all checks of what the header commits to.
private func executeBody(
    of block: Block, senders: [Address], on parent: ParentBlock, config: ChainConfig,
    isSealed: (Header) -> Bool
) throws(BlockExecutionError) -> BlockOutcome {
    do throws(InvalidBlock) {
        try validateBody(of: block, parent: parent, config: config)
        guard senders.count == block.transactions.count else {
            throw .senderCount(have: senders.count, want: block.transactions.count)
        }
        guard isSealed(block.header), block.ommers.allSatisfy(isSealed) else { throw .seal }
    } catch {
        throw .invalid(error)
    }
    let outcome = try applyBody(of: block, senders: senders, on: parent, config: config)
    do throws(InvalidBlock) {
        try validate(outcome, of: block)
    } catch {
        throw .invalid(error)
    }
    return outcome
}

/// Executes the body of a block: EELS `apply_body`. Nothing is compared with the header.
public func applyBody(
    of block: Block, senders: [Address], on parent: ParentBlock, config: ChainConfig
) throws(BlockExecutionError) -> BlockOutcome {
    let executor = BlockExecutor(
        context: ExecutionContext(header: block.header, config: config),
        state: JournaledState(reader: parent.state), recordsCalls: parent.recordsCalls,
        stateRoot: parent.stateRoot)
    executor.beginBlock(
        parentHash: block.header.parentHash,
        parentBeaconBlockRoot: block.header.parentBeaconBlockRoot)
    for (index, (transaction, sender)) in zip(block.transactions, senders).enumerated() {
        do throws(TransactionError) {
            try executor.process(RecoveredTransaction(transaction, sender: sender))
        } catch {
            switch error {
            case .invalid(let reason): throw .invalid(.transaction(index: index, reason))
            case .stateRead(let failure): throw .stateRead(failure)
            }
        }
    }
    return try executor.finishBlock(
        ommers: block.ommers, withdrawals: block.withdrawals ?? [])
}

/// Checks what the header commits to and needs no execution: size, ommers, withdrawals. The
/// transactions come after their execution, so that the fault of one is found first.
func validateBody(
    of block: Block, parent: ParentBlock, config: ChainConfig
) throws(InvalidBlock) {
    let header = block.header
    let fork = config.fork(of: header)
    if fork >= .osaka {
        let size = block.encoded().count
        guard size <= maxBlockSize else { throw .blockTooLarge(size: size, max: maxBlockSize) }
    }
    let ommersHash = ommersHash(of: block.ommers)
    guard ommersHash == header.ommersHash else {
        throw .ommersHash(have: header.ommersHash, want: ommersHash)
    }
    try validateOmmers(of: block, ancestors: parent.ancestors, config: config)

    guard (block.withdrawals != nil) == (fork >= .shanghai) else { throw .withdrawalsPresence }
    if let withdrawals = block.withdrawals, let have = header.withdrawalsRoot {
        let want = withdrawalsRoot(of: withdrawals)
        guard have == want else { throw .withdrawalsRoot(have: have, want: want) }
    }
}

/// Checks what the header commits to, but for the body's parts above, in the order of EELS.
func validate(_ outcome: BlockOutcome, of block: Block) throws(InvalidBlock) {
    let header = block.header
    guard outcome.gasUsed == header.gasUsed else {
        throw .gasUsed(have: header.gasUsed, want: outcome.gasUsed)
    }
    let transactionsRoot = transactionsRoot(of: block.transactions)
    guard transactionsRoot == header.transactionsRoot else {
        throw .transactionsRoot(have: header.transactionsRoot, want: transactionsRoot)
    }
    if let blobGasUsed = header.blobGasUsed, blobGasUsed != outcome.blobGasUsed {
        throw .blobGasUsed(have: blobGasUsed, want: outcome.blobGasUsed)
    }
    guard outcome.logsBloom == header.logsBloom else { throw .logsBloom }
    let receiptsRoot = receiptsRoot(of: outcome.receipts)
    guard receiptsRoot == header.receiptsRoot else {
        throw .receiptsRoot(have: header.receiptsRoot, want: receiptsRoot)
    }
    if let have = header.requestsHash {
        let want = requestsHash(of: outcome.requests)
        guard have == want else { throw .requestsHash(have: have, want: want) }
    }
}

// MARK: - What a header commits to

/// The root of the trie of encoded transactions by index.
public func transactionsRoot(of transactions: [Transaction]) -> Hash256 {
    orderedTrieRoot(transactions.map { $0.encoded() })
}

/// The root of the trie of encoded receipts by index.
public func receiptsRoot(of receipts: [Receipt]) -> Hash256 {
    orderedTrieRoot(receipts.map { $0.encoded() })
}

/// The root of the trie of encoded withdrawals by index (EIP-4895).
public func withdrawalsRoot(of withdrawals: [Withdrawal]) -> Hash256 {
    orderedTrieRoot(withdrawals.map { $0.encoded() })
}

/// The hash of the encoded list of ommers.
public func ommersHash(of ommers: [Header]) -> Hash256 {
    guard !ommers.isEmpty else { return .emptyOmmers }
    var encoder = RLPEncoder()
    encoder.list { list in
        for ommer in ommers { list.appendRaw(ommer.encoded()) }
    }
    return keccak256(encoder.bytes)
}
