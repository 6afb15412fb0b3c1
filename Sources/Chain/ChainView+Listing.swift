import Cryptography
import EthereumTypes
public import Primitives
public import State
public import Storage

// The whole latest state, for dumps, exports and verification.

extension ChainView {
    /// Calls a function with every account of the latest state, until it returns `false`: in the
    /// order of the addresses' hashes, and then those that were made by hand since the head.
    public func forEachAccount(
        from start: Hash256 = .zero, _ body: (ListedAccount) -> Bool
    ) throws(ChainError) {
        var isWanted = true
        try storing { () throws(StorageError) in
            try world.forEachAccount(from: start) { (listed) throws(StorageError) in
                guard let change = pendingDiff.accounts[listed.address] else {
                    isWanted = body(listed)
                    return isWanted
                }
                if let account = change.after {
                    var changed = listed
                    changed.account = account
                    isWanted = body(changed)
                }
                return isWanted
            }
        }
        for (address, change) in pendingDiff.accounts.sorted(by: { $0.key < $1.key })
        where isWanted && change.before == nil {
            let hash = keccak256(address)
            if let account = change.after, hash >= start {
                isWanted = body(
                    ListedAccount(addressHash: hash, address: address, account: account))
            }
        }
    }

    /// Calls a function with every slot of an account in the latest state, until it returns
    /// `false`: in the order of the slots' hashes, and then those that were made by hand since the
    /// head.
    public func forEachSlot(
        of address: Address, from start: Hash256 = .zero, _ body: (ListedSlot) -> Bool
    ) throws(ChainError) {
        var isWanted = true
        let change = pendingDiff.accounts[address]
        try storing { () throws(StorageError) in
            try world.forEachSlot(of: keccak256(address), from: start) {
                (listed) throws(StorageError) in
                var changed = listed
                if let value = change?.value(of: listed.slot) { changed.value = value }
                if !changed.value.isZero { isWanted = body(changed) }
                return isWanted
            }
        }
        for slot in change?.storage ?? [] where isWanted && slot.before.isZero {
            let hash = keccak256(slot.slot)
            if hash >= start {
                isWanted = body(ListedSlot(slotHash: hash, slot: slot.slot, value: slot.after))
            }
        }
    }

    /// The same at a block; at an earlier one than the head without what was made by hand since.
    public func forEachAccount(
        at number: BlockNumber, from start: Hash256 = .zero, _ body: (ListedAccount) -> Bool
    ) throws(ChainError) {
        guard number < self.number else { return try forEachAccount(from: start, body) }
        try forEachAccount(after: number, from: start, body)
    }

    /// The same at a block; at an earlier one than the head without what was made by hand since.
    public func forEachSlot(
        of address: Address, at number: BlockNumber, from start: Hash256 = .zero,
        _ body: (ListedSlot) -> Bool
    ) throws(ChainError) {
        guard number < self.number else {
            return try forEachSlot(of: address, from: start, body)
        }
        let state = try earlierWorld(number)
        try storing { () throws(StorageError) in
            try state.forEachSlot(of: keccak256(address), from: start) { (listed) in body(listed) }
        }
    }

    /// The accounts that are not the same after two blocks.
    ///
    /// - Throws: `tooManyChanges` if the blocks between them changed very much.
    public func modifiedAccounts(
        after start: BlockNumber, through end: BlockNumber
    ) throws(ChainError) -> [Address] {
        guard start < end, end <= number else { return [] }
        _ = try earlierWorld(start)
        return try storing { () throws(StorageError) in
            try world.modifiedAccounts(
                after: start, through: end, limit: ChainLimits.changesPerProof)
        }
    }

    /// The state roots within a block of the chain: after each of the changes that it made, one after
    /// the other.
    ///
    /// - Throws: `tooManyChanges` if the chain changed very much since.
    public func roots(
        after diffs: [StateDiff], in number: BlockNumber
    ) throws(ChainError) -> [Hash256] {
        guard number > 0, number <= self.number &+ 1 else { throw .unknownBlock(number) }
        let before = number - 1
        let world = try earlierWorld(before)
        let overrides = try overrides(before: number)
        var diffs = diffs
        if !overrides.isEmpty, let first = diffs.first {
            var whole = try stateReading { () throws(StateReadError) in
                try StateDiff(applying: overrides, to: world)
            }
            whole.merge(first)
            diffs[0] = whole
        }
        let (head, root) = (self.number, header.stateRoot)
        return try storing { () throws(StorageError) in
            try self.world.roots(
                applying: diffs, after: before, head: head, headRoot: root,
                limit: ChainLimits.changesPerProof)
        }
    }

    /// The state after a retained block, without what was changed by hand since the head.
    func earlierWorld(_ number: BlockNumber) throws(ChainError) -> WorldState {
        try checkRetained(number)
        guard number < self.number else { return world }
        return try storing { () throws(StorageError) in
            try WorldState(snapshot, after: number, head: self.number)
        }
    }

    /// Makes all tries of the head's state again from its values, and compares them with what is
    /// stored and with the header. Reads the whole state.
    public func verifyState() throws(ChainError) -> VerifiedState {
        try storing { () throws(StorageError) in try world.verify(root: header.stateRoot) }
    }
}
