import Chain
import EthereumTypes
import Primitives

/// Blocks that the consensus client gives.
extension EngineNamespace {
    var payloadMethods: [RPCMethod] {
        [
            RPCMethod("engine_newPayloadV1", ["executionPayload"], command: newPayloadV1),
            RPCMethod("engine_newPayloadV2", ["executionPayload"], command: newPayloadV2),
            RPCMethod(
                "engine_newPayloadV3",
                ["executionPayload", "expectedBlobVersionedHashes", "parentBeaconBlockRoot"],
                command: newPayloadV3),
            RPCMethod(
                "engine_newPayloadV4",
                [
                    "executionPayload", "expectedBlobVersionedHashes", "parentBeaconBlockRoot",
                    "executionRequests",
                ], command: newPayloadV4),
        ]
    }

    private func newPayloadV1(
        _: RPCContext, _ payload: ExecutionPayload
    ) async throws -> PayloadStatus {
        try payload.check(has: [])
        return try await receive(Delivery(payload: payload), badHash: .invalidBlockHash)
    }

    private func newPayloadV2(
        _: RPCContext, _ payload: ExecutionPayload
    ) async throws -> PayloadStatus {
        let fork = fork(of: payload)
        guard fork < .cancun else {
            throw RPCError.unsupportedFork("newPayloadV2 is for blocks before Cancun")
        }
        try payload.check(has: fork >= .shanghai ? [.withdrawals] : [])
        return try await receive(Delivery(payload: payload), badHash: .invalid)
    }

    private func newPayloadV3(
        _: RPCContext, _ payload: ExecutionPayload, _ blobHashes: [Hash256],
        _ parentBeaconBlockRoot: Hash256
    ) async throws -> PayloadStatus {
        try payload.check(has: [.withdrawals, .blobGas])
        guard fork(of: payload) == .cancun else {
            throw RPCError.unsupportedFork("newPayloadV3 is for blocks of Cancun")
        }
        return try await receive(
            Delivery(
                payload: payload, blobHashes: blobHashes,
                parentBeaconBlockRoot: parentBeaconBlockRoot), badHash: .invalid)
    }

    private func newPayloadV4(
        _: RPCContext, _ payload: ExecutionPayload, _ blobHashes: [Hash256],
        _ parentBeaconBlockRoot: Hash256, _ requests: [HexData]
    ) async throws -> PayloadStatus {
        try payload.check(has: [.withdrawals, .blobGas])
        let requests = requests.map(\.bytes)
        try Self.check(requests)
        guard fork(of: payload) >= .prague else {
            throw RPCError.unsupportedFork("newPayloadV4 is for blocks from Prague on")
        }
        return try await receive(
            Delivery(
                payload: payload, blobHashes: blobHashes,
                parentBeaconBlockRoot: parentBeaconBlockRoot, requests: requests),
            badHash: .invalid)
    }

    private func fork(of payload: ExecutionPayload) -> Fork {
        fork(number: payload.blockNumber, timestamp: payload.timestamp)
    }

    /// Requests have a type and data, and stand in the order of their types, each type once.
    private static func check(_ requests: [Bytes]) throws(RPCError) {
        var last: UInt8?
        for request in requests {
            guard request.count > 1, let type = request.first else {
                throw .invalidParams("empty execution request")
            }
            if let last, type <= last {
                throw .invalidParams("execution requests are not in ascending order of type")
            }
            last = type
        }
    }

    /// A payload with what was given beside it.
    private struct Delivery {
        let payload: ExecutionPayload
        var blobHashes: [Hash256]?
        var parentBeaconBlockRoot: Hash256?
        var requests: [Bytes]?
    }

    /// - Parameter badHash: the status of a payload whose hash is not that of its fields.
    private func receive(
        _ delivery: Delivery, badHash: PayloadStatus.Status
    ) async throws -> PayloadStatus {
        let payload = delivery.payload
        let block: Block
        do throws(TransactionDecodingError) {
            block = try payload.block(
                parentBeaconBlockRoot: delivery.parentBeaconBlockRoot, requests: delivery.requests)
        } catch {
            return .invalid("a transaction cannot be decoded: \(error)", latestValid: nil)
        }
        let hash = block.hash()
        guard hash == payload.blockHash else {
            return PayloadStatus(
                status: badHash,
                validationError: "blockhash mismatch, want \(payload.blockHash), got \(hash)")
        }
        if let expected = delivery.blobHashes {
            guard block.transactions.flatMap(\.blobVersionedHashes) == expected else {
                return .invalid(
                    "the expected blob versioned hashes are not those of the transactions",
                    latestValid: nil)
            }
        }
        await state.order.enter()
        defer { state.order.leave() }
        return try await insert(block, hash)
    }

    /// Validates a block whose hash is right, with the blocks before it that waited.
    ///
    /// To be called between ``Turnstile/enter()`` and ``Turnstile/leave()``.
    func insert(_ block: Block, _ hash: Hash256) async throws -> PayloadStatus {
        if try blockchain.head.view.number(of: hash) != nil { return .valid(hash) }
        var blocks = state.waitingAncestors(of: block)[...] + [block]
        do throws(ChainError) {
            while let next = blocks.first {
                state.stopWaiting(try await blockchain.insertBlock(next).hash)
                blocks.removeFirst()
            }
            return .valid(hash)
        } catch {
            switch error {
            case .unknownParent:
                state.wait(for: block, hash)
                return .syncing
            case .stateUnavailable, .branchTooLong: return .accepted
            case .invalidBlock, .invalidSignature:
                refuse(blocks)
                let lastValid = blocks.first?.header.parentHash ?? block.header.parentHash
                return .invalid(error.description, latestValid: try latestValid(lastValid))
            case .invalidAncestor(_, let lastValid):
                refuse(blocks)
                return .invalid(error.description, latestValid: try latestValid(lastValid))
            default: throw error
            }
        }
    }

    /// Forgets blocks of which the first is invalid and each builds on the one before, and remembers
    /// that they are, for whoever chooses one of them.
    private func refuse(_ blocks: ArraySlice<Block>) {
        for block in blocks {
            let hash = block.hash()
            blockchain.refuseDescendant(block, hash)
            state.stopWaiting(hash)
        }
    }

    /// What `latestValidHash` says of a valid block: zero if it is one of proof of work.
    func latestValid(_ hash: Hash256) throws -> Hash256? {
        guard let header = try blockchain.head.view.header(hash: hash) else { return nil }
        return header.isPostMerge ? hash : .zero
    }
}

extension ExecutionPayload {
    /// Members that came with later versions.
    enum LaterMember { case withdrawals, blobGas }

    /// Checks that the payload has exactly the members of a version.
    func check(has wanted: Set<LaterMember>) throws(RPCError) {
        guard (withdrawals != nil) == wanted.contains(.withdrawals) else {
            throw .invalidParams(
                withdrawals == nil ? "withdrawals are missing" : "withdrawals are too early")
        }
        for (name, value) in [("blobGasUsed", blobGasUsed), ("excessBlobGas", excessBlobGas)]
        where (value != nil) != wanted.contains(.blobGas) {
            throw .invalidParams("\(name) is \(value == nil ? "missing" : "too early")")
        }
        if let name = unknownMembers.first {
            throw .invalidParams("\(name) is no member of an execution payload")
        }
    }
}
