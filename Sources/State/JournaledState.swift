/// The world state while transactions run on it.
///
/// One `JournaledState` lives for the transactions of a block (or for one simulated call). It reads
/// each account and slot at most once from its reader, keeps them in arenas, and logs the old value
/// of every field that changes:
///
///     beginTransaction ─ checkpoint ─ changes … ─ revert(to:) or not ─ finishTransaction
///                             └───────── nested calls ─────────┘            │
///     takeDiff: everything since the last one, before and after  ◀──────────┘
///
/// A checkpoint is the length of the log, so it costs nothing; a revert pops entries. Ending a
/// transaction costs what the transaction changed, never what the block did before.
///
/// Not thread-safe: one thread at a time. A failed read counts as zero and is kept in `readError`;
/// no result may leave execution before that was looked at.

import Cryptography
public import EthereumTypes
public import Primitives

/// An account of one `JournaledState`, found once by its address and then used without a look-up.
public struct AccountIndex: Hashable, BitwiseCopyable, Sendable {
    let value: Int

    init(_ value: Int) { self.value = value }
}

/// A storage slot of one `JournaledState`, as `AccountIndex`.
public struct SlotIndex: Hashable, BitwiseCopyable, Sendable {
    let value: Int

    init(_ value: Int) { self.value = value }
}

/// A moment in a transaction to which its changes can be taken back.
public struct Checkpoint: BitwiseCopyable, Sendable {
    let undoLength: Int
    let logCount: Int
    let refund: Int
}

/// What happens to empty accounts at the end of a transaction.
public enum EmptyAccountRule: Sendable {
    /// They stay, as before Spurious Dragon.
    case keep

    /// Those that the transaction touched are deleted (EIP-161).
    case deleteTouched
}

/// The world state in the hands of running transactions; see the top of this file.
public final class JournaledState {
    private let reader: any StateReader

    // SAFETY: `core` is allocated in `init` and freed in `deinit`; nothing else keeps it. Its fields are
    // reached by pointer because exclusivity checks on class properties cost more than the work here.
    private let core: UnsafeMutablePointer<Core>

    /// The codes in use; `AccountRecord.codeIndex` points here.
    private var codes: [Bytes] = [[]]
    private var codeIndices: [Hash256: Int32] = [.keccakEmpty: 0]

    /// Keeps alive what accounts have attached.
    private var attachments: [AnyObject] = []

    /// The logs of the transaction so far.
    public private(set) var logs: [Log] = []

    /// The first read that failed, or nil.
    public private(set) var readError: StateReadError?

    private struct Core {
        var accountIndex = HashIndex(capacity: 64)
        var accounts = Arena<AccountRecord>(capacity: 32)
        var slotIndex = HashIndex(capacity: 256)
        var slots = Arena<SlotRecord>(capacity: 128)
        var transientIndex = HashIndex(capacity: 64)
        var transient = Arena<TransientRecord>(capacity: 32)
        var undo = Arena<UndoEntry>(capacity: 256)
        var dirtyAccounts = Arena<Int32>(capacity: 32)
        var dirtySlots = Arena<Int32>(capacity: 128)

        /// The number of the transaction, from 1.
        var epoch: UInt32 = 1
        var refund = 0

        /// The account 0x…03 was touched by a call that was reverted; see `revert`.
        var touchOfRIPEMD160Survives = false

        let seed = HashSeed.process

        func deallocate() {
            accountIndex.deallocate()
            accounts.deallocate()
            slotIndex.deallocate()
            slots.deallocate()
            transientIndex.deallocate()
            transient.deallocate()
            undo.deallocate()
            dirtyAccounts.deallocate()
            dirtySlots.deallocate()
        }
    }

    /// A journal over a state, which must stay as it is.
    public init(reader: any StateReader) {
        self.reader = reader
        core = .allocate(capacity: 1)
        core.initialize(to: Core())
    }

    deinit {
        core.pointee.deallocate()
        core.deallocate()
    }

    // MARK: Transactions

