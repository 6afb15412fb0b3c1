import BlockProduction
import Chain
import Cryptography
import EthereumTypes
import Execution
import Primitives
import TxPool

/// Transactions on their way into the chain.
extension EthNamespace {
    var sendingMethods: [RPCMethod] {
        [
            RPCMethod("eth_sendRawTransaction", ["data"], command: sendRawTransaction),
            RPCMethod(
                "eth_sendRawTransactionSync", ["data", "timeoutMilliseconds"],
                command: sendRawTransactionSync),
            RPCMethod("eth_sendTransaction", ["transaction"], command: sendTransaction),
            RPCMethod(
                "eth_sendTransactionSync", ["transaction", "timeoutMilliseconds"],
                command: sendTransactionSync),
            RPCMethod(
                "eth_resend", ["transaction", "gasPrice", "gasLimit"], command: resend),
            RPCMethod(
                "eth_sendUnsignedTransaction", ["transaction"], command: sendUnsignedTransaction),
            RPCMethod("eth_pendingTransactions", execution: pendingTransactions),
        ]
    }

    private func sendRawTransaction(context: RPCContext, _ data: HexData) async throws -> Hash256 {
        try await submit(data.bytes, context)
    }

    /// Sends a transaction and answers with its receipt (EIP-7966).
    private func sendRawTransactionSync(
        context: RPCContext, _ data: HexData, _ timeout: LenientQuantity?
    ) async throws -> ReceiptResult {
        let wanted = timeout.map { $0.value.clampedToUInt64 } ?? Self.defaultSyncMilliseconds
        let milliseconds = min(wanted, Self.maximumSyncMilliseconds)
        let hash = try await submit(data.bytes, context)
        return try await receipt(of: hash, within: milliseconds, context)
    }

    /// The same for a transaction that the node signs (anvil).
    private func sendTransactionSync(
        context: RPCContext, _ request: TransactionRequest, _ timeout: LenientQuantity?
    ) async throws -> ReceiptResult {
        let wanted = timeout.map { $0.value.clampedToUInt64 } ?? Self.defaultSyncMilliseconds
        let hash = try await sendTransaction(context: context, request)
        return try await receipt(
            of: hash, within: min(wanted, Self.maximumSyncMilliseconds), context)
    }

    /// Waits until a transaction is in a block.
    private func receipt(
        of hash: Hash256, within milliseconds: UInt64, _ context: RPCContext
    ) async throws -> ReceiptResult {
        let end = ContinuousClock.now + .milliseconds(Int64(milliseconds))
        while true {
            let (receipt, head) = try await context.execute {
                let chain = ChainAccess(services)
                return (try chain.receipt(of: hash), chain.head.hash)
            }
            if let receipt { return receipt }
            guard await hub.nextChange(after: head, before: end) else { break }
        }
        throw RPCError(
            code: 4,
            message: "The transaction was added to the transaction pool but wasn't processed in "
                + "\(milliseconds) milliseconds",
            data: .string(hash.description))
    }

    /// How long geth waits for a receipt if it is not told, and at most.
    private static let defaultSyncMilliseconds: UInt64 = 20_000
    private static let maximumSyncMilliseconds: UInt64 = 60_000

    /// Completes a transaction, signs it with a key of the node or, on a devnet, as an impersonated
    /// account, and sends it.
    private func sendTransaction(
        context: RPCContext, _ request: TransactionRequest
    ) async throws -> Hash256 {
        guard let from = request.from ?? services.accounts.addresses.first else {
            throw RPCError.server("unknown account")
        }
        let isImpersonated = services.devnet?.isImpersonated(from) ?? false
        let key = isImpersonated ? nil : try services.accounts.key(of: from)
        return try await send(request, from: from, signingWith: key, context)
    }

