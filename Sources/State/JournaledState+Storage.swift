/// Storage slots, persistent and transient, and the hashes of earlier blocks.

public import Primitives

extension JournaledState {
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
    func loaded(_ slot: SlotIndex) -> UnsafeMutablePointer<SlotRecord> {
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

    /// Whether the slot is warm (EIP-2929).
    public func isWarm(_ slot: SlotIndex) -> Bool {
        core.pointee.slots[slot.value].pointee.warmEpoch == core.pointee.epoch
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
}
