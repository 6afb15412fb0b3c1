//  Where two small states differ: the hint that turns a wrong root into a lead.

import EthereumTypes
import Execution
import Primitives
import State

/// The most differences that are listed.
private let listedDifferences = 12

extension InMemoryState {
    /// Where a state differs from this one in what this one has.
    func differences(of state: any StateReader) throws(StateReadError) -> [String] {
        var read: [Address: GenesisAccount] = [:]
        for (address, account) in accounts {
            guard let found = try state.account(address) else { continue }
            var storage: [UInt256: UInt256] = [:]
            for slot in account.storage.keys { storage[slot] = try state.storage(address, slot) }
            read[address] = GenesisAccount(
                balance: found.balance, nonce: found.nonce,
                code: found.hasCode ? try state.code(found.codeHash) : [], storage: storage)
        }
        return InMemoryState(accounts: read).differences(from: self)
    }

    /// One sentence for each field that differs, in the order of the addresses.
    func differences(from expected: InMemoryState) -> [String] {
        let have = accounts
        let want = expected.accounts
        var found: [String] = []
        for address in Set(have.keys).union(want.keys).sorted() {
            switch (have[address], want[address]) {
            case (nil, nil): break
            case (.some, nil): found.append("\(address) should not exist")
            case (nil, .some): found.append("\(address) is missing")
            case (.some(let left), .some(let right)):
                found += Self.differences(of: address, left, right)
            }
        }
        let rest = found.count - listedDifferences
        return rest > 0 ? found.prefix(listedDifferences) + ["and \(rest) more"] : found
    }

    private static func differences(
        of address: Address, _ have: GenesisAccount, _ want: GenesisAccount
    ) -> [String] {
        var found: [String] = []
        if have.balance != want.balance {
            found.append("\(address) balance \(have.balance), expected \(want.balance)")
        }
        if have.nonce != want.nonce {
            found.append("\(address) nonce \(have.nonce), expected \(want.nonce)")
        }
        if have.code != want.code {
            found.append(
                "\(address) code \(Hex.encode(have.code.prefix(32))) (\(have.code.count) bytes), "
                    + "expected \(Hex.encode(want.code.prefix(32))) (\(want.code.count) bytes)")
        }
        for slot in Set(have.storage.keys).union(want.storage.keys).sorted() {
            let left = have.storage[slot] ?? .zero
            let right = want.storage[slot] ?? .zero
            if left != right {
                found.append(
                    "\(address) slot \(slot.hexQuantity) = \(left.hexQuantity), "
                        + "expected \(right.hexQuantity)")
            }
        }
        return found
    }
}
