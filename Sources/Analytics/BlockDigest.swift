import Chain
import EVM
import EthereumTypes
import Primitives

/// In which roles an address appears in a transaction.
public struct Roles: OptionSet, Hashable, Sendable {
    /// A bit for each role.
    public let rawValue: UInt16

    /// Roles by their bits.
    public init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    /// It sent the transaction.
    public static let sender = Roles(rawValue: 1 << 0)
    /// The transaction names it as recipient.
    public static let recipient = Roles(rawValue: 1 << 1)
    /// It was made, by the transaction or by a contract in it.
    public static let created = Roles(rawValue: 1 << 2)
    /// It called or created inside of the transaction.
    public static let caller = Roles(rawValue: 1 << 3)
    /// It was called inside of the transaction, or its code was run.
    public static let called = Roles(rawValue: 1 << 4)
    /// It was destroyed.
    public static let destroyed = Roles(rawValue: 1 << 5)
    /// It got the balance of a contract that was destroyed.
    public static let beneficiary = Roles(rawValue: 1 << 6)
    /// It logged.
    public static let logger = Roles(rawValue: 1 << 7)
    /// A token moved from or to it.
    public static let tokenHolder = Roles(rawValue: 1 << 8)
    /// The protocol paid a withdrawal to it.
    public static let withdrawal = Roles(rawValue: 1 << 9)
    /// It is the coinbase of the block.
    public static let coinbase = Roles(rawValue: 1 << 10)

    /// The names of the roles, in the order of the bits.
    public static let names = [
        "sender", "recipient", "created", "caller", "called", "destroyed", "beneficiary", "logger",
        "token_holder", "withdrawal", "coinbase",
    ]

    /// The names of those that it has.
    public var names: [String] {
        Self.names.enumerated().compactMap { rawValue >> $0 & 1 == 1 ? $1 : nil }
    }
}

/// What a block means to the index: a function of what is committed, without any look at the index.
///
/// Everything stands in the order in which it is met, so that the same block always gives the same
/// entries in the same order.
struct BlockDigest {
    /// What one address did in the block.
    struct AddressPart {
        let address: Address
        var appearances: UInt64 = 0
        var isActive = false
        /// Where its last one stands; before the first there is none.
        fileprivate var lastAppearance = -1
        var activity = ActivityTotals()
    }

    /// What two addresses had to do with each other, as the first sees it. Addresses are meant by
    /// their places in ``addresses``, here and below.
    struct Pair {
        let first: Int
        let second: Int
        var totals = PeerTotals()
    }

    /// One address in one transaction.
    struct Appearance {
        let address: Int
        let transaction: UInt32
        var roles: Roles
    }

    /// A movement of tokens, with its holders: none for the zero address.
    struct Transfer {
        let transfer: TokenTransfer
        let from: Int?
        let to: Int?
    }

    private(set) var addresses: [AddressPart] = []
    /// Where an address stands in ``addresses``.
    private(set) var places: [Address: Int] = [:]
    private(set) var appearances: [Appearance] = []
    private(set) var pairs: [Pair] = []
    private(set) var transfers: [Transfer] = []
    private(set) var deployments: [(call: UInt32, deployment: Deployment)] = []
    /// Of each transaction that has any.
    private(set) var movements: [(transaction: UInt32, inside: [InnerMovement])] = []
    private(set) var network = NetworkTotals()

    private let block: BlockNumber
    private var pairIndex: [UInt64: Int] = [:]
    /// Where the appearances of the transaction at hand begin.
    private var firstAppearance = 0

    init(_ committing: CommittingBlock, blobBaseFee: Wei) {
        let stored = committing.stored
        let header = stored.block.header
        block = header.number
        network.blocks = 1
        network.gasUsed = header.gasUsed
        network.gasLimit = header.gasLimit
        let baseFee = header.baseFeePerGas ?? .zero
        network.baseFeeSum = baseFee
        network.baseFeeLeast = baseFee
        network.baseFeeMost = baseFee
        network.lastBlock = header.number
        places.reserveCapacity(2 * stored.senders.count + 2)

        var calls = committing.calls[...]
        var callIndex: UInt32 = 0
        var logIndex: UInt32 = 0
        var gasBefore: Gas = 0
        for (index, transaction) in stored.block.transactions.enumerated() {
            let end = calls.firstIndex { $0.transactionIndex != index } ?? calls.endIndex
            let receipt = committing.receipts[index]
            add(
                transaction, index: UInt32(index), sender: stored.senders[index],
                calls: calls[calls.startIndex..<end], callIndex: callIndex, receipt,
                logIndex: logIndex, gasUsed: receipt.cumulativeGasUsed - gasBefore,
                baseFee: header.baseFeePerGas, blobBaseFee: blobBaseFee)
            callIndex += UInt32(end - calls.startIndex)
            logIndex += UInt32(receipt.logs.count)
            gasBefore = receipt.cumulativeGasUsed
            calls = calls[end...]
        }
        firstAppearance = appearances.count
        let outside = AnalyticsPlugin.outsideTransaction
        appear(header.coinbase, .coinbase, outside)
        for withdrawal in stored.block.withdrawals ?? [] {
            let part = appear(withdrawal.address, .withdrawal, outside)
            addresses[part].activity.withdrawn =
                addresses[part].activity.withdrawn &+ withdrawal.amountInWei
        }
    }

