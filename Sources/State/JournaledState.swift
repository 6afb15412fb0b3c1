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
import Primitives

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
public struct Checkpoint: BitwiseCopyable, Hashable, Sendable {
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
    let reader: any StateReader

    // SAFETY: `core` is allocated in `init` and freed in `deinit`; nothing else keeps it. Its fields are
    // reached by pointer because exclusivity checks on class properties cost more than the work here.
    let core: UnsafeMutablePointer<Core>

    /// The codes in use; `AccountRecord.codeIndex` points here.
    var codes: [Bytes] = [[]]
    var codeIndices: [Hash256: Int32] = [.keccakEmpty: 0]

    /// Keeps alive what accounts have attached.
    var attachments: [AnyObject] = []

    /// The logs of the transaction so far.
    public internal(set) var logs: [Log] = []

    /// The first read that failed, or nil.
    public internal(set) var readError: StateReadError?

    struct Core {
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
    func log(_ kind: UndoEntry.Kind, _ index: Int, _ value: UInt256) {
        core.pointee.undo.append(
            UndoEntry(kind: kind, index: Int32(truncatingIfNeeded: index), value: value))
    }

    @inline(always)
    func log(_ kind: UndoEntry.Kind, _ index: Int, epoch: UInt32) {
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
}
