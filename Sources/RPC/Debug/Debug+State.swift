import Chain
import Cryptography
import EthereumTypes
import Execution
import Foundation
import Primitives
import State
import Storage

/// The state piece by piece, as geth lists it.
extension DebugNamespace {
    var stateMethods: [RPCMethod] {
        [
            RPCMethod(
                "debug_storageRangeAt",
                ["block", "transactionIndex", "address", "start", "maxResults"],
                result: Schema.storageRange, execution: storageRangeAt),
            RPCMethod(
                "debug_accountRange",
                ["block", "start", "maxResults", "noCode", "noStorage", "incompletes"],
                result: Schema.dump, execution: accountRange),
            RPCMethod("debug_dumpBlock", ["block"], result: Schema.dump, execution: dumpBlock),
            RPCMethod(
                "debug_getModifiedAccountsByNumber", ["start", "end"],
                execution: getModifiedAccountsByNumber),
            RPCMethod(
                "debug_getModifiedAccountsByHash", ["start", "end"],
                execution: getModifiedAccountsByHash),
            RPCMethod(
                "debug_intermediateRoots", ["hash", "options"], execution: intermediateRoots),
            RPCMethod("debug_preimage", ["hash"], execution: preimage),
            RPCMethod("debug_dbGet", ["key"], execution: databaseValue),
        ]
    }

    // MARK: Listings

    /// Slots of an account before a transaction of a block, in the order of their hashes.
    private func storageRangeAt(
        context: RPCContext, _ reference: BlockReference, _ index: LenientQuantity,
        _ address: Address, _ start: HexData, _ count: LenientQuantity
    ) throws -> EncodedJSON {
        let chain = ChainAccess(services)
        let block = try chain.requireBlock(reference)
        guard block.number > 0 else { throw RPCError.server("no transaction in genesis") }
        let index = Int(clamping: try index.uint64())
        guard index < block.block.transactions.count || index == 0 else {
            throw RPCError.server(
                "transaction index \(index) out of range for block \(block.hash)")
        }
        let replay = try BlockReplay(block, chain)
        try replay.skip(to: index, in: context)
        let change = replay.takeDiff().accounts[address]
        let first = try Self.hash(from: start)
        let limit = min(Int(clamping: try count.uint64()), context.limits.listedSlots)
        // One more than is shown: the next key.
        let slots = try Self.slots(
            of: address, before: block.number, changedBy: change, from: first, limit: limit + 1,
            chain.view)
        var writer = JSONWriter()
        writer.object { writer in
            writer.key("storage")
            writer.object { writer in
                for slot in slots.prefix(limit) {
                    writer.key(slot.slotHash.description)
                    writer.object { writer in
                        writer.key("key")
                        writer.hexWord(slot.slot)
                        writer.key("value")
                        writer.hexWord(slot.value)
                    }
                }
            }
            writer.key("nextKey")
            if slots.count > limit { writer.hash(slots[limit].slotHash) } else { writer.null() }
        }
        return EncodedJSON(writer.bytes)
    }

    /// The slots after the parent of a block and a change on top.
    private static func slots(
        of address: Address, before number: BlockNumber, changedBy change: AccountChange?,
        from first: Hash256, limit: Int, _ view: ChainView
    ) throws -> [ListedSlot] {
        var added = (change?.storage ?? []).filter { !$0.after.isZero }
            .map { ListedSlot(slotHash: keccak256($0.slot), slot: $0.slot, value: $0.after) }
            .filter { $0.slotHash >= first }
        let isCleared = change.map { $0.storageWasCleared || $0.after == nil } ?? false
        if !isCleared {
            let replaced = Set((change?.storage ?? []).map(\.slot))
            var kept: [ListedSlot] = []
            try view.forEachSlot(of: address, at: number - 1, from: first) { slot in
                if !replaced.contains(slot.slot) { kept.append(slot) }
                return kept.count < limit
            }
            added += kept
        }
        return Array(added.sorted { $0.slotHash < $1.slotHash }.prefix(limit))
    }

    private func accountRange(
        context: RPCContext, _ reference: BlockReference, _ start: HexData,
        _ count: LenientQuantity, _ noCode: Bool?, _ noStorage: Bool?, _ incompletes: Bool?
    ) throws -> EncodedJSON {
        let wanted = Int(clamping: try count.uint64())
        return try dump(
            reference, from: try Self.hash(from: start),
            limit: wanted == 0 ? Self.accountsPerPage : min(wanted, Self.accountsPerPage),
            includesCode: !(noCode ?? false), includesStorage: !(noStorage ?? false), context)
    }

    private func dumpBlock(context: RPCContext, _ tag: BlockTag) throws -> EncodedJSON {
        try dump(
            .tag(tag), from: .zero, limit: Self.accountsPerPage, includesCode: true,
            includesStorage: true, context)
    }