    private mutating func add(
        _ transaction: Transaction, index: UInt32, sender: Address,
        calls: ArraySlice<CallRecord>, callIndex: UInt32, _ receipt: Receipt, logIndex: UInt32,
        gasUsed: Gas, baseFee: Wei?, blobBaseFee: Wei
    ) {
        let place = Place(block: block, transaction: index)
        firstAppearance = appearances.count
        let recipient =
            transaction.to ?? contractAddress(creator: sender, nonce: transaction.nonce)
        // A transaction that ends before its message begins has no record: its contract's address
        // is taken.
        let isFailed = calls.first.map { $0.outcome == .failed } ?? true
        let price = transaction.effectiveGasPrice(baseFee: baseFee)
        let blobFee = UInt256(transaction.blobGas) &* blobBaseFee
        let fee = UInt256(gasUsed) &* price &+ blobFee
        let burned = UInt256(gasUsed) &* (baseFee ?? .zero)
        network.transactions += 1
        network.failed += isFailed ? 1 : 0
        network.burned = network.burned &+ burned &+ blobFee
        network.tips = network.tips &+ (UInt256(gasUsed) &* price &- burned)
        network.blobGasUsed += transaction.blobGas

        let from = appear(sender, .sender, index)
        let to = appear(recipient, transaction.to == nil ? .created : .recipient, index)
        addresses[from].isActive = true
        addresses[from].activity.sent += 1
        addresses[from].activity.failed += isFailed ? 1 : 0
        addresses[from].activity.fees = addresses[from].activity.fees &+ fee
        addresses[from].activity.gasUsed += gasUsed
        addresses[to].isActive = true
        addresses[to].activity.received += 1
        if from != to { pairs[pair(from, to, place)].totals.transactionsOut += 1 }
        for (offset, call) in calls.enumerated() {
            add(call, callIndex + UInt32(offset), deployer: sender, place)
        }
        let inside = InnerMovement.all(of: calls, receipt)
        if !inside.isEmpty { movements.append((index, inside)) }
        for (offset, log) in receipt.logs.enumerated() {
            appear(log.address, .logger, index)
            for transfer in TokenTransfer.all(
                in: log, place: place, logIndex: logIndex + UInt32(offset))
            {
                network.tokenTransfers += 1
                let from = hold(transfer.from, index)
                let to = transfer.from == transfer.to ? from : hold(transfer.to, index)
                transfers.append(Transfer(transfer: transfer, from: from, to: to))
            }
        }
    }

    /// - Returns: `nil` for the zero address, which holds nothing.
    private mutating func hold(_ holder: Address, _ transaction: UInt32) -> Int? {
        guard !holder.isZero else { return nil }
        let part = appear(holder, .tokenHolder, transaction)
        addresses[part].activity.tokenTransfers += 1
        return part
    }

    private mutating func add(
        _ call: CallRecord, _ callIndex: UInt32, deployer: Address, _ place: Place
    ) {
        let index = place.transaction
        if call.depth > 0 {
            switch call.kind {
            case .call, .staticCall:
                appear(call.caller, .caller, index)
                appear(call.recipient, .called, index)
            case .callCode, .delegateCall:
                appear(call.caller, .caller, index)
                appear(call.codeAddress, .called, index)
            case .create, .create2:
                appear(call.caller, .caller, index)
                appear(call.recipient, .created, index)
            case .selfDestruct:
                appear(call.caller, .destroyed, index)
                appear(call.recipient, .beneficiary, index)
            }
        }
        if call.outcome == .succeeded, let creation = call.creation, let code = creation.codeHash {
            deployments.append(
                (
                    callIndex,
                    Deployment(
                        address: call.recipient, place: place, deployer: deployer,
                        factory: call.caller, initCodeHash: creation.initCodeHash, codeHash: code)
                ))
            network.contracts += 1
            let factory = self.index(of: call.caller)
            addresses[factory].activity.deployments += 1
            if call.caller != deployer {
                let part = self.index(of: deployer)
                addresses[part].activity.deployments += 1
            }
        }
        guard call.movesValue else { return }
        network.transfers += 1
        network.value = network.value &+ call.value
        let from = self.index(of: call.caller)
        addresses[from].activity.transfersOut += 1
        addresses[from].activity.valueOut = addresses[from].activity.valueOut &+ call.value
        let to = self.index(of: call.recipient)
        addresses[to].activity.transfersIn += 1
        addresses[to].activity.valueIn = addresses[to].activity.valueIn &+ call.value
        guard from != to else { return }
        let pair = self.pair(from, to, place)
        if call.depth > 0 { pairs[pair].totals.transfersOut += 1 }
        pairs[pair].totals.valueOut = pairs[pair].totals.valueOut &+ call.value
    }

    // MARK: - Places

    @discardableResult
    private mutating func appear(
        _ address: Address, _ roles: Roles, _ transaction: UInt32
    ) -> Int {
        let part = index(of: address)
        let last = addresses[part].lastAppearance
        if last >= firstAppearance {
            appearances[last].roles.formUnion(roles)
            return part
        }
        addresses[part].lastAppearance = appearances.count
        addresses[part].appearances += 1
        appearances.append(Appearance(address: part, transaction: transaction, roles: roles))
        return part
    }

    private mutating func index(of address: Address) -> Int {
        let next = addresses.count
        let index = places[address, default: next]
        guard index == next else { return index }
        places[address] = next
        addresses.append(AddressPart(address: address))
        return next
    }

    /// The pair in this direction; in the other it is another one.
    private mutating func pair(_ first: Int, _ second: Int, _ place: Place) -> Int {
        let key = UInt64(first) << 32 | UInt64(second)
        if let index = pairIndex[key] {
            pairs[index].totals.last = place
            return index
        }
        pairIndex[key] = pairs.count
        var pair = Pair(first: first, second: second)
        pair.totals.first = place
        pair.totals.last = place
        pairs.append(pair)
        return pairs.count - 1
    }
}
