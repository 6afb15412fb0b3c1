//  geth's `prestateTracer` (`eth/tracers/native/prestate.go`): what a transaction found in the
//  accounts that it looked at, or how they were before and after it.

import Cryptography
public import EVM
public import EthereumTypes
public import Primitives
public import State

/// Shows the part of the state that a transaction has touched.
public final class PrestateTracer: TraceRecorder {
    /// What is shown.
    public struct Options: Hashable, Sendable {
        /// What changed, before and after, instead of all that was touched (`diffMode`).
        public var isDifference: Bool
        /// The code of contracts (not `disableCode`).
        public var includesCode: Bool
        /// The touched slots (not `disableStorage`).
        public var includesStorage: Bool
        /// Accounts that were empty before (`includeEmpty`); not together with `isDifference`.
        public var includesEmpty: Bool

        /// Options; by default all that was touched and not empty, with code and storage.
        public init(
            isDifference: Bool = false, includesCode: Bool = true, includesStorage: Bool = true,
            includesEmpty: Bool = false
        ) {
            self.isDifference = isDifference
            self.includesCode = includesCode
            self.includesStorage = includesStorage
            self.includesEmpty = includesEmpty
        }
    }

    private struct Entry {
        var balance: Wei?
        var nonce: Nonce = 0
        var code: Bytes?
        var codeHash: Hash256?
        var storage: [UInt256: UInt256] = [:]
        var wasEmpty = false
    }

    /// What an instruction looks at.
    private enum Look {
        case account(Address)
        case slot(Address, UInt256)
        case creation(Address)
        case destruction(of: Address, to: Address)
    }

    private let options: Options
    private let limit: Int
    private var size = 0
    private var state: JournaledState?
    private var fork = Fork.frontier
    private var before: [Address: Entry] = [:]
    private var after: [Address: Entry] = [:]
    private var created: Set<Address> = []
    private var deleted: Set<Address> = []
    private var opcode = Opcode.stop
    /// What the present instruction has added.
    private var undo: [Undo] = []

    /// A tracer that keeps no more than so many bytes.
    public init(_ options: Options = Options(), limit: Int = .max) {
        self.options = options
        self.limit = limit
    }

    /// Looks at sender, recipient, coinbase, authorities and delegates.
    public func transactionBegins(
        _ recovered: RecoveredTransaction, fork: Fork, block: BlockEnvironment,
        state: JournaledState
    ) {
        self.state = state
        self.fork = fork
        let transaction = recovered.transaction
        let recipient =
            transaction.to
            ?? contractAddress(creator: recovered.sender, nonce: state.nonce(recovered.sender))
        if transaction.to == nil {
            created.insert(recipient)
        } else {
            lookUpDelegate(of: recipient, state)
        }
        lookUp(recovered.sender, state)
        lookUp(recipient, state)
        lookUp(block.coinbase, state)
        for authorization in transaction.authorizationList {
            if let authority = authorization.authority() { lookUp(authority, state) }
        }
    }

    /// Finds out what the instruction looks at, before it changes anything.
    public func step(_ step: borrowing Step) {
        undo.removeAll(keepingCapacity: true)
        opcode = step.opcode
        guard let state, size <= limit else { return }
        // The values before the instruction are those to be shown.
        for look in looks(step, state) { remember(look, state) }
    }

    /// Forgets what an instruction looked at that could not be paid for.
    public func stepEnd(gasCost: Gas, refund: Int, halt: Halt?) {
        guard let halt, halt.precedesInstruction(opcode) else { return }
        for entry in undo.reversed() { entry.take(from: self) }
        undo.removeAll(keepingCapacity: true)
    }

    /// Compares with the state after the transaction.
    public func transactionEnds(gasUsed: Gas) {
        guard let state else { return }
        if options.isDifference { compare(with: state) }
        if !options.includesEmpty { before = before.filter { !$0.value.wasEmpty } }
        self.state = nil
    }

    // MARK: Looking

    private func looks(_ step: borrowing Step, _ state: JournaledState) -> [Look] {
        guard let top = step.stack(fromTop: 0) else {
            return []
        }
        let caller = step.address
        switch step.opcode {
        case .sload, .sstore: return [.slot(caller, top)]
        case .extcodecopy, .extcodehash, .extcodesize, .balance:
            return [.account(Address(lowBytesOf: top))]
        case .selfdestruct: return [.destruction(of: caller, to: Address(lowBytesOf: top))]
        case .call, .callcode, .delegatecall, .staticcall:
            guard step.stackCount >= 5, let word = step.stack(fromTop: 1) else { return [] }
            let address = Address(lowBytesOf: word)
            guard let delegate = delegate(of: address, state) else { return [.account(address)] }
            return [.account(address), .account(delegate)]
        case .create:
            return [.creation(contractAddress(creator: caller, nonce: state.nonce(caller)))]
        case .create2:
            guard step.stackCount >= 4, let offset = step.stack(fromTop: 1),
                let count = step.stack(fromTop: 2), let salt = step.stack(fromTop: 3),
                let initCode = step.affordableMemory(at: offset, count: count)
            else { return [] }
            return [
                .creation(
                    contractAddress(
                        creator: caller, salt: Hash256(salt), initCodeHash: keccak256(initCode)))
            ]
        default: return []
        }
    }

