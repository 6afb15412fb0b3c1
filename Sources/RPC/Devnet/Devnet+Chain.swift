import BlockProduction
import Chain
import Cryptography
import EthereumTypes
import Primitives
import State
import TxPool

/// The chain as a whole: begun anew, or with other blocks at its end.
extension DevnetNamespace {
    var chainMethods: [RPCMethod] {
        [
            RPCMethod("anvil_reorg", ["depth", "transactions"], command: reorg),
            RPCMethod("anvil_setRpcUrl", ["url"], command: setRemote),
            RPCMethod("anvil_getGenesisTime", instant: genesisTime),
        ] + setter("reset", ["options"], reset)
            + setter("setMinGasPrice", ["price"], setMinGasPrice)
            + setter("setLoggingEnabled", ["enabled"], setLogging)
    }

    /// Goes back to the genesis block. A chain that copies another one there is none.
    private func reset(_: RPCContext, _ options: JSONValue?) async throws {
        if let options, options["forking"] != nil || options["jsonRpcUrl"] != nil {
            throw RPCError.noForking
        }
        try await devnet.reset()
    }

    private func setRemote(_: RPCContext, _: String) async throws -> NullResult {
        throw RPCError.noForking
    }

    /// No block of a chain with base fees has a least price.
    private func setMinGasPrice(_: RPCContext, _: LenientQuantity) async throws {
        throw RPCError.invalidParams(
            "anvil_setMinGasPrice is not supported when EIP-1559 is active")
    }

    /// Calls are not logged one by one, whatever is set here; tools set it all the same.
    private func setLogging(_: RPCContext, _: Bool) async throws {}

    private func genesisTime(_: RPCContext) throws -> DecimalNumber {
        DecimalNumber(try services.blockchain.head.view.header(0)?.timestamp ?? 0)
    }

    /// Replaces the last blocks by as many others. Each transaction, raw or described, comes with the
    /// index of the new block that it goes into.
    private func reorg(
        context: RPCContext, _ depth: LenientQuantity, _ transactions: [ReorgTransaction]?
    ) async throws -> NullResult {
        let depth = try depth.uint64()
        let head = services.blockchain.head
        guard depth <= head.number, depth <= context.limits.reorgBlocks else {
            throw RPCError.invalidParams("the depth is beyond the chain or the limit")
        }
        let transactions = transactions ?? []
        guard transactions.allSatisfy({ $0.block < depth }) else {
            throw RPCError.invalidParams("a transaction is for a block beyond the depth")
        }
        let blocks = try await context.execute { [self] in
            try contents(of: depth, transactions, on: head.view.state(at: head.number - depth))
        }
        _ = try await devnet.reorganise(depth: depth, to: blocks)
        return NullResult()
    }

    private func contents(
        of count: UInt64, _ transactions: [ReorgTransaction], on state: any StateReader
    ) throws -> [[RecoveredTransaction]] {
        var blocks = [[RecoveredTransaction]](repeating: [], count: Int(count))
        var nonces: [Address: Nonce] = [:]
        for entry in transactions.sorted(by: { $0.block < $1.block }) {
            switch entry.content {
            case .raw(let bytes):
                let transaction = try Transaction(encoded: bytes)
                guard transaction.impersonatedSender == nil,
                    let sender = transaction.recoverSender(at: services.pool.head.fork)
                else { throw RPCError.server("invalid sender") }
                nonces[sender] = transaction.nonce &+ 1
                blocks[Int(entry.block)].append(RecoveredTransaction(transaction, sender: sender))
            case .request(let request):
                guard let from = request.from ?? services.accounts.addresses.first else {
                    throw RPCError.server("unknown account")
                }
                let nonce =
                    try request.nonce ?? nonces[from] ?? state.account(from)?.nonce ?? 0
                nonces[from] = nonce &+ 1
                blocks[Int(entry.block)].append(
                    RecoveredTransaction(try complete(request, from, nonce), sender: from))
            }
        }
        return blocks
    }

    /// A transaction that any block takes, but for what its sender says otherwise.
    private func complete(
        _ request: TransactionRequest, _ from: Address, _ nonce: Nonce
    ) throws -> Transaction {
        try request.checkFees()
        let next = services.pool.head
        try request.check(chainId: next.config.chainId)
        let tip = request.maxPriorityFeePerGas ?? 0
        let cap = request.maxFeePerGas ?? ((next.baseFee ?? .zero) << 4 | tip)
        var transaction = Transaction(
            type: request.type, chainId: next.config.chainId, nonce: nonce,
            maxPriorityFeePerGas: request.gasPrice ?? tip,
            maxFeePerGas: request.gasPrice ?? cap,
            gasLimit: request.gas ?? min(next.gasLimit, Self.defaultGas), to: request.to,
            value: request.value ?? .zero, data: request.data ?? [],
            accessList: request.accessList ?? [],
            authorizationList: request.authorizationList ?? [])
        if devnet.isImpersonated(from) {
            transaction.impersonate(from)
        } else {
            transaction.sign(with: try services.accounts.key(of: from))
        }
        return transaction
    }

    /// Gas of a transaction that says nothing about it.
    private static let defaultGas: Gas = 1_000_000
}

/// A transaction of `anvil_reorg` with the index of its block.
struct ReorgTransaction: RPCParameter {
    enum Content {
        case raw(Bytes)
        case request(TransactionRequest)
    }

    let content: Content
    let block: UInt64

    static func decode(_ text: JSONText) throws(RPCParameterError) -> ReorgTransaction {
        guard let parts = text.elements, parts.count == 2 else {
            throw RPCParameterError("a pair of a transaction and the index of a block is wanted")
        }
        guard let block = try LenientQuantity.decode(parts[1]).value.asUInt64 else {
            throw RPCParameterError("number > 64 bits")
        }
        let content: Content =
            parts[0].isString
            ? .raw(try HexData.decode(parts[0]).bytes)
            : .request(try TransactionRequest.decode(parts[0]))
        return ReorgTransaction(content: content, block: block)
    }

    static let schema: JSONValue = [
        "type": "array", "title": "pair of transaction and block index",
    ]
}

extension RPCError {
    fileprivate static let noForking = RPCError.invalidParams(
        "forking another chain is not supported: this chain is its own")
}