    /// Starts a transaction: nothing is warm, no refund, no logs, transient storage is empty.
    public func beginTransaction() {
        precondition(core.pointee.undo.count == 0, "The transaction before was not finished.")
        core.pointee.epoch += 1
        core.pointee.refund = 0
        core.pointee.touchOfRIPEMD160Survives = false
        core.pointee.transient.truncate(to: 0)
        core.pointee.transientIndex.removeAll()
        logs.removeAll(keepingCapacity: true)
    }

    /// Ends a transaction: destroyed accounts are deleted, and by the rule the empty ones it touched.
    /// What remains is the state before the next one. Logs and refund stay readable until then.
    public func finishTransaction(emptyAccounts: EmptyAccountRule) {
        let epoch = core.pointee.epoch
        for position in 0..<core.pointee.undo.count {
            let entry = core.pointee.undo[position].pointee
            let index = Int(entry.index)
            switch entry.kind {
            case .balance, .nonce, .code, .existence, .created, .destroyed, .touched:
                markDirty(account: index)
                let account = core.pointee.accounts[index]
                if account.pointee.destroyedEpoch == epoch {
                    delete(account)
                } else if emptyAccounts == .deleteTouched, account.pointee.exists,
                    account.pointee.isEmpty
                {
                    delete(account)
                }
            case .storage:
                let slot = core.pointee.slots[index]
                markDirty(account: Int(slot.pointee.account))
                if !slot.pointee.isDirty {
                    slot.pointee.isDirty = true
                    core.pointee.dirtySlots.append(entry.index)
                }
            case .transient, .warmAccount, .warmSlot:
                break
            }
        }
        if core.pointee.touchOfRIPEMD160Survives, emptyAccounts == .deleteTouched {
            let index = self.index(of: Self.ripemd160Address).value
            let account = core.pointee.accounts[index]
            if account.pointee.exists, account.pointee.isEmpty {
                markDirty(account: index)
                delete(account)
            }
        }
        core.pointee.undo.truncate(to: 0)
        core.pointee.epoch += 1
    }

    private func markDirty(account index: Int) {
        let account = core.pointee.accounts[index]
        guard !account.pointee.isDirty else { return }
        account.pointee.isDirty = true
        core.pointee.dirtyAccounts.append(Int32(truncatingIfNeeded: index))
    }

    private func delete(_ account: UnsafeMutablePointer<AccountRecord>) {
        account.pointee.balance = .zero
        account.pointee.nonce = 0
        account.pointee.codeHash = .keccakEmpty
        account.pointee.codeIndex = -1
        account.pointee.attachment = nil
        account.pointee.exists = false
        account.pointee.generation += 1
        account.pointee.destroyedEpoch = 0
    }

    /// The moment now.
    public func checkpoint() -> Checkpoint {
        Checkpoint(
            undoLength: core.pointee.undo.count, logCount: logs.count, refund: core.pointee.refund)
    }

    /// Takes back everything since a checkpoint of this transaction: values, warmth, logs and refund.
    ///
    /// One thing stays: the touch of account 0x…03 (EIP-161). In block 2,675,119 of mainnet its call
    /// ran out of gas, and the account was deleted nevertheless.
    public func revert(to checkpoint: Checkpoint) {
        var position = core.pointee.undo.count
        while position > checkpoint.undoLength {
            position -= 1
            undo(core.pointee.undo[position].pointee)
        }
        core.pointee.undo.truncate(to: checkpoint.undoLength)
        core.pointee.refund = checkpoint.refund
        if logs.count > checkpoint.logCount {
            logs.removeLast(logs.count - checkpoint.logCount)
        }
    }

    private func undo(_ entry: UndoEntry) {
        let index = Int(entry.index)
        let small = UInt32(truncatingIfNeeded: entry.value.l0)
        switch entry.kind {
        case .balance: core.pointee.accounts[index].pointee.balance = entry.value
        case .nonce: core.pointee.accounts[index].pointee.nonce = entry.value.l0
        case .code:
            core.pointee.accounts[index].pointee.codeHash = Hash256(entry.value)
            core.pointee.accounts[index].pointee.codeIndex = -1
            core.pointee.accounts[index].pointee.attachment = nil
        case .existence: core.pointee.accounts[index].pointee.exists = small != 0
        case .storage: core.pointee.slots[index].pointee.current = entry.value
        case .transient: core.pointee.transient[index].pointee.value = entry.value
        case .warmAccount: core.pointee.accounts[index].pointee.warmEpoch = small
        case .warmSlot: core.pointee.slots[index].pointee.warmEpoch = small
        case .created: core.pointee.accounts[index].pointee.createdEpoch = small
        case .destroyed: core.pointee.accounts[index].pointee.destroyedEpoch = small
        case .touched:
            core.pointee.accounts[index].pointee.touchedEpoch = small
            if core.pointee.accounts[index].pointee.address == Self.ripemd160Address {
                core.pointee.touchOfRIPEMD160Survives = true
            }
        }
    }

