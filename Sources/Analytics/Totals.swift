public import Primitives
import Storage

// The sums that the index keeps. Each is exact at every block.

/// What an address did in some time, or what was done to it.
public struct ActivityTotals: Hashable, Sendable, TableValue {
    /// Transactions that it sent.
    public var sent: UInt64 = 0
    /// Transactions that name it as recipient, or that made it.
    public var received: UInt64 = 0
    /// Of those sent, the ones that failed.
    public var failed: UInt64 = 0
    /// Transfers of value to it, of transactions and of calls inside of them, that were not undone.
    public var transfersIn: UInt64 = 0
    /// Transfers of value from it.
    public var transfersOut: UInt64 = 0
    /// Wei that these brought.
    public var valueIn = Wei.zero
    /// Wei that these took.
    public var valueOut = Wei.zero
    /// Wei paid for gas and blobs of the transactions sent.
    public var fees = Wei.zero
    /// Gas used by the transactions sent.
    public var gasUsed: Gas = 0
    /// Contracts that it made, by transactions or as a factory.
    public var deployments: UInt64 = 0
    /// Token transfers from or to it.
    public var tokenTransfers: UInt64 = 0
    /// Wei that the protocol paid it: withdrawals. (Block rewards are in no transaction.)
    public var withdrawn = Wei.zero

    /// Nothing yet.
    public init() {}

    /// Transactions sent or received. One to itself counts once as each.
    public var transactions: UInt64 { sent + received }

    mutating func add(_ other: ActivityTotals) {
        sent += other.sent
        received += other.received
        failed += other.failed
        transfersIn += other.transfersIn
        transfersOut += other.transfersOut
        valueIn = valueIn &+ other.valueIn
        valueOut = valueOut &+ other.valueOut
        fees = fees &+ other.fees
        gasUsed = saturated(gasUsed, other.gasUsed)
        deployments += other.deployments
        tokenTransfers += other.tokenTransfers
        withdrawn = withdrawn &+ other.withdrawn
    }

    // What is zero takes no room but its bit: of most addresses nearly all is.

    init(_ record: inout Record) throws(StorageError) {
        let present = try record.number()
        func has(_ bit: UInt64) -> Bool { present >> bit & 1 == 1 }
        if has(0) { sent = try record.number() }
        if has(1) { received = try record.number() }
        if has(2) { failed = try record.number() }
        if has(3) { transfersIn = try record.number() }
        if has(4) { transfersOut = try record.number() }
        if has(5) { valueIn = try record.amount() }
        if has(6) { valueOut = try record.amount() }
        if has(7) { fees = try record.amount() }
        if has(8) { gasUsed = try record.number() }
        if has(9) { deployments = try record.number() }
        if has(10) { tokenTransfers = try record.number() }
        if has(11) { withdrawn = try record.amount() }
    }

    func write(to record: inout Record) {
        var present: UInt64 = sent > 0 ? 1 : 0
        if received > 0 { present |= 1 << 1 }
        if failed > 0 { present |= 1 << 2 }
        if transfersIn > 0 { present |= 1 << 3 }
        if transfersOut > 0 { present |= 1 << 4 }
        if !valueIn.isZero { present |= 1 << 5 }
        if !valueOut.isZero { present |= 1 << 6 }
        if !fees.isZero { present |= 1 << 7 }
        if gasUsed > 0 { present |= 1 << 8 }
        if deployments > 0 { present |= 1 << 9 }
        if tokenTransfers > 0 { present |= 1 << 10 }
        if !withdrawn.isZero { present |= 1 << 11 }
        record.write(present)
        if sent > 0 { record.write(sent) }
        if received > 0 { record.write(received) }
        if failed > 0 { record.write(failed) }
        if transfersIn > 0 { record.write(transfersIn) }
        if transfersOut > 0 { record.write(transfersOut) }
        if !valueIn.isZero { record.write(valueIn) }
        if !valueOut.isZero { record.write(valueOut) }
        if !fees.isZero { record.write(fees) }
        if gasUsed > 0 { record.write(gasUsed) }
        if deployments > 0 { record.write(deployments) }
        if tokenTransfers > 0 { record.write(tokenTransfers) }
        if !withdrawn.isZero { record.write(withdrawn) }
    }
}

/// The sums of an address.
public struct AddressTotals: Hashable, Sendable, TableValue {
    /// Transactions and blocks in which it appears in any role.
    public var appearances: UInt64 = 0
    /// The block in which it first appeared, and that block's time.
    public var firstBlock: BlockNumber = 0
    /// The time of that block.
    public var firstTime: Timestamp = 0
    /// The block in which it last appeared.
    public var lastBlock: BlockNumber = 0
    /// The time of that block.
    public var lastTime: Timestamp = 0
    /// The last hour in which it sent or received a transaction, plus one; 0 if it never did.
    var lastActiveHour: UInt64 = 0
    /// All that it did.
    public var activity = ActivityTotals()

    /// Nothing yet.
    init() {}

