import Chain
import EVM
import EthereumTypes
import Execution
import Primitives
import Storage

/// The methods of the block explorer Otterscan (`ots`, API level 8), and the one of Erigon's that it
/// probes first.
///
/// Who sent a nonce and who made a contract is found in the account histories, in O(log n) reads; the
/// transactions of an address in an index, if the node keeps one.
struct OtterscanNamespace: Sendable {
    let services: RPCServices

    var methods: [RPCMethod] {
        [
            RPCMethod("ots_getApiLevel", instant: { (_: RPCContext) in DecimalNumber(8) }),
            RPCMethod(
                "erigon_getHeaderByNumber", ["block"], aliases: ["ots_getHeaderByNumber"],
                instant: getHeaderByNumber),
            RPCMethod("ots_hasCode", ["address", "block"], instant: hasCode),
            RPCMethod(
                "ots_getBlockDetails", ["block"], result: Schema.nullable(Schema.blockDetails),
                execution: getBlockDetails),
            RPCMethod(
                "ots_getBlockDetailsByHash", ["hash"], result: Schema.nullable(Schema.blockDetails),
                execution: getBlockDetailsByHash),
            RPCMethod(
                "ots_getBlockTransactions", ["block", "page", "pageSize"],
                result: Schema.nullable(Schema.blockPage), execution: getBlockTransactions),
            RPCMethod(
                "ots_getTransactionBySenderAndNonce", ["address", "nonce"],
                execution: getTransactionBySenderAndNonce),
            RPCMethod(
                "ots_getContractCreator", ["address"],
                result: Schema.nullable(Schema.contractCreator), execution: getContractCreator),
            RPCMethod("ots_getTransactionError", ["hash"], execution: getTransactionError),
            RPCMethod(
                "ots_getInternalOperations", ["hash"], result: Schema.internalOperations,
                execution: getInternalOperations),
            RPCMethod(
                "ots_traceTransaction", ["hash"], result: Schema.tracedCalls,
                execution: traceTransaction),
        ] + searchMethods
    }

    // MARK: Blocks

    private func getHeaderByNumber(_: RPCContext, _ tag: BlockTag) throws -> HeaderResult? {
        let chain = ChainAccess(services)
        let number = try chain.number(of: tag)
        guard let header = try chain.view.header(number),
            let hash = try chain.view.canonicalHash(number)
        else { return nil }
        return HeaderResult(header: header, hash: hash)
    }

    private func hasCode(
        _: RPCContext, _ address: Address, _ block: BlockReference?
    ) throws -> Bool {
        let account = try ChainAccess(services).state(at: block).account(address)
        return (account?.codeHash ?? .keccakEmpty) != .keccakEmpty
    }

    private func getBlockDetails(_: RPCContext, _ tag: BlockTag) throws -> JSONValue? {
        let chain = ChainAccess(services)
        return try chain.block(tag).map { try details(of: $0, chain) }
    }

    private func getBlockDetailsByHash(_: RPCContext, _ hash: Hash256) throws -> JSONValue? {
        let chain = ChainAccess(services)
        return try chain.view.block(hash: hash).map { try details(of: $0, chain) }
    }

    /// The block without transactions and filter, what it issued and what its transactions paid.
    private func details(of block: StoredBlock, _ chain: ChainAccess) throws -> JSONValue {
        var shown = try shell(of: block)
        shown["transactions"] = nil
        let context = ExecutionContext(header: block.block.header, config: chain.config)
        let rewards = blockRewards(ommers: block.block.ommers, in: context).map(\.amount)
        let uncles = rewards.dropFirst().reduce(UInt256.zero) { $0 &+ $1 }
        let own = rewards.first ?? .zero
        let fees = try chain.receipts(of: block)?.results.reduce(UInt256.zero) { sum, receipt in
            let price = receipt.transaction.effectiveGasPrice(
                baseFee: block.block.header.baseFeePerGas)
            return sum &+ UInt256(receipt.gasUsed) &* price
        }
        return [
            "block": .object(shown),
            "issuance": [
                "blockReward": .string(own.hexQuantity),
                "uncleReward": .string(uncles.hexQuantity),
                "issuance": .string((own &+ uncles).hexQuantity),
            ],
            "totalFees": .string((fees ?? .zero).hexQuantity),
        ]
    }