    private func remember(_ look: Look, _ state: JournaledState) {
        switch look {
        case .account(let address): lookUp(address, state)
        case .slot(let address, let slot):
            guard options.includesStorage, before[address]?.storage[slot] == nil else { return }
            before[address]?.storage[slot] = state.storage(address, slot)
            size += 128
            undo.append(.slot(address, slot))
        case .creation(let address):
            lookUp(address, state)
            if created.insert(address).inserted { undo.append(.created(address)) }
        case .destruction(let address, let beneficiary):
            lookUp(beneficiary, state)
            // Since Cancun only what the transaction itself has made is deleted (EIP-6780).
            guard fork < .cancun || created.contains(address) else { return }
            if deleted.insert(address).inserted { undo.append(.deleted(address)) }
        }
    }

    private func lookUpDelegate(of address: Address, _ state: JournaledState) {
        if let delegate = delegate(of: address, state) { lookUp(delegate, state) }
    }

    private func delegate(of address: Address, _ state: JournaledState) -> Address? {
        guard fork >= .prague, state.hasCode(address) else { return nil }
        return Execution.delegate(in: state.code(address))
    }

    private func lookUp(_ address: Address, _ state: JournaledState) {
        guard before[address] == nil, size <= limit else { return }
        var entry = Entry(balance: state.balance(address), nonce: state.nonce(address))
        let hasCode = state.hasCode(address)
        if hasCode {
            entry.codeHash = state.codeHash(address)
            if options.includesCode { entry.code = state.code(address) }
        }
        entry.wasEmpty = entry.nonce == 0 && !hasCode && state.balance(address).isZero
        before[address] = entry
        size += 256 + (entry.code?.count ?? 0) * 2
        undo.append(.account(address))
    }

    // MARK: Taking back

    private enum Undo {
        case account(Address)
        case slot(Address, UInt256)
        case created(Address)
        case deleted(Address)

        func take(from tracer: PrestateTracer) {
            switch self {
            case .account(let address): tracer.before[address] = nil
            case .slot(let address, let slot): tracer.before[address]?.storage[slot] = nil
            case .created(let address): tracer.created.remove(address)
            case .deleted(let address): tracer.deleted.remove(address)
            }
        }
    }

    // MARK: Afterwards

    private func compare(with state: JournaledState) {
        for (address, old) in before where !deleted.contains(address) {
            var new = Entry()
            var isModified = false
            let balance = state.balance(address)
            if balance != old.balance {
                isModified = true
                new.balance = balance
            }
            let nonce = state.nonce(address)
            if nonce != old.nonce {
                isModified = true
                new.nonce = nonce
            }
            // geth has the zero hash for an account that is not there.
            let codeHash = state.exists(address) ? state.codeHash(address) : .zero
            if codeHash != old.codeHash ?? .keccakEmpty {
                isModified = true
                new.codeHash = codeHash
                let hasNewCode = codeHash != .zero || old.codeHash != nil
                if options.includesCode, hasNewCode { new.code = state.code(address) }
            }
            for (slot, value) in old.storage {
                let newValue = state.storage(address, slot)
                if value.isZero || value == newValue {
                    before[address]?.storage[slot] = nil
                }
                guard value != newValue else { continue }
                isModified = true
                if !newValue.isZero { new.storage[slot] = newValue }
            }
            if isModified { after[address] = new } else { before[address] = nil }
        }
    }

    /// The accounts by address; or `post` and `pre`, each of them so.
    public func result(
        of outcome: TransactionOutcome, limit: Int
    ) throws(TraceTooLarge) -> Bytes {
        guard size <= self.limit else { throw TraceTooLarge() }
        var writer = JSONWriter()
        if options.isDifference {
            writer.object { writer in
                writer.key("post")
                write(after, to: &writer)
                writer.key("pre")
                write(before, to: &writer)
            }
        } else {
            write(before, to: &writer)
        }
        return try writer.bytes.within(limit)
    }

    private func write(_ entries: [Address: Entry], to writer: inout JSONWriter) {
        writer.object { writer in
            for (address, entry) in entries.sorted(by: { $0.key < $1.key }) {
                writer.key(address.description.lowercased())
                writer.object { writer in write(entry, to: &writer) }
            }
        }
    }

    private func write(_ entry: Entry, to writer: inout JSONWriter) {
        if let balance = entry.balance {
            writer.key("balance")
            writer.hexQuantity(balance)
        }
        if let code = entry.code {
            writer.key("code")
            writer.hexData(code)
        }
        if let codeHash = entry.codeHash {
            writer.key("codeHash")
            writer.hash(codeHash)
        }
        if entry.nonce > 0 {
            writer.key("nonce")
            writer.number(entry.nonce)
        }
        if !entry.storage.isEmpty {
            writer.key("storage")
            writer.object { writer in
                for (slot, value) in entry.storage.sorted(by: { $0.key < $1.key }) {
                    writer.key(Hash256(slot).description)
                    writer.hexWord(value)
                }
            }
        }
    }
}

extension Step {
    /// A part of the memory as a hashing instruction would read it; nil if its gas cannot pay for the
    /// hashing, so that nobody reads much for little.
    func affordableMemory(at offset: UInt256, count: UInt256) -> Bytes? {
        guard let size = count.asUInt64, size / 32 * 6 <= gas else { return nil }
        return memory(at: offset, count: count)
    }
}