    init(_ record: inout Record) throws(StorageError) {
        appearances = try record.number()
        firstBlock = try record.number()
        firstTime = try record.number()
        lastBlock = firstBlock &+ (try record.number())
        lastTime = firstTime &+ (try record.number())
        lastActiveHour = try record.number()
        activity = try ActivityTotals(&record)
    }

    func write(to record: inout Record) {
        record.write(appearances)
        record.write(firstBlock)
        record.write(firstTime)
        record.write(lastBlock &- firstBlock)
        record.write(lastTime &- firstTime)
        record.write(lastActiveHour)
        activity.write(to: &record)
    }
}

/// A transaction by its place in the chain.
public struct Place: Hashable, Comparable, Sendable {
    /// The block.
    public var block: BlockNumber
    /// The index in the block.
    public var transaction: UInt32

    /// A place.
    package init(block: BlockNumber, transaction: UInt32) {
        self.block = block
        self.transaction = transaction
    }

    /// By block, then by index.
    public static func < (left: Place, right: Place) -> Bool {
        (left.block, left.transaction) < (right.block, right.transaction)
    }
}

/// What an address and another had to do with each other.
public struct PeerTotals: Hashable, Sendable, TableValue {
    /// Transactions from the address to the peer.
    public var transactionsOut: UInt64 = 0
    /// Transactions from the peer to the address.
    public var transactionsIn: UInt64 = 0
    /// Transfers of value inside of transactions, to the peer.
    public var transfersOut: UInt64 = 0
    /// Transfers of value inside of transactions, from the peer.
    public var transfersIn: UInt64 = 0
    /// Wei to the peer, of all of these.
    public var valueOut = Wei.zero
    /// Wei from the peer.
    public var valueIn = Wei.zero
    /// The first time.
    public var first = Place(block: 0, transaction: 0)
    /// The last time.
    public var last = Place(block: 0, transaction: 0)

    /// Nothing yet.
    init() {}

    /// What peers are ranked by.
    public var interactions: UInt64 {
        transactionsOut + transactionsIn + transfersOut + transfersIn
    }

    /// The rank among the address' peers; none for one interaction or less, by far the most frequent
    /// number.
    var rank: UInt16? {
        interactions < 2 ? nil : Rank.of(UInt256(interactions))
    }

    mutating func add(_ later: PeerTotals) {
        if interactions == 0 { first = later.first }
        transactionsOut += later.transactionsOut
        transactionsIn += later.transactionsIn
        transfersOut += later.transfersOut
        transfersIn += later.transfersIn
        valueOut = valueOut &+ later.valueOut
        valueIn = valueIn &+ later.valueIn
        last = max(last, later.last)
    }

    /// The same, as the peer sees it.
    var reversed: PeerTotals {
        var other = self
        other.transactionsOut = transactionsIn
        other.transactionsIn = transactionsOut
        other.transfersOut = transfersIn
        other.transfersIn = transfersOut
        other.valueOut = valueIn
        other.valueIn = valueOut
        return other
    }

    init(_ record: inout Record) throws(StorageError) {
        let present = try record.number()
        func has(_ bit: UInt64) -> Bool { present >> bit & 1 == 1 }
        if has(0) { transactionsOut = try record.number() }
        if has(1) { transactionsIn = try record.number() }
        if has(2) { transfersOut = try record.number() }
        if has(3) { transfersIn = try record.number() }
        if has(4) { valueOut = try record.amount() }
        if has(5) { valueIn = try record.amount() }
        first = try Place(&record)
        last = has(6) ? try Place(&record) : first
    }

    func write(to record: inout Record) {
        var present: UInt64 = transactionsOut > 0 ? 1 : 0
        if transactionsIn > 0 { present |= 1 << 1 }
        if transfersOut > 0 { present |= 1 << 2 }
        if transfersIn > 0 { present |= 1 << 3 }
        if !valueOut.isZero { present |= 1 << 4 }
        if !valueIn.isZero { present |= 1 << 5 }
        if last != first { present |= 1 << 6 }
        record.write(present)
        if transactionsOut > 0 { record.write(transactionsOut) }
        if transactionsIn > 0 { record.write(transactionsIn) }
        if transfersOut > 0 { record.write(transfersOut) }
        if transfersIn > 0 { record.write(transfersIn) }
        if !valueOut.isZero { record.write(valueOut) }
        if !valueIn.isZero { record.write(valueIn) }
        first.write(to: &record)
        if last != first { last.write(to: &record) }
    }
}

extension Place: TableValue {
    init(_ record: inout Record) throws(StorageError) {
        block = try record.number()
        transaction = UInt32(truncatingIfNeeded: try record.number())
    }

    func write(to record: inout Record) {
        record.write(block)
        record.write(UInt64(transaction))
    }
}

