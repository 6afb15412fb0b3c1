import Chain
import Cryptography
import EVM
import EthereumTypes
import Execution
import PluginAPI
import Primitives
import State
import Storage

/// A value of an exported column.
enum ExportValue {
    case text(String)
    case number(UInt64)
    case amount(UInt256)
    case list([String])
    case none
}

/// Makes the rows of a table, block by block.
struct ExportRows {
    /// Bytes that the calls of a block may have, whose rows are in memory at once. What hands on the
    /// same memory again and again makes many for little gas: a block of 30 million has room for
    /// hundreds of gigabytes.
    static let treeBytes = 256 << 20

    let table: ExportTable
    let view: ChainView

    /// Calls a function with each row of a block, in the order of the chain.
    func forEach(in number: BlockNumber, _ body: ([ExportValue]) -> Void) throws {
        guard let stored = try view.block(number) else { throw ChainError.unknownBlock(number) }
        switch table {
        case .blocks: body(row(of: stored))
        case .transactions:
            for index in stored.block.transactions.indices {
                body(row(of: stored, transaction: index))
            }
        case .receipts, .logs, .tokenTransfers: try forEachReceipt(of: stored, body)
        case .contracts: try forEachContract(of: stored, body)
        case .traces: try forEachTrace(of: stored, body)
        }
    }

    private func forEachReceipt(
        of stored: StoredBlock, _ body: ([ExportValue]) -> Void
    ) throws {
        guard let receipts = try view.receipts(stored.number) else {
            throw ChainError.unknownBlock(stored.number)
        }
        var gasBefore: Gas = 0
        var logIndex: UInt32 = 0
        for (index, receipt) in receipts.enumerated() {
            if table == .receipts { body(row(of: stored, index, receipt, gasBefore: gasBefore)) }
            gasBefore = receipt.cumulativeGasUsed
            for log in receipt.logs {
                if table == .logs {
                    body(row(of: stored, index, log, logIndex))
                } else if table == .tokenTransfers {
                    let place = Place(block: stored.number, transaction: UInt32(index))
                    for transfer in TokenTransfer.all(in: log, place: place, logIndex: logIndex) {
                        body(row(of: stored, transfer))
                    }
                }
                logIndex += 1
            }
        }
    }

    // MARK: - Chain

    private func row(of stored: StoredBlock) -> [ExportValue] {
        let header = stored.block.header
        return [
            .number(header.number), .text("\(stored.hash)"), .text("\(header.parentHash)"),
            .text(Hex.encode(Indexing.bigEndian(header.nonce))), .text("\(header.ommersHash)"),
            .text(Hex.encode(header.logsBloom.bytes)), .text("\(header.transactionsRoot)"),
            .text("\(header.stateRoot)"), .text("\(header.receiptsRoot)"),
            .text("\(header.coinbase)"), .amount(header.difficulty),
            .amount(stored.totalDifficulty), .number(UInt64(stored.block.encoded().count)),
            .text(Hex.encode(header.extraData)), .number(header.gasLimit),
            .number(header.gasUsed), .number(header.timestamp),
            .number(UInt64(stored.block.transactions.count)),
            header.baseFeePerGas.map { .amount($0) } ?? .none,
            header.withdrawalsRoot.map { .text("\($0)") } ?? .none,
            header.blobGasUsed.map { .number($0) } ?? .none,
            header.excessBlobGas.map { .number($0) } ?? .none,
        ]
    }

    private func row(of stored: StoredBlock, transaction index: Int) -> [ExportValue] {
        let header = stored.block.header
        let transaction = stored.block.transactions[index]
        let hasCaps = transaction.type.hasFeeCaps
        return [
            .text("\(stored.transactionHashes[index])"), .number(transaction.nonce),
            .text("\(stored.hash)"), .number(header.number), .number(UInt64(index)),
            .text("\(stored.senders[index])"), transaction.to.map { .text("\($0)") } ?? .none,
            .amount(transaction.value), .number(transaction.gasLimit),
            .amount(transaction.effectiveGasPrice(baseFee: header.baseFeePerGas)),
            .text(Hex.encode(transaction.data)), .number(header.timestamp),
            hasCaps ? .amount(transaction.maxFeePerGas) : .none,
            hasCaps ? .amount(transaction.maxPriorityFeePerGas) : .none,
            .number(UInt64(transaction.type.rawValue)),
        ]
    }

