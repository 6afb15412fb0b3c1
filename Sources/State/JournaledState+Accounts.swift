/// Accounts: finding, reading and changing them.

import Cryptography
import EthereumTypes
public import Primitives

extension JournaledState {
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

    func keep(_ error: StateReadError) {
        if readError == nil { readError = error }
    }

    @inline(always)
    func record(_ account: AccountIndex) -> UnsafeMutablePointer<AccountRecord> {
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

    /// Whether the address is warm (EIP-2929).
    public func isWarm(_ account: AccountIndex) -> Bool {
        record(account).pointee.warmEpoch == core.pointee.epoch
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
}
