import BlockProduction
import Chain
import Cryptography
import EthereumTypes
import Execution
import Primitives

/// Which block is the head, and what to propose on it.
extension EngineNamespace {
    var forkchoiceMethods: [RPCMethod] {
        [
            method("engine_forkchoiceUpdatedV1", .paris),
            method("engine_forkchoiceUpdatedV2", .shanghai),
            method("engine_forkchoiceUpdatedV3", .cancun),
        ]
    }

    private func method(_ name: String, _ version: AttributesVersion) -> RPCMethod {
        RPCMethod(
            name, ["forkchoiceState", "payloadAttributes"],
            command: { (_: RPCContext, choice: ForkchoiceState, attributes: UnreadJSON?) in
                try await update(choice, attributes, version)
            })
    }

    private func update(
        _ choice: ForkchoiceState, _ attributes: UnreadJSON?, _ version: AttributesVersion
    ) async throws -> ForkchoiceUpdate {
        guard choice.head != .zero else {
            throw RPCError.invalidForkchoiceState("the head is zero")
        }
        await state.order.enter()
        defer { state.order.leave() }

        if let failure = try await reach(choice.head) { return ForkchoiceUpdate(status: failure) }
        let view = blockchain.head.view
        guard let block = try view.block(hash: choice.head) else {
            return ForkchoiceUpdate(status: .syncing)
        }
        if let failure = terminalFailure(of: block.block.header, block.totalDifficulty) {
            return ForkchoiceUpdate(status: failure)
        }
        try check(choice, in: view)
        let valid = ForkchoiceUpdate(status: .valid(choice.head))
        // A block that is long final is not the head any more: the client is catching up.
        if let finalized = view.finalized, block.number < finalized.number,
            try view.canonicalHash(block.number) == choice.head
        {
            return valid
        }
        let head: Head
        do throws(ChainError) {
            head = try await blockchain.setHead(choice.head)
        } catch {
            if case .stateUnavailable = error { throw RPCError.tooDeepReorg }
            throw error
        }
        try await blockchain.setFinality(
            safe: choice.safe == .zero ? nil : choice.safe,
            finalized: choice.finalized == .zero ? nil : choice.finalized)
        guard let attributes else { return valid }
        return ForkchoiceUpdate(
            status: valid.status, payloadId: try begin(attributes, version, on: head))
    }

    /// Makes sure that a block is in the store and valid.
    ///
    /// - Returns: the answer if it is not.
    private func reach(_ hash: Hash256) async throws -> PayloadStatus? {
        if let fact = blockchain.invalidity(of: hash) {
            return .invalid(
                fact.reason.description, latestValid: try latestValid(fact.lastValid))
        }
        if try blockchain.head.view.number(of: hash) != nil { return nil }
        guard let waiting = state.waitingBlock(hash) else { return .syncing }
        let status = try await insert(waiting, hash)
        switch status.status {
        case .valid: return nil
        case .accepted: return .syncing
        case .invalid, .syncing, .invalidBlockHash: return status
        }
    }

    /// A block of proof of work can be the head only if it ends proof of work (EIP-3675).
    private func terminalFailure(
        of header: Header, _ totalDifficulty: UInt256
    ) -> PayloadStatus? {
        guard !header.isPostMerge, let terminal = blockchain.config.terminalTotalDifficulty,
            totalDifficulty < terminal
        else { return nil }
        return .invalid("the head has not reached the terminal difficulty", latestValid: .zero)
    }

    /// The safe and the finalized block must be in the chain of the head.
    private func check(_ choice: ForkchoiceState, in view: ChainView) throws {
        for (name, hash) in [("finalized", choice.finalized), ("safe", choice.safe)]
        where hash != .zero && hash != choice.head {
            guard try view.isAncestor(hash, of: choice.head) else {
                throw RPCError.invalidForkchoiceState(
                    "the \(name) block is not in the chain of the head")
            }
        }
    }

    // MARK: - Building

    private func begin(
        _ text: UnreadJSON, _ version: AttributesVersion, on head: Head
    ) throws -> PayloadID {
        let given: RequestedAttributes
        do throws(RPCParameterError) {
            given = try RequestedAttributes.decode(text.text)
        } catch {
            throw RPCError.invalidPayloadAttributes(error.reason)
        }
        let fork = fork(number: head.number + 1, timestamp: given.timestamp)
        try given.check(version, at: fork)
        guard given.timestamp > head.header.timestamp else {
            throw RPCError.invalidPayloadAttributes(
                "the timestamp \(given.timestamp) is not after the head's \(head.header.timestamp)")
        }
        let id = given.identifier(version, parent: head.hash)
        try state.start(id) { () throws(ChainError) in
            try PayloadJob(
                on: head,
                attributes: PayloadAttributes(
                    timestamp: given.timestamp, coinbase: given.suggestedFeeRecipient,
                    prevRandao: given.prevRandao,
                    gasLimit: nextGasLimit(
                        parent: head.header, target: options.gasLimit, at: fork),
                    extraData: options.extraData, withdrawals: given.withdrawals ?? [],
                    parentBeaconBlockRoot: given.parentBeaconBlockRoot ?? .zero),
                pool: services.pool)
        }
        return id
    }
}