    private func row(
        of stored: StoredBlock, _ index: Int, _ receipt: Receipt, gasBefore: Gas
    ) -> [ExportValue] {
        let header = stored.block.header
        let transaction = stored.block.transactions[index]
        let contract =
            transaction.to == nil
            ? contractAddress(creator: stored.senders[index], nonce: transaction.nonce) : nil
        var root = ExportValue.none
        var status = ExportValue.none
        switch receipt.outcome {
        case .status(let succeeded): status = .number(succeeded ? 1 : 0)
        case .postState(let hash): root = .text("\(hash)")
        }
        return [
            .text("\(stored.transactionHashes[index])"), .number(UInt64(index)),
            .text("\(stored.hash)"), .number(header.number), .number(receipt.cumulativeGasUsed),
            .number(receipt.cumulativeGasUsed - gasBefore),
            contract.map { .text("\($0)") } ?? .none, root, status,
            .amount(transaction.effectiveGasPrice(baseFee: header.baseFeePerGas)),
        ]
    }

    private func row(
        of stored: StoredBlock, _ index: Int, _ log: Log, _ logIndex: UInt32
    ) -> [ExportValue] {
        [
            .number(UInt64(logIndex)), .text("\(stored.transactionHashes[index])"),
            .number(UInt64(index)), .text("\(stored.hash)"), .number(stored.number),
            .text("\(log.address)"), .text(Hex.encode(log.data)),
            .list(log.topics.map { "\($0)" }),
        ]
    }

    private func row(of stored: StoredBlock, _ transfer: TokenTransfer) -> [ExportValue] {
        // As in ethereum-etl, the value of ERC-721 is the token's id.
        [
            .text("\(transfer.token)"), .text("\(transfer.from)"), .text("\(transfer.to)"),
            .amount(transfer.standard == .erc721 ? transfer.id : transfer.amount),
            .text("\(stored.transactionHashes[Int(transfer.place.transaction)])"),
            .number(UInt64(transfer.logIndex)), .number(stored.number),
            transfer.standard == .erc20 ? .none : .amount(transfer.id),
            .text("\(transfer.standard)"),
        ]
    }

    // MARK: - Calls

    /// Executes a block once more: the state before it must be retained.
    ///
    /// - Throws: `ExportError` if its calls take more than `treeBytes`.
    private func forEachTree(of stored: StoredBlock, _ body: (Int, CallTree) -> Void) throws {
        let header = stored.block.header
        guard !stored.block.transactions.isEmpty else { return }
        let parent = try view.parentBlock(of: header.number)
        let executor = BlockExecutor(
            context: ExecutionContext(header: header, config: view.config),
            state: JournaledState(reader: parent.state),
            // Receipts are not looked at.
            stateRoot: { (_) throws(StateReadError) in .zero })
        executor.beginBlock(
            parentHash: header.parentHash, parentBeaconBlockRoot: header.parentBeaconBlockRoot)
        var left = Self.treeBytes
        for (index, transaction) in stored.block.transactions.enumerated() {
            let tree = CallTree(limit: left)
            _ = try executor.process(
                RecoveredTransaction(
                    transaction, hash: stored.transactionHashes[index],
                    sender: stored.senders[index]), tracer: tree)
            guard !tree.isTooLarge else {
                throw ExportError(
                    "the calls of block \(header.number) take more than "
                        + "\(Self.treeBytes >> 20) MiB: export the blocks before and after it")
            }
            left -= tree.size
            body(index, tree)
        }
    }

