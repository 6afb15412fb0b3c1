import EthereumTypes
import Primitives
import State
import TestSupport
import Testing

/// The journal against a model that copies everything at each checkpoint.
@Suite
struct JournalModelTests {
    /// One transaction's view of the world, as plain values.
    private struct Model {
        var accounts: [Address: FixedState.Entry]
        var transient: [Address: [UInt256: UInt256]] = [:]
        var warmAccounts: Set<Address> = []
        var warmSlots: [Address: Set<UInt256>] = [:]
        var touched: Set<Address> = []
        var destroyed: Set<Address> = []
        var logs = 0
        var refund = 0

        func entry(_ address: Address) -> FixedState.Entry { accounts[address] ?? .init() }

        mutating func change(_ address: Address, _ body: (inout FixedState.Entry) -> Void) {
            var entry = entry(address)
            body(&entry)
            accounts[address] = entry
            touched.insert(address)
        }

        /// The end of a transaction.
        mutating func finish(_ rule: EmptyAccountRule) {
            for address in destroyed { accounts[address] = nil }
            if rule == .deleteTouched {
                for address in touched {
                    let entry = entry(address)
                    if entry.nonce == 0, entry.balance.isZero, entry.code.isEmpty {
                        accounts[address] = nil
                    }
                }
            }
            self = Model(accounts: accounts)
        }
    }

    @Test(arguments: 1...12 as ClosedRange<UInt64>)
    func `the journal does what copying everything does`(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let addresses = (0..<6).map { Address(lowBytesOf: UInt256(UInt64(100 + $0))) }
        var initial: [Address: FixedState.Entry] = [:]
        for address in addresses.prefix(4) {
            initial[address] = .init(
                nonce: UInt64(random.index(below: 2)),
                balance: UInt256(UInt64(random.index(below: 3))),
                code: random.index(below: 2) == 0 ? [] : [UInt8(random.index(below: 4))],
                storage: [1: UInt256(UInt64(random.index(below: 3))), 2: 7])
        }
        let base = FixedState(initial)
        let state = JournaledState(reader: base)
        var model = Model(accounts: initial)
        var total = StateDiff()

        for _ in 0..<30 {
            let rule: EmptyAccountRule = random.index(below: 2) == 0 ? .keep : .deleteTouched
            state.beginTransaction()
            var saved: [(Checkpoint, Model)] = []
            for _ in 0..<60 {
                step(&random, addresses, state, &model, &saved)
            }
            compare(state, model, addresses, seed: random.seed)
            state.finishTransaction(emptyAccounts: rule)
            model.finish(rule)
            state.beginTransaction()
            compare(state, model, addresses, seed: random.seed)
            state.finishTransaction(emptyAccounts: .keep)
            if random.index(below: 4) == 0 { total.merge(state.takeDiff()) }
        }
        total.merge(state.takeDiff())

        // The sum of the diffs leads from the first state to the last.
        let overlay = StateOverlay(base: base, diff: total)
        for address in addresses {
            let entry = model.accounts[address]
            let account = try overlay.account(address)
            #expect((account == nil) == (entry == nil), "seed \(random.seed)")
            #expect(account?.balance == entry?.balance, "seed \(random.seed)")
            #expect(account?.nonce == entry?.nonce, "seed \(random.seed)")
            if let account, account.hasCode {
                #expect(try overlay.code(account.codeHash) == entry?.code, "seed \(random.seed)")
            }
            for slot in 0..<4 as Range<UInt64> {
                let value = try overlay.storage(address, UInt256(slot))
                #expect(value == entry?.storage[UInt256(slot)] ?? .zero, "seed \(random.seed)")
            }
            #expect(
                total.accounts[address]?.before == (try base.account(address))
                    || total.accounts[address] == nil)
        }
    }

    private func step(
        _ random: inout SeededRandom, _ addresses: [Address], _ state: JournaledState,
        _ model: inout Model, _ saved: inout [(Checkpoint, Model)]
    ) {
        let address = addresses[random.index(below: addresses.count)]
        let account = state.index(of: address)
        let slot = UInt256(UInt64(random.index(below: 4)))
        let value = UInt256(UInt64(random.index(below: 3)))
        switch random.index(below: 14) {
        case 0:
            state.setBalance(account, value)
            model.change(address) { $0.balance = value }
        case 1:
            state.setNonce(account, value.l0)
            model.change(address) { $0.nonce = value.l0 }
        case 2:
            let code: Bytes = value.isZero ? [] : [UInt8(value.l0)]
            state.setCode(account, code)
            model.change(address) { $0.code = code }
        case 3, 4:
            // Only an account that exists has storage.
            guard state.exists(account) else { break }
            state.setValue(state.slot(account, slot), value)
            var entry = model.entry(address)
            entry.storage[slot] = value
            model.accounts[address] = entry
        case 5:
            state.setTransientValue(account, slot, value)
            model.transient[address, default: [:]][slot] = value
        case 6:
            let wasCold = state.warm(account)
            #expect(wasCold == model.warmAccounts.insert(address).inserted)
        case 7:
            let wasCold = state.warm(state.slot(account, slot))
            #expect(wasCold == model.warmSlots[address, default: []].insert(slot).inserted)
        case 8:
            state.touch(account)
            model.touched.insert(address)
        case 9:
            guard random.index(below: 4) == 0, state.exists(account) else { break }
            #expect(state.selfDestruct(account) == model.destroyed.insert(address).inserted)
        case 10:
            state.append(Log(address: address, topics: [], data: []))
            model.logs += 1
            state.addRefund(7)
            model.refund += 7
        case 11, 12:
            saved.append((state.checkpoint(), model))
        default:
            guard let (checkpoint, copy) = saved.popLast() else { break }
            if random.index(below: 2) == 0 {
                state.revert(to: checkpoint)
                model = copy
            }
        }
    }

    private func compare(
        _ state: JournaledState, _ model: Model, _ addresses: [Address], seed: UInt64
    ) {
        #expect(state.logs.count == model.logs && state.refund == model.refund, "seed \(seed)")
        for address in addresses {
            let entry = model.entry(address)
            #expect(state.exists(address) == (model.accounts[address] != nil), "seed \(seed)")
            #expect(state.balance(address) == entry.balance, "seed \(seed)")
            #expect(state.nonce(address) == entry.nonce, "seed \(seed)")
            #expect(state.code(address) == entry.code, "seed \(seed)")
            for slot in 0..<4 as Range<UInt64> {
                let slot = UInt256(slot)
                #expect(
                    state.storage(address, slot) == entry.storage[slot] ?? .zero, "seed \(seed)")
                #expect(
                    state.transientValue(state.index(of: address), slot)
                        == model.transient[address]?[slot] ?? .zero, "seed \(seed)")
            }
        }
    }
}
