import BlockProduction
import Cryptography
import EthereumTypes
import Primitives
import TxPool

/// Accounts whose keys the node holds, and what it signs with them.
extension EthNamespace {
    var accountMethods: [RPCMethod] {
        [
            RPCMethod(
                "eth_accounts", aliases: ["eth_requestAccounts", "personal_listAccounts"],
                instant: accounts),
            RPCMethod(
                "eth_getTransactionCount", ["address", "block"], instant: getTransactionCount),
            RPCMethod("eth_sign", ["address", "message"], instant: sign),
            RPCMethod("personal_sign", ["message", "address"], instant: personalSign),
            RPCMethod("personal_ecRecover", ["message", "signature"], instant: recover),
            RPCMethod(
                "eth_signTypedData_v4", ["address", "typedData"],
                aliases: ["eth_signTypedData", "eth_signTypedData_v3"], execution: signTypedData),
            RPCMethod("eth_signTransaction", ["transaction"], execution: signTransaction),
            RPCMethod("eth_fillTransaction", ["transaction"], execution: fillTransaction),
        ]
    }

    /// The accounts that the node can send from: those whose keys it holds, then those that a devnet
    /// impersonates (anvil).
    private func accounts(_: RPCContext) -> [Address] {
        let own = services.accounts.addresses
        guard let devnet = services.devnet else { return own }
        return own + devnet.impersonated.subtracting(own).sorted()
    }

    /// The nonce of an account; at the pending block with what waits in the pool.
    private func getTransactionCount(
        _: RPCContext, _ address: Address, _ block: BlockReference?
    ) throws -> UInt64 {
        if block == .tag(.pending) { return try services.pool.pendingNonce(of: address) }
        return try chain().state(at: block).account(address)?.nonce ?? 0
    }

    /// Signs a message as a person does (EIP-191).
    private func sign(_: RPCContext, _ address: Address, _ message: HexData) throws -> HexData {
        let key = try services.accounts.key(of: address)
        return HexData(key.sign(personalMessageHash(message.bytes)).bytes)
    }

    /// The same with its parameters the other way round, as wallets have it.
    private func personalSign(
        _ context: RPCContext, _ message: HexData, _ address: Address
    ) throws -> HexData {
        try sign(context, address, message)
    }

    /// Who signed a message like that.
    private func recover(
        _: RPCContext, _ message: HexData, _ signature: HexData
    ) throws -> Address {
        guard signature.bytes.count == 65 else {
            throw RPCError.server("signature must be 65 bytes long")
        }
        guard let parsed = Signature(signature.bytes) else {
            throw RPCError.server("invalid Ethereum signature (V is not 27 or 28)")
        }
        guard
            let signer = recoverAddress(
                hash: personalMessageHash(message.bytes), signature: parsed)
        else { throw RPCError.server("recovery failed") }
        return signer
    }

    /// Signs typed data (EIP-712), given as an object or as a string that holds one.
    private func signTypedData(
        _: RPCContext, _ address: Address, _ typedData: JSONValue
    ) throws -> HexData {
        let key = try services.accounts.key(of: address)
        return HexData(key.sign(try TypedData(json: typedData).signingHash).bytes)
    }

    /// Signs a transaction that lacks nothing but its signature.
    private func signTransaction(
        context: RPCContext, _ request: TransactionRequest
    ) throws -> FilledTransaction {
        guard let from = request.from else { throw RPCError.server("unknown account") }
        if request.gas == nil { throw RPCError.server("gas not specified") }
        if request.gasPrice == nil,
            request.maxFeePerGas == nil || request.maxPriorityFeePerGas == nil
        {
            throw RPCError.server("missing gasPrice or maxFeePerGas/maxPriorityFeePerGas")
        }
        if request.nonce == nil { throw RPCError.server("nonce not specified") }
        let key = try services.accounts.key(of: from)
        return FilledTransaction(
            transaction: try fill(request, gasCap: context.limits.callGas).signed(with: key))
    }

    /// Adds to a transaction what it lacks, and does not sign it.
    private func fillTransaction(
        context: RPCContext, _ request: TransactionRequest
    ) throws -> FilledTransaction {
        FilledTransaction(transaction: try fill(request, gasCap: context.limits.callGas))
    }

    /// Adds what a transaction lacks, with geth's defaults: the next nonce, a tip as others paid it,
    /// twice the base fee for its changes, and an estimate of the gas.
    func fill(_ request: TransactionRequest, gasCap: Gas) throws -> Transaction {
        var request = request
        let chain = chain()
        let from = request.from ?? .zero
        try request.checkFees()
        try request.check(chainId: chain.config.chainId)
        if request.to == nil, request.data?.isEmpty ?? true {
            throw RPCError.server("contract creation without any data provided")
        }
        if request.blobVersionedHashes != nil {
            throw RPCError.server("blob transactions must be sent raw, with their blobs")
        }
        try fillFees(of: &request, chain)
        let nonce = try request.nonce ?? services.pool.pendingNonce(of: from)
        let gas =
            try request.gas
            ?? estimateGas(
                for: request, in: try CallScene(chain, .tag(.pending)), gasCap: gasCap)
        return Transaction(
            type: request.type, chainId: chain.config.chainId, nonce: nonce,
            maxPriorityFeePerGas: request.gasPrice ?? request.maxPriorityFeePerGas ?? .zero,
            maxFeePerGas: request.gasPrice ?? request.maxFeePerGas ?? .zero, gasLimit: gas,
            to: request.to, value: request.value ?? .zero, data: request.data ?? [],
            accessList: request.accessList ?? [],
            authorizationList: request.authorizationList ?? [])
    }

    private func fillFees(of request: inout TransactionRequest, _ chain: ChainAccess) throws {
        if request.gasPrice != nil { return }
        guard let baseFee = services.pool.head.baseFee else {
            request.gasPrice = try chain.suggestedTip()
            return
        }
        if request.maxPriorityFeePerGas == nil {
            let suggested = try chain.suggestedTip()
            request.maxPriorityFeePerGas =
                request.maxFeePerGas.map { min($0, suggested) } ?? suggested
        }
        if request.maxFeePerGas == nil {
            let (doubled, overflow) = baseFee.addingReportingOverflow(baseFee)
            let (cap, overflowAgain) = doubled.addingReportingOverflow(
                request.maxPriorityFeePerGas ?? .zero)
            request.maxFeePerGas = overflow || overflowAgain ? .max : cap
        }
        try request.checkFees()
    }
}

/// A transaction and its encoding.
struct FilledTransaction: RPCResult {
    let transaction: Transaction

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("raw")
            writer.hexData(transaction.encoded())
            writer.key("tx")
            TransactionFields(transaction: transaction).write(to: &writer)
        }
    }

    static let schema = Schema.object(
        "FilledTransaction", ["raw": Schema.data, "tx": Schema.transactionFields])
}
