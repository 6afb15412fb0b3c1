import Chain
import EthereumTypes
import Primitives

/// Bodies and blobs that the consensus client does not keep itself.
extension EngineNamespace {
    var bodyMethods: [RPCMethod] {
        [
            RPCMethod(
                "engine_getPayloadBodiesByHashV1", ["blockHashes"], execution: bodiesByHash),
            RPCMethod(
                "engine_getPayloadBodiesByRangeV1", ["start", "count"], execution: bodiesByRange),
        ]
    }

    private func bodiesByHash(
        _: RPCContext, _ hashes: [Hash256]
    ) throws -> [PayloadBodyResult?] {
        guard hashes.count <= EngineLimits.bodies else { throw RPCError.tooLargeRequest }
        let view = blockchain.head.view
        return try hashes.map { hash in
            try view.block(hash: hash).map { PayloadBodyResult(block: $0.block) }
        }
    }

    /// Bodies of the canonical chain, up to the head: what lies after it is left out.
    private func bodiesByRange(
        _: RPCContext, _ start: UInt64, _ count: UInt64
    ) throws -> [PayloadBodyResult?] {
        guard start > 0, count > 0 else {
            throw RPCError.invalidParams("start and count must be at least 1")
        }
        guard count <= EngineLimits.bodies else { throw RPCError.tooLargeRequest }
        let view = blockchain.head.view
        guard start <= view.number else { return [] }
        let last = min(view.number, start.addingReportingOverflow(count - 1).partialValue)
        return try (start...max(start, last)).map { number in
            try view.block(number).map { PayloadBodyResult(block: $0.block) }
        }
    }

    // MARK: - Blobs

    var blobMethods: [RPCMethod] {
        [
            RPCMethod("engine_getBlobsV1", ["blobVersionedHashes"], execution: getBlobsV1),
            RPCMethod("engine_getBlobsV2", ["blobVersionedHashes"], execution: getBlobsV2),
            RPCMethod("engine_getBlobsV3", ["blobVersionedHashes"], execution: getBlobsV3),
        ]
    }

    /// Blobs of the pool, each with one proof.
    private func getBlobsV1(_: RPCContext, _ hashes: [Hash256]) throws -> [BlobResult?] {
        guard fork(timestamp: blockchain.head.header.timestamp) < .osaka else {
            throw RPCError.unsupportedFork("engine_getBlobsV1 ended with Osaka")
        }
        return try blobs(hashes, .blobProofs)
    }

    /// Blobs of the pool with the proofs of their cells: all of them, or null.
    private func getBlobsV2(_: RPCContext, _ hashes: [Hash256]) throws -> [BlobResult]? {
        let found = try blobs(hashes, .cellProofs).compactMap(\.self)
        return found.count == hashes.count ? found : nil
    }

    /// The same with null in the place of each that is missing.
    private func getBlobsV3(_: RPCContext, _ hashes: [Hash256]) throws -> [BlobResult?] {
        try blobs(hashes, .cellProofs)
    }

    private func blobs(
        _ hashes: [Hash256], _ version: BlobSidecar.Version
    ) throws(RPCError) -> [BlobResult?] {
        guard hashes.count <= EngineLimits.blobs else { throw .tooLargeRequest }
        let wanted = Set(hashes)
        var found: [Hash256: BlobResult] = [:]
        for pooled in services.pool.blobTransactions {
            guard let sidecar = pooled.sidecar, sidecar.version == version else { continue }
            for (index, hash) in pooled.transaction.blobVersionedHashes.enumerated()
            where wanted.contains(hash) && found[hash] == nil {
                found[hash] = BlobResult(sidecar: sidecar, index: index)
            }
        }
        return hashes.map { found[$0] }
    }
}

/// The body of a block: `ExecutionPayloadBodyV1`.
struct PayloadBodyResult: RPCResult {
    let block: Block

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("transactions")
            writer.encoded(block.transactions)
            writer.key("withdrawals")
            if let withdrawals = block.withdrawals {
                writer.withdrawals(withdrawals)
            } else {
                writer.null()
            }
        }
    }

    static let schema: JSONValue = ["type": "object", "title": "ExecutionPayloadBodyV1"]
}

/// One blob of a transaction in the pool: `BlobAndProofV1` or `V2`.
struct BlobResult: RPCResult {
    let sidecar: BlobSidecar
    let index: Int

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("blob")
            writer.hexData(sidecar.blobs[index])
            switch sidecar.version {
            case .blobProofs:
                writer.key("proof")
                writer.hexData(sidecar.proofs[index])
            case .cellProofs:
                let first = index * BlobSidecar.cellsPerBlob
                writer.key("proofs")
                writer.hexList(Array(sidecar.proofs[first..<first + BlobSidecar.cellsPerBlob]))
            }
        }
    }

    static let schema: JSONValue = ["type": "object", "title": "BlobAndProof"]
}
