import Cryptography
import EthereumTypes
import Execution
public import Primitives
import State
public import Storage

/// What a verification of the chain went through.
public struct VerifiedChain: Sendable {
    /// Blocks whose bytes, roots and indexes were compared.
    public var blocks: UInt64 = 0
    /// Blocks of these that were executed again, up to their state root.
    public var executed: UInt64 = 0
    /// Transactions whose sender and place were compared.
    public var transactions: UInt64 = 0
    /// Gas of the executed blocks.
    public var gas: UInt64 = 0
    /// Blocks whose header breaks a rule between it and its parent: those that a devnet's user gave
    /// a time, a gas limit or a fee.
    public var headersByHand: UInt64 = 0
    /// Blocks before which a devnet's user changed the state.
    public var overridden: UInt64 = 0
    /// The latest state, compared with the tries.
    public var state = VerifiedState()
    /// Transactions that the index finds in the block where they were met.
    var indexed: UInt64 = 0
}

/// Does the work of a whole chain again and compares it with what is stored.
///
/// It goes from the head down. The tries of each block are made from those of the block after it by
/// the stored histories, and must have the root that the header says; on them the block is executed
/// again, and its receipts and its state root must come out. So a wrong value anywhere, in blocks,
/// receipts, senders, flat state, histories, tries or indexes, is found in the block that it belongs
/// to. Blocks whose state is no longer retained are compared as far as that goes without it.
///
/// Cheated chains verify as well (decision D9): what was changed by hand before a block is applied
/// before it, and impersonated senders are who the chain says.
public struct ChainVerification {
    /// Blocks whose senders are recovered together, on all cores; they are in memory meanwhile.
    private static let windowCount = 32

    private let view: ChainView
    private let scratch: Database
    private let blocks: ClosedRange<BlockNumber>

    /// A verification of some blocks; the latest state is verified in any case.
    ///
    /// - Parameters:
    ///   - blocks: those of the chain that are wanted; clamped to what there is.
    ///   - scratch: an empty database, for the tries of earlier blocks.
    public init(
        of view: ChainView, blocks: ClosedRange<BlockNumber>, scratch: Database
    ) throws(ChainError) {
        self.view = view
        self.scratch = scratch
        guard blocks.lowerBound <= view.number else { throw .unknownBlock(blocks.lowerBound) }
        guard let first = try view.number(of: view.genesisHash), first <= view.number,
            try view.canonicalHash(first) == view.genesisHash
        else { throw missing("the number of the genesis block") }
        self.blocks =
            max(first, blocks.lowerBound)...max(first, min(view.number, blocks.upperBound))
    }

    /// Verifies.
    ///
    /// - Parameter progress: told after every block, with what there is so far and how many blocks
    ///   there are in all, those between the head and the wanted ones included.
    /// - Throws: `storage(.corrupted)` with the first difference; `invalidBlock` if execution does
    ///   not give what a header says.
    public func run(
        progress: (VerifiedChain, _ passed: UInt64, _ total: UInt64) -> Void = { _, _, _ in }
    ) async throws(ChainError) -> VerifiedChain {
        var result = VerifiedChain()
        result.state = try view.verifyState()
        let tries = EarlierTries(
            view.snapshot, head: view.number, root: view.header.stateRoot, scratch: scratch)
        var logs = LogIndexVerification(view.snapshot)
        let total = view.number - blocks.lowerBound + 1
        var window: [BlockNumber: StoredBlock] = [:]
        var next: BlockNumber? = view.number
        while let number = next {
            if blocks.contains(number) {
                if window[number] == nil { window = try await self.window(endingAt: number) }
                guard let block = window[number] else { throw missing("block \(number)") }
                try verify(block, tries, &logs, &result)
                if number == blocks.lowerBound { break }
            } else {
                try stepBack(tries, to: number)
            }
            progress(result, view.number - number + 1, total)
            next = number > blocks.lowerBound ? number - 1 : nil
        }
        try storing { () throws(StorageError) in
            try view.world.verifyHistory(head: view.number)
            try logs.finish()
            try verifyCounts(result, logEntries: logs.entries)
        }
        return result
    }