    private static let ripemd160Address = Address(lowBytesOf: UInt256(3 as UInt64))

    @inline(always)
    private func log(_ kind: UndoEntry.Kind, _ index: Int, _ value: UInt256) {
        core.pointee.undo.append(
            UndoEntry(kind: kind, index: Int32(truncatingIfNeeded: index), value: value))
    }

    @inline(always)
    private func log(_ kind: UndoEntry.Kind, _ index: Int, epoch: UInt32) {
        log(kind, index, UInt256(l0: UInt64(epoch), l1: 0, l2: 0, l3: 0))
    }

    /// The refund counter: gas to give back at the end (EIP-3529 and before).
    public var refund: Int { core.pointee.refund }

    /// Adds to the refund counter; negative takes away.
    public func addRefund(_ gas: Int) {
        core.pointee.refund &+= gas
    }

    /// Appends a log.
    public func append(_ log: Log) {
        logs.append(log)
    }

    // MARK: Accounts

    /// Finds an account, reading it if it was not yet. Any address has an index.
    public func index(of address: Address) -> AccountIndex {
        let hash = core.pointee.seed.hash(address)
        let accounts = core.pointee.accounts.base
        let found = core.pointee.accountIndex.find(hash) { accounts[$0].address == address }
        return AccountIndex(found >= 0 ? found : load(address, hash))
    }

    @inline(never)
    private func load(_ address: Address, _ hash: UInt64) -> Int {
        var account: Account?
        do {
            account = try reader.account(address)
        } catch {
            keep(error)
        }
        let index = core.pointee.accounts.count
        core.pointee.accounts.append(AccountRecord(address: address, account: account))
        core.pointee.accountIndex.insert(hash, index: index)
        return index
    }

    private func keep(_ error: StateReadError) {
        if readError == nil { readError = error }
    }

    @inline(always)
    private func record(_ account: AccountIndex) -> UnsafeMutablePointer<AccountRecord> {
        core.pointee.accounts[account.value]
    }

    /// The address that an index was made from.
    public func address(of account: AccountIndex) -> Address { record(account).pointee.address }

    /// The account exists. Since Spurious Dragon only `isEmpty` matters to the protocol.
    public func exists(_ account: AccountIndex) -> Bool { record(account).pointee.exists }

    /// The account has no nonce, balance or code (EIP-161), or does not exist.
    public func isEmpty(_ account: AccountIndex) -> Bool { record(account).pointee.isEmpty }

    /// The balance, zero if there is no account.
    public func balance(_ account: AccountIndex) -> Wei { record(account).pointee.balance }

    /// The nonce, zero if there is no account.
    public func nonce(_ account: AccountIndex) -> Nonce { record(account).pointee.nonce }

    /// The hash of the code; that of no code if there is no account.
    public func codeHash(_ account: AccountIndex) -> Hash256 { record(account).pointee.codeHash }

    /// Whether there is code.
    public func hasCode(_ account: AccountIndex) -> Bool {
        record(account).pointee.codeHash != .keccakEmpty
    }

    /// The account had storage when this state was read (EIP-7610).
    public func hasStorage(_ account: AccountIndex) -> Bool {
        record(account).pointee.generation == 0
            && record(account).pointee.storageRoot != .emptyTrieRoot
    }

    /// The code, read if it was not yet.
    public func code(_ account: AccountIndex) -> Bytes {
        let record = record(account)
        if record.pointee.codeIndex < 0 {
            record.pointee.codeIndex = loadCode(record.pointee.codeHash)
        }
        return codes[Int(record.pointee.codeIndex)]
    }