    /// Sends a transaction of any account, on a devnet (anvil).
    private func sendUnsignedTransaction(
        context: RPCContext, _ request: TransactionRequest
    ) async throws -> Hash256 {
        guard services.devnet != nil, let from = request.from else {
            throw RPCError.server("unknown account")
        }
        return try await send(request, from: from, signingWith: nil, context)
    }

    /// Completes a transaction and sends it. One without a nonce waits until those of its sender that
    /// came before have theirs.
    ///
    /// - Parameter key: the sender's; nil to send as an impersonated account.
    private func send(
        _ request: TransactionRequest, from: Address, signingWith key: PrivateKey?,
        _ context: RPCContext
    ) async throws -> Hash256 {
        if request.blobVersionedHashes != nil || request.maxFeePerBlobGas != nil {
            throw RPCError.server("signing blob transactions not supported")
        }
        var request = request
        request.from = from
        let complete = request
        let needsNonce = request.nonce == nil
        if needsNonce { await services.turnstiles.enter(from) }
        defer { if needsNonce { services.turnstiles.leave(from) } }
        var transaction = try await context.execute {
            try fill(complete, gasCap: context.limits.callGas)
        }
        if let key { transaction.sign(with: key) } else { transaction.impersonate(from) }
        return try await submit(transaction, sidecar: nil, context)
    }

    /// Replaces a transaction that waits by itself with another price (geth). The transaction is
    /// found by its contents, so it must be given as it was sent.
    private func resend(
        context: RPCContext, _ request: TransactionRequest, _ gasPrice: UInt256?,
        _ gasLimit: UInt64?
    ) async throws -> Hash256 {
        guard let nonce = request.nonce else {
            throw RPCError.server("missing transaction nonce in transaction spec")
        }
        guard let from = request.from else { throw RPCError.server("unknown account") }
        let waiting = services.pool.content(of: from)
        guard
            let found = (waiting.pending + waiting.queued).first(where: {
                $0.transaction.nonce == nonce && $0.transaction.to == request.to
                    && $0.transaction.value == request.value ?? .zero
                    && $0.transaction.data == request.data ?? []
            })
        else {
            throw RPCError.server("transaction \(Hash256.zero) not found")
        }
        var replacement = found.transaction
        if let gasPrice, !gasPrice.isZero {
            replacement.maxFeePerGas = gasPrice
            if replacement.type == .legacy || replacement.type == .accessList {
                replacement.maxPriorityFeePerGas = gasPrice
            }
        }
        if let gasLimit, gasLimit > 0 { replacement.gasLimit = gasLimit }
        if services.devnet?.isImpersonated(from) ?? false {
            replacement.impersonate(from)
        } else {
            replacement.sign(with: try services.accounts.key(of: from))
        }
        return try await submit(replacement, sidecar: nil, context)
    }

    private func pendingTransactions(_: RPCContext) -> [TransactionResult] {
        services.pool.all.map {
            TransactionResult(
                transaction: $0.transaction, hash: $0.hash, sender: $0.sender, place: nil)
        }
    }

    func submit(_ encoded: Bytes, _ context: RPCContext) async throws -> Hash256 {
        if let forward = services.forward { return try await forward(encoded) }
        if BlobTransactionWithSidecar.isWrapped(encoded) {
            let wrapped = try BlobTransactionWithSidecar(encoded: encoded)
            return try await submit(wrapped.transaction, sidecar: wrapped.sidecar, context)
        }
        let transaction = try Transaction(encoded: encoded)
        // The mark of impersonation is the node's own; whoever sends it has signed nothing.
        if transaction.impersonatedSender != nil {
            throw RPCError(InvalidTransaction.invalidSignature)
        }
        return try await submit(transaction, sidecar: nil, context)
    }

    private func submit(
        _ transaction: Transaction, sidecar: BlobSidecar?, _ context: RPCContext
    ) async throws -> Hash256 {
        if let devnet = services.devnet {
            return try await devnet.submit(transaction, sidecar: sidecar)
        }
        return try await context.execute { try services.pool.add(transaction, sidecar: sidecar) }
    }
}
