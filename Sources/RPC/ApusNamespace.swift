import BlockProduction
import Chain
import EthereumTypes
import Primitives

/// The `apus` namespace: what nodes of one private chain tell each other.
struct ApusNamespace: Sendable {
    let services: RPCServices

    var methods: [RPCMethod] {
        [
            RPCMethod("apus_getBlocks", ["from", "count"], execution: getBlocks),
            RPCMethod(
                "apus_getSeal", ["blockHash"], result: Schema.nullable(Schema.seal),
                execution: getSeal),
        ]
    }

    /// Blocks of the canonical chain, encoded, with their seals, and where the chain ends now. All
    /// from one view of the chain: the last of them is the head, or more can be had.
    private func getBlocks(
        _: RPCContext, _ from: UInt64, _ count: UInt64
    ) throws -> SealedBlocksResult {
        guard count <= Self.maximumCount else {
            throw RPCError(
                code: RPCErrorCode.limitExceeded,
                message: "more than \(Self.maximumCount) blocks at once")
        }
        let view = services.blockchain.head.view
        var result = SealedBlocksResult(head: (view.number, view.hash))
        var byteCount = 0
        var number = from
        while number <= view.number, number - from < count, byteCount < Self.maximumBytes,
            let stored = try view.block(number)
        {
            let encoded = stored.block.encoded()
            byteCount += encoded.count
            result.blocks.append(
                SealedBlocksResult.Entry(
                    encoded: encoded,
                    seal: try services.seals?.seal(of: stored.hash, in: view)?.bytes,
                    isOverridden: number > 0
                        ? try !view.overrides(before: number).isEmpty : false))
            number += 1
        }
        return result
    }

    /// Blocks of one answer: a replica imports so many in less time than it takes to ask again.
    private static let maximumCount: UInt64 = 256
    /// Bytes of blocks after which no further one is added to an answer.
    private static let maximumBytes = 4 << 20

    /// The seal of a block and who made it; null if it has none.
    private func getSeal(_: RPCContext, _ hash: Hash256) throws -> JSONValue {
        let view = services.blockchain.head.view
        guard let seal = try services.seals?.seal(of: hash, in: view) else { return .null }
        return [
            "seal": .string(Hex.encode(seal.bytes)),
            "signer": seal.signer(of: hash).map { .string($0.description) } ?? .null,
        ]
    }
}

/// The answer to `apus_getBlocks`.
struct SealedBlocksResult: RPCResult {
    struct Entry: Sendable {
        let encoded: Bytes
        let seal: Bytes?
        /// Whether something was changed by hand before the block, which no replica can follow.
        let isOverridden: Bool
    }

    let head: (number: BlockNumber, hash: Hash256)
    var blocks: [Entry] = []

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("head")
            writer.object { writer in
                writer.key("number")
                writer.hexQuantity(head.number)
                writer.key("hash")
                writer.hash(head.hash)
            }
            writer.key("blocks")
            writer.array { writer in
                for block in blocks {
                    writer.object { writer in
                        writer.key("block")
                        writer.hexData(block.encoded)
                        if let seal = block.seal {
                            writer.key("seal")
                            writer.hexData(seal)
                        }
                        if block.isOverridden {
                            writer.key("overridden")
                            writer.bool(true)
                        }
                    }
                }
            }
        }
    }

    static let schema = Schema.sealedBlocks
}