    // MARK: - One block

    private func verify(
        _ block: StoredBlock, _ tries: EarlierTries, _ logs: inout LogIndexVerification,
        _ result: inout VerifiedChain
    ) throws(ChainError) {
        let number = block.number
        guard let receipts = try view.receipts(number) else {
            throw missing("the receipts of block \(number)")
        }
        try verifyBytes(of: block, receipts)
        try verifyIndexes(of: block, &result)
        try storing { () throws(StorageError) in try logs.add(receipts, of: number) }
        result.blocks += 1
        result.transactions += UInt64(block.senders.count)
        guard block.hash != view.genesisHash, let parent = try view.block(number - 1) else {
            return
        }
        try verifyLink(block, to: parent, &result)
        guard number > view.oldestState else { return }
        try stepBack(tries, to: number)
        let outcome = try execute(block, tries)
        guard outcome.receipts == receipts else {
            throw different("the receipts of block \(number) are not those of its execution")
        }
        result.executed += 1
        result.gas += outcome.gasUsed
        if try !view.overrides(before: number).isEmpty { result.overridden += 1 }
    }

    /// Brings the tries to the state before a block, whose root its parent's header has.
    private func stepBack(_ tries: EarlierTries, to number: BlockNumber) throws(ChainError) {
        guard number > view.oldestState, tries.number == number else { return }
        guard let parent = try view.header(number - 1) else {
            throw missing("the header of block \(number - 1)")
        }
        try storing { () throws(StorageError) in try tries.stepBack() }
        guard tries.root == parent.stateRoot else {
            throw different(
                "the histories of block \(number) lead to the state root \(tries.root), "
                    + "the header of block \(number - 1) says \(parent.stateRoot)")
        }
    }

    private func execute(
        _ block: StoredBlock, _ tries: EarlierTries
    ) throws(ChainError) -> BlockOutcome {
        let number = block.number
        var parent = try view.parentBlock(of: number)
        let world = try view.earlierWorld(number - 1)
        let overrides = try view.overrides(before: number)
        let byHand = try stateReading { () throws(StateReadError) in
            try StateDiff(applying: overrides, to: world)
        }
        func root(_ diff: StateDiff) throws(StateReadError) -> Hash256 {
            var whole = byHand
            whole.merge(diff)
            do {
                return try tries.root(applying: whole)
            } catch {
                throw StateReadError(message: error.description)
            }
        }
        parent.stateRoot = root
        let outcome: BlockOutcome
        do {
            outcome = try reexecuteBlock(
                block.block, senders: block.senders, on: parent, config: view.config)
        } catch {
            switch error {
            case .invalid(let reason):
                throw different("block \(number), executed again: \(reason)")
            case .stateRead(let failure): throw .stateRead(failure)
            }
        }
        let after = try stateReading { () throws(StateReadError) in try root(outcome.diff) }
        guard after == block.block.header.stateRoot else {
            throw different(
                "block \(number), executed again, gives the state root \(after), "
                    + "its header says \(block.block.header.stateRoot)")
        }
        return outcome
    }

    /// The hash, and all roots that need no state.
    private func verifyBytes(
        of block: StoredBlock, _ receipts: [Receipt]
    ) throws(ChainError) {
        let number = block.number
        let header = block.block.header
        guard header.hash() == block.hash else { throw different("the header of block \(number)") }
        guard transactionsRoot(of: block.block.transactions) == header.transactionsRoot,
            ommersHash(of: block.block.ommers) == header.ommersHash,
            block.block.withdrawals.map(withdrawalsRoot) == header.withdrawalsRoot
        else { throw different("the body of block \(number)") }
        guard receipts.count == block.senders.count,
            receiptsRoot(of: receipts) == header.receiptsRoot
        else { throw different("the receipts of block \(number)") }
    }