/// What the whole network did in an hour or a day. The genesis block is in none.
public struct NetworkTotals: Hashable, Sendable, TableValue {
    /// Blocks.
    public var blocks: UInt64 = 0
    /// Transactions in them.
    public var transactions: UInt64 = 0
    /// Of these, the ones that failed.
    public var failed: UInt64 = 0
    /// Transfers of value, of transactions and inside of them, that were not undone.
    public var transfers: UInt64 = 0
    /// Wei that these moved.
    public var value = Wei.zero
    /// Different addresses that sent or received a transaction in this time.
    public var activeAddresses: UInt64 = 0
    /// Of these, the ones that never had before.
    public var newAddresses: UInt64 = 0
    /// Gas used.
    public var gasUsed: Gas = 0
    /// The sum of the gas limits.
    public var gasLimit: Gas = 0
    /// The sum of the base fees of the blocks.
    public var baseFeeSum = Wei.zero
    /// The lowest base fee.
    public var baseFeeLeast = Wei.zero
    /// The highest.
    public var baseFeeMost = Wei.zero
    /// Wei that were destroyed: base fee times gas, blob fee times blob gas.
    public var burned = Wei.zero
    /// Wei that went to the blocks' coinbases from the transactions.
    public var tips = Wei.zero
    /// Blob gas used.
    public var blobGasUsed: Gas = 0
    /// Contracts that were made.
    public var contracts: UInt64 = 0
    /// Token transfers.
    public var tokenTransfers: UInt64 = 0
    /// The last block of this time.
    public var lastBlock: BlockNumber = 0

    /// Nothing yet.
    init() {}

    mutating func add(_ later: NetworkTotals) {
        if blocks == 0 {
            baseFeeLeast = later.baseFeeLeast
            baseFeeMost = later.baseFeeMost
        } else if later.blocks > 0 {
            baseFeeLeast = min(baseFeeLeast, later.baseFeeLeast)
            baseFeeMost = max(baseFeeMost, later.baseFeeMost)
        }
        blocks += later.blocks
        transactions += later.transactions
        failed += later.failed
        transfers += later.transfers
        value = value &+ later.value
        activeAddresses += later.activeAddresses
        newAddresses += later.newAddresses
        gasUsed = saturated(gasUsed, later.gasUsed)
        gasLimit = saturated(gasLimit, later.gasLimit)
        baseFeeSum = baseFeeSum &+ later.baseFeeSum
        burned = burned &+ later.burned
        tips = tips &+ later.tips
        blobGasUsed += later.blobGasUsed
        contracts += later.contracts
        tokenTransfers += later.tokenTransfers
        lastBlock = max(lastBlock, later.lastBlock)
    }

    init(_ record: inout Record) throws(StorageError) {
        blocks = try record.number()
        transactions = try record.number()
        failed = try record.number()
        transfers = try record.number()
        value = try record.amount()
        activeAddresses = try record.number()
        newAddresses = try record.number()
        gasUsed = try record.number()
        gasLimit = try record.number()
        baseFeeSum = try record.amount()
        baseFeeLeast = try record.amount()
        baseFeeMost = try record.amount()
        burned = try record.amount()
        tips = try record.amount()
        blobGasUsed = try record.number()
        contracts = try record.number()
        tokenTransfers = try record.number()
        lastBlock = try record.number()
    }

    func write(to record: inout Record) {
        record.write(blocks)
        record.write(transactions)
        record.write(failed)
        record.write(transfers)
        record.write(value)
        record.write(activeAddresses)
        record.write(newAddresses)
        record.write(gasUsed)
        record.write(gasLimit)
        record.write(baseFeeSum)
        record.write(baseFeeLeast)
        record.write(baseFeeMost)
        record.write(burned)
        record.write(tips)
        record.write(blobGasUsed)
        record.write(contracts)
        record.write(tokenTransfers)
        record.write(lastBlock)
    }
}

/// A contract that was made.
public struct Deployment: Hashable, Sendable, TableValue {
    /// Where it is.
    public var address: Address
    /// The transaction that made it.
    public var place: Place
    /// Who sent that transaction.
    public var deployer: Address
    /// Who made the contract: the deployer, or a contract that it called.
    public var factory: Address
    /// The hash of the initialisation code.
    public var initCodeHash: Hash256
    /// The hash of the code.
    public var codeHash: Hash256

    init(
        address: Address, place: Place, deployer: Address, factory: Address,
        initCodeHash: Hash256, codeHash: Hash256
    ) {
        self.address = address
        self.place = place
        self.deployer = deployer
        self.factory = factory
        self.initCodeHash = initCodeHash
        self.codeHash = codeHash
    }

    init(_ record: inout Record) throws(StorageError) {
        address = try record.address()
        place = try Place(&record)
        deployer = try record.address()
        factory = try record.address()
        initCodeHash = try record.hash()
        codeHash = try record.hash()
    }

    func write(to record: inout Record) {
        record.write(address)
        place.write(to: &record)
        record.write(deployer)
        record.write(factory)
        record.write(initCodeHash)
        record.write(codeHash)
    }
}

/// The sum, or the largest number: a block of a devnet without a gas limit may have that much.
private func saturated(_ left: Gas, _ right: Gas) -> Gas {
    let (sum, overflow) = left.addingReportingOverflow(right)
    return overflow ? .max : sum
}
