/// What the transactions of a block have changed, all together.

extension JournaledState {
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