    /// The number of the hash, the hash of the number, and the place of each transaction.
    ///
    /// A devnet whose user turns a nonce back may have one transaction twice: the index has both
    /// places, the later one first.
    private func verifyIndexes(
        of block: StoredBlock, _ result: inout VerifiedChain
    ) throws(ChainError) {
        let number = block.number
        guard try view.number(of: block.hash) == number else {
            throw different("the number of block \(number) under its hash")
        }
        for (index, hash) in block.transactionHashes.enumerated() {
            let places = try storing { () throws(StorageError) in
                try view.store.transactionLocations(hash)
            }
            guard let place = places.firstIndex(where: { $0.blockNumber == number }),
                places[place].index == index
            else { throw different("the place of transaction \(hash) of block \(number)") }
            if place == 0 { result.indexed += 1 }
            guard place + 1 < places.count else { continue }
            let earlier = places[place + 1]
            guard earlier.blockNumber < number,
                let hashes = try view.block(earlier.blockNumber)?.transactionHashes,
                hashes.indices.contains(earlier.index), hashes[earlier.index] == hash
            else { throw different("an earlier place of transaction \(hash)") }
        }
    }

    private func verifyLink(
        _ block: StoredBlock, to parent: StoredBlock, _ result: inout VerifiedChain
    ) throws(ChainError) {
        let number = block.number
        let header = block.block.header
        guard header.parentHash == parent.hash, header.number == parent.number &+ 1 else {
            throw different("block \(number) is no child of the block before it")
        }
        guard block.totalDifficulty == parent.totalDifficulty &+ header.difficulty else {
            throw different("the total difficulty of block \(number)")
        }
        let rules = ParentBlock(
            header: parent.block.header, state: WorldState(view.snapshot),
            totalDifficulty: parent.totalDifficulty,
            stateRoot: { (_) throws(StateReadError) in .zero })
        do {
            try validateHeader(header, parent: rules, config: view.config)
        } catch {
            result.headersByHand += 1
        }
    }

    // MARK: - Senders

    /// Some blocks down from a number, with their stored senders compared with their signatures.
    private func window(
        endingAt last: BlockNumber
    ) async throws(ChainError) -> [BlockNumber: StoredBlock] {
        let count = min(BlockNumber(Self.windowCount - 1), last - blocks.lowerBound)
        var window: [BlockNumber: StoredBlock] = [:]
        for number in (last - count)...last {
            guard let block = try view.block(number), try view.canonicalHash(number) == block.hash
            else { throw missing("block \(number)") }
            window[number] = block
        }
        let config = view.config
        let wrong = await withTaskGroup(of: BlockNumber?.self) { group in
            for block in window.values {
                group.addTask { block.hasProvenSenders(config) ? nil : block.number }
            }
            return await group.reduce(into: [BlockNumber]()) { $0 += [$1].compactMap(\.self) }
        }
        if let number = wrong.max() { throw different("the senders of block \(number)") }
        return window
    }

    // MARK: - Too much

    /// What is stored beyond what was met: only known when the whole chain was.
    private func verifyCounts(
        _ result: VerifiedChain, logEntries: Int
    ) throws(StorageError) {
        guard result.blocks == view.number - blocks.lowerBound + 1,
            blocks.upperBound == view.number,
            try view.store.canonicalHash(blocks.lowerBound) == view.genesisHash
        else { return }
        let wanted: [(Family, UInt64)] = [
            (.canonical, result.blocks), (.transactions, result.indexed),
            (.logIndex, UInt64(logEntries)),
        ]
        for (family, count) in wanted {
            let found = try view.snapshot.count(of: family)
            guard found == count else {
                throw .corrupted("\(family.name) has \(found) entries, the chain \(count)")
            }
        }
    }
}

extension StoredBlock {
    /// Whether each sender is who signed, or whom the devnet's user impersonated.
    fileprivate func hasProvenSenders(_ config: ChainConfig) -> Bool {
        let fork = config.fork(of: block.header)
        return zip(block.transactions, senders).allSatisfy { transaction, sender in
            (transaction.impersonatedSender ?? transaction.recoverSender(at: fork)) == sender
        }
    }
}

private func missing(_ what: String) -> ChainError {
    .storage(.corrupted("\(what) is missing"))
}

private func different(_ what: String) -> ChainError {
    .storage(.corrupted(what))
}
