import Chain
import EthereumTypes
import Execution
import Primitives
import State
import Storage

/// Accounts, codes and transactions as anvil, Besu and reth list them.
extension DebugNamespace {
    var accountMethods: [RPCMethod] {
        [
            RPCMethod(
                "debug_accountAt", ["block", "transactionIndex", "address"],
                aliases: ["debug_accountInfoAt"], execution: accountAt),
            RPCMethod("debug_codeByHash", ["hash", "block"], execution: codeByHash),
            RPCMethod("debug_getRawTransactions", ["block"], execution: getRawTransactions),
            RPCMethod("debug_getAccessibleState", ["from", "to"], instant: getAccessibleState),
            RPCMethod("debug_clearTxpool", instant: clearPool),
        ]
    }

    /// An account after a transaction of a block.
    private func accountAt(
        context: RPCContext, _ reference: BlockReference, _ index: LenientQuantity,
        _ address: Address
    ) throws -> AccountAfterTransaction? {
        let chain = ChainAccess(services)
        let block = try chain.requireBlock(reference)
        let index = Int(clamping: try index.uint64())
        guard index < block.block.transactions.count else {
            throw RPCError.server(
                "transaction index \(index) out of range for block \(block.hash)")
        }
        let replay = try BlockReplay(block, chain)
        try replay.skip(to: index + 1, in: context)
        let state = replay.state()
        guard let account = try state.account(address) else { return nil }
        return AccountAfterTransaction(
            account: account,
            code: account.hasCode ? try state.code(account.codeHash) : [])
    }

    /// A code by its hash. Codes are never forgotten, so a block makes no difference.
    private func codeByHash(
        _: RPCContext, _ hash: Hash256, _: BlockReference?
    ) throws -> HexData? {
        if hash == .keccakEmpty { return HexData([]) }
        return (try? ChainAccess(services).view.state.code(hash)).map { HexData($0) }
    }

    private func getRawTransactions(
        _: RPCContext, _ reference: BlockReference
    ) throws -> [HexData] {
        try ChainAccess(services).requireBlock(reference).block.transactions.map {
            HexData($0.encoded())
        }
    }

    /// The first block from one towards another whose state is there.
    private func getAccessibleState(
        _: RPCContext, _ from: BlockTag, _ to: BlockTag
    ) throws -> UInt64 {
        let chain = ChainAccess(services)
        let first = try chain.number(of: from == .pending ? .latest : from)
        let last = try chain.number(of: to == .pending ? .latest : to)
        if first == last {
            throw RPCError.server("from and to needs to be different")
        }
        let retained = chain.view.oldestState...chain.head.number
        if retained.contains(first) { return first }
        let nearest = first < retained.lowerBound ? retained.lowerBound : retained.upperBound
        guard min(first, last)...max(first, last) ~= nearest else {
            throw RPCError.server("no state found")
        }
        return nearest
    }

    private func clearPool(_: RPCContext) -> NullResult {
        services.pool.removeAll()
        return NullResult()
    }
}

/// An account with its code (Besu).
private struct AccountAfterTransaction: RPCResult {
    let account: Account
    let code: Bytes

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("code")
            writer.hexData(code)
            writer.key("nonce")
            writer.hexQuantity(account.nonce)
            writer.key("balance")
            writer.hexQuantity(account.balance)
            writer.key("codehash")
            writer.hash(account.codeHash)
        }
    }

    static let schema: JSONValue = [
        "type": "object", "title": "AccountWithCode",
        "required": ["code", "nonce", "balance", "codehash"],
        "properties": [
            "code": HexData.schema, "nonce": UInt64.schema, "balance": UInt256.schema,
            "codehash": Hash256.schema,
        ],
    ]
}
