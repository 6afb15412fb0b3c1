import EVM
import EthereumTypes
import Execution
import Primitives

/// The access lists of calls: `eth_createAccessList`.
extension EthNamespace {
    /// The accounts and slots that a call touches, as an access list (EIP-2930). The list is found by
    /// running the call with the list of the run before until nothing new turns up, as geth does.
    func createAccessList(
        context: RPCContext, _ request: TransactionRequest, _ block: BlockReference?,
        _ overrides: StateOverridesParameter?
    ) throws -> AccessListResult {
        var scene = try CallScene(chain(), block, overrides, nil)
        var call = try scene.call(request)
        let gasCap = context.limits.callGas
        let nonce =
            try request.nonce ?? scene.state.account(call.from)?.nonce ?? 0
        let ignored = try scene.ignoredInAccessList(call, nonce: nonce, gasCap: gasCap)
        var accesses = Accesses(call.accessList, ignoring: ignored)
        for _ in 0..<Self.accessListRounds {
            call.accessList = accesses.list
            let tracer = AccessListTracer(ignoring: ignored, startingWith: call.accessList)
            let outcome: TransactionOutcome
            do {
                outcome = try context.limited { cancellation throws(TransactionError) in
                    scene.context.cancellation = cancellation
                    return try scene.execute(call, gasCap: gasCap, tracer: tracer)
                }
            } catch TransactionError.invalid(let reason) {
                let hash = scene.hash(of: call, nonce: nonce, gasCap: gasCap)
                throw RPCError.server(
                    "failed to apply transaction: \(hash) err: "
                        + reason.gethText(sender: call.from, nonce: nonce))
            }
            if tracer.accesses == accesses {
                return AccessListResult(
                    accessList: call.accessList,
                    error: outcome.halt.map {
                        scene.context.gethText(of: $0, calling: call.to, with: call.data)
                    }, gasUsed: outcome.gasUsed)
            }
            accesses = tracer.accesses
        }
        throw RPCError.server("the accesses of the call do not settle")
    }

    /// A list settles in two or three runs, unless the code looks at its own gas.
    private static let accessListRounds = 16
}

extension CallScene {
    /// Accounts that are left out of an access list: sender, recipient or new contract, precompiles,
    /// and who signed valid authorizations.
    ///
    /// - Throws: geth's error if there are more authorizations than the gas pays for.
    fileprivate func ignoredInAccessList(
        _ call: CallRequest, nonce: Nonce, gasCap: Gas
    ) throws(RPCError) -> Set<Address> {
        var ignored = Set(Precompiles.addresses(at: context.fork))
        ignored.insert(call.from)
        ignored.insert(call.to ?? contractAddress(creator: call.from, nonce: nonce))
        let authorizations = call.authorizationList ?? []
        let payable = min(call.gas ?? gasCap, gasCap) / Self.authorizationGas
        guard UInt64(authorizations.count) <= payable else {
            throw .server("insufficient gas to process all authorizations")
        }
        let chainId = UInt256(context.config.chainId)
        for authorization in authorizations
        where authorization.chainId.isZero || authorization.chainId == chainId {
            guard authorization.nonce < .max, let authority = authorization.authority() else {
                continue
            }
            ignored.insert(authority)
        }
        return ignored
    }

    /// What an authorization costs at first (EIP-7702).
    private static let authorizationGas: Gas = 25_000

    /// The hash of the transaction, without a signature, that geth makes of a call.
    fileprivate func hash(of call: CallRequest, nonce: Nonce, gasCap: Gas) -> Hash256 {
        var type = TransactionType.dynamicFee
        var fees: (cap: Wei, priority: Wei) = (.zero, .zero)
        if call.authorizationList != nil {
            type = .setCode
        } else if call.blobVersionedHashes != nil {
            type = .blob
        }
        switch call.fees {
        case .none: if context.baseFeePerGas == nil { type = .legacy }
        case .gasPrice(let price):
            type = .legacy
            fees = (price, price)
        case .dynamic(let cap, let priority): fees = (cap, priority)
        }
        return Transaction(
            type: type, chainId: type == .legacy ? nil : context.config.chainId, nonce: nonce,
            maxPriorityFeePerGas: fees.priority, maxFeePerGas: fees.cap,
            gasLimit: min(call.gas ?? gasCap, gasCap), to: call.to, value: call.value,
            data: call.data, accessList: call.accessList,
            maxFeePerBlobGas: call.maxFeePerBlobGas ?? .zero,
            blobVersionedHashes: call.blobVersionedHashes ?? [],
            authorizationList: call.authorizationList ?? []
        ).hash()
    }
}

/// Accounts with slots of theirs.
struct Accesses: Hashable {
    private var slots: [Address: Set<UInt256>] = [:]

    /// What a list has, without the accounts that are ignored.
    init(_ list: AccessList, ignoring ignored: Set<Address>) {
        for entry in list where !ignored.contains(entry.address) {
            slots[entry.address, default: []].formUnion(entry.storageKeys.map(\.uint256))
        }
    }

    mutating func insert(_ address: Address) { slots[address, default: []].formUnion([]) }

    mutating func insert(_ address: Address, slot: UInt256) {
        slots[address, default: []].insert(slot)
    }

    /// The same as a list, sorted by addresses and by keys.
    var list: AccessList {
        slots.sorted { $0.key < $1.key }.map { address, slots in
            AccessListEntry(address: address, storageKeys: slots.sorted().map { Hash256($0) })
        }
    }
}

/// Collects the accounts that instructions name and the slots that they use: geth's
/// `AccessListTracer`. Contracts that CREATE makes and the delegates of accounts (EIP-7702) are not
/// named.
final class AccessListTracer: Tracer {
    private let ignored: Set<Address>
    private(set) var accesses: Accesses

    init(ignoring ignored: Set<Address>, startingWith list: AccessList) {
        self.ignored = ignored
        accesses = Accesses(list, ignoring: ignored)
    }

    func accountAccess(_ address: Address) {
        if !ignored.contains(address) { accesses.insert(address) }
    }

    func storageAccess(_ address: Address, slot: UInt256) {
        // Also those of accounts that are ignored otherwise: their slots are cold.
        accesses.insert(address, slot: slot)
    }
}

struct AccessListResult: RPCResult {
    let accessList: AccessList
    let error: String?
    let gasUsed: Gas

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("accessList")
            writer.accessList(accessList)
            if let error {
                writer.key("error")
                writer.string(error)
            }
            writer.key("gasUsed")
            writer.hexQuantity(gasUsed)
        }
    }

    static let schema = Schema.object(
        "AccessListResult", ["accessList": Schema.accessList, "gasUsed": Schema.quantity],
        optional: ["error": Schema.text])
}