    /// A page of a block's transactions with their receipts. Page 0 is the end of the block.
    private func getBlockTransactions(
        _: RPCContext, _ tag: BlockTag, _ page: LenientQuantity, _ pageSize: LenientQuantity
    ) throws -> JSONValue? {
        let chain = ChainAccess(services)
        guard let block = try chain.block(tag) else { return nil }
        let count = block.block.transactions.count
        // Beyond the block both bounds come to its beginning, whatever was asked for.
        let size = Int(clamping: min(try pageSize.uint64(), UInt64(count)))
        let end = count - min(Int(clamping: min(try page.uint64(), UInt64(count))) * size, count)
        let range = max(0, end - size)..<end
        var shown = try shell(of: block)
        shown["transactions"] = .array(
            try range.map { index in
                var transaction = try parsed(
                    TransactionResult(
                        transaction: block.block.transactions[index],
                        hash: block.transactionHashes[index], sender: block.senders[index],
                        place: TransactionPlace(
                            blockHash: block.hash, blockNumber: block.number,
                            blockTimestamp: block.block.header.timestamp, index: index,
                            baseFeePerGas: block.block.header.baseFeePerGas)))
                // The explorer shows the selector alone.
                let input = block.block.transactions[index].data.prefix(4)
                transaction["input"] = .string(Hex.encode(Bytes(input)))
                return .object(transaction)
            })
        let receipts = try chain.receipts(of: block)?.results ?? []
        return [
            "fullblock": .object(shown),
            "receipts": .array(
                try receipts[range.clamped(to: receipts.indices)].map { receipt in
                    var shown = try parsed(receipt)
                    shown["logs"] = .null
                    shown["logsBloom"] = .null
                    return .object(shown)
                }),
        ]
    }

    /// A block as `eth_getBlockByNumber` has it, without its filter, with a count.
    private func shell(of block: StoredBlock) throws -> JSONObject {
        var shown = try parsed(
            BlockResult(
                block: block.block, senders: block.senders,
                transactionHashes: block.transactionHashes, detail: .hashes, hash: block.hash))
        shown["logsBloom"] = .null
        shown["transactionCount"] = .number(String(block.block.transactions.count))
        return shown
    }

    func parsed(_ result: some RPCResult) throws -> JSONObject {
        try JSONValue(parsing: result.encoded()).objectValue ?? JSONObject()
    }

    // MARK: Search

    private func getTransactionBySenderAndNonce(
        _: RPCContext, _ address: Address, _ nonce: LenientQuantity
    ) throws -> Hash256? {
        let chain = ChainAccess(services)
        guard let nonce = nonce.value.asUInt64 else { return nil }
        // The first block after which the nonce is used up.
        let number = try chain.firstBlock { state in
            try state.account(address).map { $0.nonce > nonce } ?? false
        }
        guard let number, let block = try chain.view.block(number) else { return nil }
        for (index, transaction) in block.block.transactions.enumerated()
        where transaction.nonce == nonce && block.senders[index] == address {
            return block.transactionHashes[index]
        }
        return nil
    }