extension ChainView {
    /// Whether a block is among the ancestors of a stored one.
    fileprivate func isAncestor(_ hash: Hash256, of descendant: Hash256) throws -> Bool {
        guard let number = try number(of: hash) else { return false }
        var next = descendant
        while let header = try header(hash: next), header.number >= number {
            if next == hash { return true }
            if try canonicalHash(header.number) == next {
                return try canonicalHash(number) == hash
            }
            next = header.parentHash
        }
        return false
    }
}

/// What is final, safe and the newest: `ForkchoiceStateV1`.
struct ForkchoiceState: RPCParameter {
    var head: Hash256
    var safe: Hash256
    var finalized: Hash256

    static func decode(_ text: JSONText) throws(RPCParameterError) -> ForkchoiceState {
        let fields = try ObjectFields(
            text, type: "engine.ForkchoiceStateV1", name: "ForkchoiceStateV1")
        return ForkchoiceState(
            head: try fields.require("headBlockHash"), safe: try fields.require("safeBlockHash"),
            finalized: try fields.require("finalizedBlockHash"))
    }

    static let schema: JSONValue = ["type": "object", "title": "ForkchoiceStateV1"]
}

/// The answer to a fork choice.
struct ForkchoiceUpdate: RPCResult {
    var status: PayloadStatus
    var payloadId: PayloadID?

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("payloadStatus")
            status.write(to: &writer)
            writer.key("payloadId")
            payloadId.write(to: &writer)
        }
    }

    static let schema: JSONValue = ["type": "object", "title": "ForkchoiceUpdatedResponseV1"]
}

/// An argument that is looked at only after something else was done.
struct UnreadJSON: RPCParameter {
    let text: JSONText

    static func decode(_ text: JSONText) -> UnreadJSON { UnreadJSON(text: text) }

    static let schema: JSONValue = ["type": "object"]
}

/// The versions of payload attributes, by the fork that they came with.
enum AttributesVersion: UInt8, Sendable {
    case paris = 1
    case shanghai = 2
    case cancun = 3
}

/// What a block to propose is asked for with: `PayloadAttributesV1` to `V3`.
struct RequestedAttributes: RPCParameter {
    var timestamp: Timestamp
    var prevRandao: Hash256
    var suggestedFeeRecipient: Address
    var withdrawals: [Withdrawal]?
    var parentBeaconBlockRoot: Hash256?

    static func decode(_ text: JSONText) throws(RPCParameterError) -> RequestedAttributes {
        let fields = try ObjectFields(
            text, type: "engine.PayloadAttributes", name: "PayloadAttributes")
        return RequestedAttributes(
            timestamp: try fields.require("timestamp"),
            prevRandao: try fields.require("prevRandao"),
            suggestedFeeRecipient: try fields.require("suggestedFeeRecipient"),
            withdrawals: try fields.read("withdrawals"),
            parentBeaconBlockRoot: try fields.read("parentBeaconBlockRoot"))
    }

    static let schema: JSONValue = ["type": "object", "title": "PayloadAttributes"]

    /// Checks that the attributes are those of a version and that the version is that of a fork,
    /// in this order.
    func check(_ version: AttributesVersion, at fork: Fork) throws(RPCError) {
        func fail(_ reason: String) -> RPCError { .invalidPayloadAttributes(reason) }
        switch version {
        case .paris:
            if withdrawals != nil { throw fail("withdrawals came with version 2") }
            if parentBeaconBlockRoot != nil { throw fail("beacon roots came with version 3") }
            guard fork < .shanghai else { throw fail("version 1 is for blocks before Shanghai") }
        case .shanghai:
            if parentBeaconBlockRoot != nil { throw fail("beacon roots came with version 3") }
            guard fork < .cancun else {
                throw .unsupportedFork("forkchoiceUpdatedV2 is for blocks before Cancun")
            }
            guard (withdrawals != nil) == (fork >= .shanghai) else {
                throw fail(withdrawals == nil ? "withdrawals are missing" : "withdrawals are early")
            }
        case .cancun:
            if withdrawals == nil { throw fail("withdrawals are missing") }
            if parentBeaconBlockRoot == nil { throw fail("the beacon root is missing") }
            guard fork >= .cancun else {
                throw .unsupportedFork("forkchoiceUpdatedV3 is for blocks from Cancun on")
            }
        }
    }

    /// Names the block that is asked for: the same for the same request, and for no other.
    func identifier(_ version: AttributesVersion, parent: Hash256) -> PayloadID {
        let content = RLPEncoder.list { list in
            list.append(parent)
            list.append(timestamp)
            list.append(prevRandao)
            list.append(suggestedFeeRecipient)
            list.list { list in
                for withdrawal in withdrawals ?? [] { list.append(withdrawal.encoded()) }
            }
            list.append(parentBeaconBlockRoot ?? Hash256.zero)
        }
        return PayloadID([version.rawValue] + sha256(content).prefix(7))
    }
}