    private func forEachContract(
        of stored: StoredBlock, _ body: ([ExportValue]) -> Void
    ) throws {
        var count: UInt64 = 0
        try forEachTree(of: stored) { index, tree in
            forEachFrame(of: tree) { frame, place in
                guard frame.isCreation, place.isLasting else { return }
                let (initCode, code) = (frame.entry.input, frame.exit?.output ?? [])
                body([
                    .number(stored.number), .text("\(stored.hash)"), .number(count),
                    .text("\(stored.transactionHashes[index])"),
                    .text("\(frame.entry.recipient)"), .text("\(stored.senders[index])"),
                    .text("\(frame.entry.caller)"), .text(Hex.encode(initCode)),
                    .text(Hex.encode(code)), .text("\(keccak256(initCode))"),
                    .number(UInt64(initCode.count)), .number(UInt64(code.count)),
                    .text("\(keccak256(code))"), .number(view.config.chainId),
                ])
                count += 1
            }
        }
    }

    private func forEachTrace(
        of stored: StoredBlock, _ body: ([ExportValue]) -> Void
    ) throws {
        guard stored.number > 0 else { return }
        try forEachTree(of: stored) { index, tree in
            forEachFrame(of: tree) { frame, place in
                body(row(of: stored, index, tree, frame, place))
            }
        }
        let context = ExecutionContext(header: stored.block.header, config: view.config)
        for (index, reward) in blockRewards(ommers: stored.block.ommers, in: context).enumerated() {
            body([
                .number(stored.number), .none, .none, .none, .text("\(reward.recipient)"),
                .amount(reward.amount), .none, .none, .text("reward"), .none,
                .text(index == 0 ? "block" : "uncle"), .none, .none, .number(0), .list([]), .none,
                .number(1), .text("reward_\(stored.number)_\(index)"),
            ])
        }
    }

    /// Where a frame stands among those of its transaction.
    private struct FramePlace {
        let address: [Int]
        let callCount: Int
        /// Whether it and all that it is in succeeded.
        let isLasting: Bool
        var isOutermost: Bool { address.isEmpty }
    }

    /// Each frame before those that it made; calls of precompiles are left out, as `trace_block` does.
    private func forEachFrame(
        of tree: CallTree, _ body: (CallTree.Frame, FramePlace) -> Void
    ) {
        var failedDepth: Int?
        tree.forEachFlat(precompiles: .left) { index, address, callCount in
            let frame = tree.frames[index]
            if let depth = failedDepth, address.count > depth {
                return body(
                    frame, FramePlace(address: address, callCount: callCount, isLasting: false))
            }
            failedDepth = frame.halt == nil ? nil : address.count
            body(
                frame,
                FramePlace(
                    address: address, callCount: callCount, isLasting: frame.halt == nil))
        }
    }

    private func row(
        of stored: StoredBlock, _ index: Int, _ tree: CallTree, _ frame: CallTree.Frame,
        _ place: FramePlace
    ) -> [ExportValue] {
        let entry = frame.entry
        let isDestruction = entry.kind == .selfDestruct
        let hasResult = !isDestruction && (frame.halt == nil || frame.halt == .reverted)
        let gasUsed = place.isOutermost ? tree.gasUsed : frame.exit?.gasUsed ?? 0
        let hash = stored.transactionHashes[index]
        let address = place.address.map(String.init)
        let type = entry.kind.flatType
        return [
            .number(stored.number), .text("\(hash)"), .number(UInt64(index)),
            .text("\(entry.caller)"),
            frame.isCreation && frame.halt != nil
                ? .none : .text("\(isDestruction ? entry.recipient : frame.target)"),
            .amount(entry.kind == .staticCall ? .zero : entry.value),
            isDestruction ? .none : .text(Hex.encode(entry.input)),
            hasResult ? .text(Hex.encode(frame.exit?.output ?? [])) : .none, .text(type),
            type == "call" ? .text(entry.kind.tracedName.lowercased()) : .none, .none,
            isDestruction ? .none : .number(entry.gas), hasResult ? .number(gasUsed) : .none,
            .number(UInt64(place.callCount)), .list(address),
            frame.halt == nil ? .none : .text(ParityError.text(of: frame)),
            .number(place.isLasting ? 1 : 0),
            .text("\(type)_\(hash)_" + address.joined(separator: "_")),
        ]
    }
}