    private func getContractCreator(
        context: RPCContext, _ address: Address
    ) throws -> JSONValue? {
        let chain = ChainAccess(services)
        let number = try chain.firstBlock { state in
            try state.account(address).map { $0.codeHash != .keccakEmpty } ?? false
        }
        guard let number, number > 0, let block = try chain.view.block(number) else { return nil }
        let replay = try BlockReplay(block, chain)
        var creator: JSONValue?
        for hash in block.transactionHashes {
            let tree = CallTree(limit: context.limits.traceBytes)
            try replay.run(tracer: tree, in: context)
            guard !tree.isTooLarge else { throw RPCError.traceTooLarge }
            for frame in tree.effectiveFrames
            where frame.isCreation && frame.entry.recipient == address {
                creator = [
                    "hash": .string(hash.description),
                    "creator": .string(frame.entry.caller.description),
                ]
            }
        }
        return creator
    }

    // MARK: Traces

    private func getTransactionError(context: RPCContext, _ hash: Hash256) throws -> HexData {
        guard
            let replay = try ChainAccess(services).replay(before: hash, in: context)
        else { throw RPCError.server("transaction not found") }
        let outcome = try replay.run(tracer: nil, in: context)
        return HexData(outcome.halt == .reverted ? outcome.output : [])
    }

    /// What moved ether or made and ended contracts below the transaction's own message.
    private func getInternalOperations(
        context: RPCContext, _ hash: Hash256
    ) throws -> EncodedJSON {
        let tree = try tree(of: hash, context)
        var writer = JSONWriter()
        writer.array { writer in
            for frame in tree.effectiveFrames where frame.entry.depth > 0 {
                let type: Int
                switch frame.entry.kind {
                case .call where !frame.entry.value.isZero: type = 0
                case .selfDestruct: type = 1
                case .create: type = 2
                case .create2: type = 3
                case .call, .callCode, .delegateCall, .staticCall: continue
                }
                writer.object { writer in
                    writer.key("type")
                    writer.number(type)
                    writer.key("from")
                    writer.address(frame.entry.caller)
                    writer.key("to")
                    writer.address(frame.target)
                    writer.key("value")
                    writer.hexQuantity(frame.entry.value)
                }
            }
        }
        return EncodedJSON(writer.bytes)
    }

    private func traceTransaction(context: RPCContext, _ hash: Hash256) throws -> EncodedJSON {
        let tree = try tree(of: hash, context)
        var writer = JSONWriter()
        writer.beginArray()
        for frame in tree.frames {
            let entry = frame.entry
            writer.object { writer in
                writer.key("type")
                writer.string(entry.kind.tracedName)
                writer.key("depth")
                writer.number(entry.depth)
                writer.key("from")
                writer.address(entry.caller)
                writer.key("to")
                writer.address(frame.target)
                writer.key("value")
                if entry.kind == .staticCall || entry.kind == .delegateCall {
                    writer.null()
                } else {
                    writer.hexQuantity(entry.value)
                }
                writer.key("input")
                writer.hexData(entry.input)
                writer.key("output")
                writer.hexData(frame.exit?.output ?? [])
            }
            guard writer.bytes.count <= context.limits.traceBytes else {
                throw RPCError.traceTooLarge
            }
        }
        writer.endArray()
        return EncodedJSON(writer.bytes)
    }

    private func tree(of hash: Hash256, _ context: RPCContext) throws -> CallTree {
        guard
            let replay = try ChainAccess(services).replay(before: hash, in: context)
        else { throw RPCError.server("transaction not found") }
        let tree = CallTree(limit: context.limits.traceBytes)
        try replay.run(tracer: tree, in: context)
        guard !tree.isTooLarge else { throw RPCError.traceTooLarge }
        return tree
    }
}

extension CallTree {
    /// The frames that took effect: neither they nor their callers failed.
    var effectiveFrames: [Frame] {
        var hasFailed = [Bool](repeating: false, count: frames.count)
        // A frame comes after its caller.
        for index in frames.indices {
            if frames[index].halt != nil { hasFailed[index] = true }
            if hasFailed[index] { for call in frames[index].calls { hasFailed[call] = true } }
        }
        return zip(frames, hasFailed).filter { !$0.1 }.map(\.0)
    }
}