    private func loadCode(_ hash: Hash256) -> Int32 {
        if let index = codeIndices[hash] { return index }
        var code: Bytes = []
        do {
            code = try reader.code(hash)
        } catch {
            keep(error)
        }
        return keep(code, hash)
    }

    private func keep(_ code: Bytes, _ hash: Hash256) -> Int32 {
        if let index = codeIndices[hash] { return index }
        let index = Int32(truncatingIfNeeded: codes.count)
        codes.append(code)
        codeIndices[hash] = index
        return index
    }

    /// Makes the account exist, with nothing in it if it did not.
    public func ensureExists(_ account: AccountIndex) {
        let record = record(account)
        guard !record.pointee.exists else { return }
        log(.existence, account.value, epoch: 0)
        record.pointee.exists = true
    }

    /// Touches the account: it is deleted at the end if it is empty then (EIP-161).
    public func touch(_ account: AccountIndex) {
        let record = record(account)
        guard record.pointee.touchedEpoch != core.pointee.epoch else { return }
        log(.touched, account.value, epoch: record.pointee.touchedEpoch)
        record.pointee.touchedEpoch = core.pointee.epoch
    }

    /// Sets the balance. The account exists afterwards and is touched.
    public func setBalance(_ account: AccountIndex, _ balance: Wei) {
        ensureExists(account)
        let record = record(account)
        log(.balance, account.value, record.pointee.balance)
        record.pointee.balance = balance
    }

    /// Adds to the balance, modulo 2²⁵⁶. The account exists afterwards and is touched.
    public func addBalance(_ account: AccountIndex, _ amount: Wei) {
        setBalance(account, record(account).pointee.balance &+ amount)
    }

    /// Takes from the balance.
    ///
    /// - Returns: false, and nothing is changed, if the balance is too low.
    public func subtractBalance(_ account: AccountIndex, _ amount: Wei) -> Bool {
        let (rest, isShort) = record(account).pointee.balance.subtractingReportingOverflow(amount)
        if isShort { return false }
        setBalance(account, rest)
        return true
    }

    /// Sets the nonce. The account exists afterwards and is touched.
    public func setNonce(_ account: AccountIndex, _ nonce: Nonce) {
        ensureExists(account)
        let record = record(account)
        log(
            .nonce, account.value, UInt256(l0: record.pointee.nonce, l1: 0, l2: 0, l3: 0))
        record.pointee.nonce = nonce
    }

    /// Sets the code. The account exists afterwards and is touched.
    public func setCode(_ account: AccountIndex, _ code: Bytes) {
        ensureExists(account)
        let record = record(account)
        let hash = code.isEmpty ? Hash256.keccakEmpty : keccak256(code)
        log(.code, account.value, record.pointee.codeHash.uint256)
        record.pointee.codeHash = hash
        record.pointee.codeIndex = keep(code, hash)
        record.pointee.attachment = nil
    }

    /// Marks the account as created by this transaction (EIP-6780).
    public func markCreated(_ account: AccountIndex) {
        ensureExists(account)
        let record = record(account)
        log(.created, account.value, epoch: record.pointee.createdEpoch)
        record.pointee.createdEpoch = core.pointee.epoch
    }

    /// The account was created by this transaction.
    public func wasCreated(_ account: AccountIndex) -> Bool {
        record(account).pointee.createdEpoch == core.pointee.epoch
    }

    /// Marks the account to be deleted at the end of the transaction.
    ///
    /// - Returns: false if it was marked before.
    @discardableResult
    public func selfDestruct(_ account: AccountIndex) -> Bool {
        let record = record(account)
        guard record.pointee.destroyedEpoch != core.pointee.epoch else { return false }
        log(.destroyed, account.value, epoch: record.pointee.destroyedEpoch)
        record.pointee.destroyedEpoch = core.pointee.epoch
        return true
    }

    /// Makes the address warm (EIP-2929).
    ///
    /// - Returns: true if it was cold.
    @discardableResult
    public func warm(_ account: AccountIndex) -> Bool {
        let record = record(account)
        guard record.pointee.warmEpoch != core.pointee.epoch else { return false }
        log(.warmAccount, account.value, epoch: record.pointee.warmEpoch)
        record.pointee.warmEpoch = core.pointee.epoch
        return true
    }