    /// A page of accounts with their code and storage (geth's `state.Dump`).
    private func dump(
        _ reference: BlockReference, from start: Hash256, limit: Int, includesCode: Bool,
        includesStorage: Bool, _ context: RPCContext
    ) throws -> EncodedJSON {
        let chain = ChainAccess(services)
        let block: StoredBlock
        switch reference {
        case .tag(.pending): block = try chain.requireBlock(.tag(.latest))
        case .tag, .hash: block = try chain.requireBlock(reference)
        }
        let number = try chain.minedNumber(of: .hash(block.hash, requireCanonical: true))
        let state = try chain.view.state(at: number)
        var page: [ListedAccount] = []
        try chain.view.forEachAccount(at: number, from: start) { account in
            page.append(account)
            return page.count <= limit
        }
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("root")
        writer.string(String(block.block.header.stateRoot.description.dropFirst(2)))
        writer.key("accounts")
        writer.beginObject()
        for listed in page.prefix(limit) {
            writer.key(listed.address.checksummed)
            writer.beginObject()
            writer.key("balance")
            writer.string(listed.account.balance.description)
            writer.key("nonce")
            writer.number(listed.account.nonce)
            writer.key("root")
            writer.hash(listed.account.storageRoot)
            writer.key("codeHash")
            writer.hash(listed.account.codeHash)
            if includesCode, listed.account.codeHash != .keccakEmpty {
                writer.key("code")
                writer.hexData(try state.code(listed.account.codeHash))
            }
            if includesStorage, listed.account.storageRoot != .emptyTrieRoot {
                writer.key("storage")
                writer.beginObject()
                try chain.view.forEachSlot(of: listed.address, at: number) { slot in
                    writer.key(Hash256(slot.slot).description)
                    writer.string(
                        String(slot.value.hexQuantity.dropFirst(2)))
                    return writer.bytes.count <= context.limits.traceBytes
                }
                writer.endObject()
            }
            writer.key("address")
            writer.address(listed.address)
            writer.key("key")
            writer.hash(listed.addressHash)
            writer.endObject()
            guard writer.bytes.count <= context.limits.traceBytes else {
                throw RPCError.responseTooLarge
            }
        }
        writer.endObject()
        if page.count > limit {
            writer.key("next")
            // Go writes bytes in this way where geth has no type for them.
            writer.string(Data(page[limit].addressHash.bytes).base64EncodedString())
        }
        writer.endObject()
        return EncodedJSON(writer.bytes)
    }

    /// Accounts of one answer, as in geth (`AccountRangeMaxResults`).
    private static let accountsPerPage = 256

    /// A place in the order of hashes; missing bytes at its end are zero.
    private static func hash(from start: HexData) throws(RPCError) -> Hash256 {
        let padded = start.bytes + Bytes(repeating: 0, count: max(0, 32 - start.bytes.count))
        guard let hash = Hash256(padded) else { throw .invalidParams("start is too long") }
        return hash
    }

    // MARK: Changes

    private func getModifiedAccountsByNumber(
        _: RPCContext, _ start: LenientQuantity, _ end: LenientQuantity?
    ) throws -> [Address] {
        let chain = ChainAccess(services)
        let first = try start.uint64()
        guard try chain.view.header(first) != nil else {
            throw RPCError.server("start block \(String(first, radix: 16)) not found")
        }
        let last = try end?.uint64()
        if let last, try chain.view.header(last) == nil {
            throw RPCError.server("end block \(last) not found")
        }
        return try modifiedAccounts(first, last, chain)
    }

    private func getModifiedAccountsByHash(
        _: RPCContext, _ start: Hash256, _ end: Hash256?
    ) throws -> [Address] {
        let chain = ChainAccess(services)
        func number(_ hash: Hash256, _ name: String) throws -> BlockNumber {
            guard let number = try chain.view.number(of: hash),
                try chain.view.canonicalHash(number) == hash
            else {
                throw RPCError.server("\(name) block \(hash.description.dropFirst(2)) not found")
            }
            return number
        }
        return try modifiedAccounts(
            try number(start, "start"), try end.map { try number($0, "end") }, chain)
    }

    /// - Parameter last: nil for what the first block itself has changed.
    private func modifiedAccounts(
        _ first: BlockNumber, _ last: BlockNumber?, _ chain: ChainAccess
    ) throws -> [Address] {
        guard let last else {
            guard first > 0 else { throw RPCError.server("block 0 has no parent") }
            return try chain.view.modifiedAccounts(after: first - 1, through: first)
        }
        guard first < last else {
            throw RPCError.server(
                "start block height (\(first)) must be less than end block height (\(last))")
        }
        return try chain.view.modifiedAccounts(after: first, through: last)
    }

    /// The state root after each transaction of a block.
    private func intermediateRoots(
        context: RPCContext, _ hash: Hash256, _: TraceParameter?
    ) throws -> [Hash256] {
        let chain = ChainAccess(services)
        let replay = try BlockReplay(try block(hash, chain), chain)
        var diffs: [StateDiff] = []
        for _ in 0..<replay.count {
            do {
                try replay.run(tracer: nil, in: context)
            } catch TransactionError.invalid {
                // A bad block has roots up to its bad transaction.
                break
            }
            diffs.append(replay.takeDiff())
        }
        return try chain.view.roots(after: diffs, in: replay.block.number)
    }

    // MARK: The store

    /// What a hash was made from, if it is an address of the state or code.
    private func preimage(_: RPCContext, _ hash: Hash256) throws -> HexData {
        let view = ChainAccess(services).view
        if let code = try? view.state.code(hash), !code.isEmpty { return HexData(code) }
        var found: Address?
        try view.forEachAccount(from: hash) { account in
            if account.addressHash == hash { found = account.address }
            return false
        }
        guard let found else { throw RPCError.server("unknown preimage") }
        return HexData(found.bytes)
    }

    /// Of the keys that geth's database has, those of code: `c` and a hash.
    private func databaseValue(_: RPCContext, _ key: HexData) throws -> HexData {
        guard key.bytes.first == UInt8(ascii: "c"), let hash = Hash256(key.bytes.dropFirst()),
            let code = try? ChainAccess(services).view.state.code(hash)
        else { throw RPCError.server("not found") }
        return HexData(code)
    }
}
