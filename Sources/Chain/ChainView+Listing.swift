import Cryptography
import EthereumTypes
public import Primitives
import State
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

    /// Makes all tries of the head's state again from its values, and compares them with what is
    /// stored and with the header. Reads the whole state.
    public func verifyState() throws(ChainError) -> VerifiedState {
        try storing { () throws(StorageError) in try world.verify(root: header.stateRoot) }
    }
}