    /// What the interpreter attached to the code of this account, or nil.
    public func attachment(_ account: AccountIndex) -> UnsafeRawPointer? {
        record(account).pointee.attachment
    }

    /// Attaches an object to the code of an account (decoded code), until the code changes. The object
    /// lives as long as this state.
    public func attach(_ object: AnyObject, to account: AccountIndex) {
        attachments.append(object)
        record(account).pointee.attachment = UnsafeRawPointer(
            Unmanaged.passUnretained(object).toOpaque())
    }

    // MARK: Storage

    /// Finds a storage slot. Its value is not read before it is asked for.
    public func slot(_ account: AccountIndex, _ slot: UInt256) -> SlotIndex {
        let hash = core.pointee.seed.hash(account: account.value, slot: slot)
        let slots = core.pointee.slots.base
        let owner = Int32(truncatingIfNeeded: account.value)
        let found = core.pointee.slotIndex.find(hash) {
            slots[$0].slot == slot && slots[$0].account == owner
        }
        if found >= 0 { return SlotIndex(found) }
        let index = core.pointee.slots.count
        core.pointee.slots.append(SlotRecord(slot: slot, account: owner))
        core.pointee.slotIndex.insert(hash, index: index)
        return SlotIndex(index)
    }

    /// The record of a slot with its value loaded and of the account's present generation.
    @inline(always)
    private func loaded(_ slot: SlotIndex) -> UnsafeMutablePointer<SlotRecord> {
        let record = core.pointee.slots[slot.value]
        let account = core.pointee.accounts[Int(record.pointee.account)]
        if !record.pointee.isLoaded || record.pointee.generation != account.pointee.generation {
            load(record, account)
        }
        return record
    }

    @inline(never)
    private func load(
        _ slot: UnsafeMutablePointer<SlotRecord>, _ account: UnsafeMutablePointer<AccountRecord>
    ) {
        if !slot.pointee.isLoaded {
            var value = UInt256.zero
            if account.pointee.takenGeneration == 0, account.pointee.storageRoot != .emptyTrieRoot {
                do {
                    value = try reader.storage(account.pointee.address, slot.pointee.slot)
                } catch {
                    keep(error)
                }
            }
            slot.pointee.before = value
            slot.pointee.current = value
            slot.pointee.isLoaded = true
            slot.pointee.generation = 0
        }
        if slot.pointee.generation != account.pointee.generation {
            slot.pointee.generation = account.pointee.generation
            slot.pointee.current = .zero
        }
    }

    /// The value of a slot now.
    public func value(_ slot: SlotIndex) -> UInt256 { loaded(slot).pointee.current }

    /// The value at the start of the transaction (EIP-2200).
    public func originalValue(_ slot: SlotIndex) -> UInt256 {
        let record = loaded(slot)
        return record.pointee.originalEpoch == core.pointee.epoch
            ? record.pointee.original : record.pointee.current
    }

    /// Sets the value of a slot.
    public func setValue(_ slot: SlotIndex, _ value: UInt256) {
        let record = loaded(slot)
        if record.pointee.originalEpoch != core.pointee.epoch {
            record.pointee.original = record.pointee.current
            record.pointee.originalEpoch = core.pointee.epoch
        }
        log(.storage, slot.value, record.pointee.current)
        record.pointee.current = value
    }

    /// Makes the slot warm (EIP-2929).
    ///
    /// - Returns: true if it was cold.
    @discardableResult
    public func warm(_ slot: SlotIndex) -> Bool {
        let record = core.pointee.slots[slot.value]
        guard record.pointee.warmEpoch != core.pointee.epoch else { return false }
        log(.warmSlot, slot.value, epoch: record.pointee.warmEpoch)
        record.pointee.warmEpoch = core.pointee.epoch
        return true
    }

    /// The value of a slot of transient storage (EIP-1153).
    public func transientValue(_ account: AccountIndex, _ slot: UInt256) -> UInt256 {
        let index = transientIndex(account, slot)
        return index < 0 ? .zero : core.pointee.transient[index].pointee.value
    }

    /// Sets a slot of transient storage.
    public func setTransientValue(_ account: AccountIndex, _ slot: UInt256, _ value: UInt256) {
        var index = transientIndex(account, slot)
        if index < 0 {
            index = core.pointee.transient.count
            core.pointee.transient.append(
                TransientRecord(
                    slot: slot, account: Int32(truncatingIfNeeded: account.value), value: .zero))
            core.pointee.transientIndex.insert(
                core.pointee.seed.hash(account: account.value, slot: slot), index: index)
        }
        log(.transient, index, core.pointee.transient[index].pointee.value)
        core.pointee.transient[index].pointee.value = value
    }

    private func transientIndex(_ account: AccountIndex, _ slot: UInt256) -> Int {
        let hash = core.pointee.seed.hash(account: account.value, slot: slot)
        let records = core.pointee.transient.base
        return core.pointee.transientIndex.find(hash) {
            records[$0].slot == slot && Int(records[$0].account) == account.value
        }
    }

    /// The hash of an earlier block, or nil if the reader does not know it.
    public func blockHash(_ number: BlockNumber) -> Hash256? {
        do {
            return try reader.blockHash(number)
        } catch {
            keep(error)
            return nil
        }
    }

    // MARK: The diff

    /// Everything that finished transactions changed since the last diff was taken.
    ///
    /// The accounts and slots that only changed for a while are not in it.
    public func takeDiff() -> StateDiff {
        precondition(core.pointee.undo.count == 0, "The transaction was not finished.")
        var diff = StateDiff()
        var storage: [Int32: [StorageChange]] = [:]
        var anyWasWiped = false
        for position in 0..<core.pointee.dirtySlots.count {
            let index = Int(core.pointee.dirtySlots[position].pointee)
            let slot = loaded(SlotIndex(index))
            let account = core.pointee.accounts[Int(slot.pointee.account)]
            let isWiped = account.pointee.generation != account.pointee.takenGeneration
            if isWiped ? !slot.pointee.current.isZero : slot.pointee.current != slot.pointee.before
            {
                storage[slot.pointee.account, default: []].append(
                    StorageChange(
                        slot: slot.pointee.slot, before: slot.pointee.before,
                        after: slot.pointee.current))
            }
            slot.pointee.before = slot.pointee.current
            slot.pointee.isDirty = false
        }
        for position in 0..<core.pointee.dirtyAccounts.count {
            let index = core.pointee.dirtyAccounts[position].pointee
            let account = core.pointee.accounts[Int(index)]
            var change = AccountChange(
                before: account.pointee.accountBefore, after: account.pointee.accountAfter,
                storageWasCleared: account.pointee.existedBefore
                    && account.pointee.generation != account.pointee.takenGeneration,
                storage: storage[index] ?? [])
            change.storage.sort { $0.slot < $1.slot }
            if change.before != change.after || change.storageWasCleared || !change.storage.isEmpty
            {
                diff.accounts[account.pointee.address] = change
            }
            if account.pointee.codeHash != account.pointee.codeHashBefore,
                account.pointee.codeHash != .keccakEmpty
            {
                diff.code[account.pointee.codeHash] = code(AccountIndex(Int(index)))
            }
            anyWasWiped =
                anyWasWiped || account.pointee.generation != account.pointee.takenGeneration
            settle(account)
        }
        if anyWasWiped { settleSlots() }
        core.pointee.dirtyAccounts.truncate(to: 0)
        core.pointee.dirtySlots.truncate(to: 0)
        return diff
    }

    /// Makes the present account the one before the next diff.
    private func settle(_ account: UnsafeMutablePointer<AccountRecord>) {
        if account.pointee.generation != account.pointee.takenGeneration {
            account.pointee.storageRoot = .emptyTrieRoot
            account.pointee.takenGeneration = account.pointee.generation
        }
        account.pointee.isDirty = false
        account.pointee.existedBefore = account.pointee.exists
        account.pointee.balanceBefore = account.pointee.balance
        account.pointee.nonceBefore = account.pointee.nonce
        account.pointee.codeHashBefore = account.pointee.codeHash
    }

    private func settleSlots() {
        for index in 0..<core.pointee.slots.count {
            let slot = core.pointee.slots[index]
            guard slot.pointee.isLoaded else { continue }
            slot.pointee.before = loaded(SlotIndex(index)).pointee.current
        }
    }
}
