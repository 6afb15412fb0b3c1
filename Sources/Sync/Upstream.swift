import BlockProduction
import Cryptography
import EthereumTypes
import Primitives

/// The node that a replica follows, asked over JSON-RPC.
///
/// Another Apus gives many blocks in one answer, with their seals (`apus_getBlocks`). Any other node
/// is asked for them one by one: for raw blocks (`debug_getRawBlock`), or, if it serves none, as every
/// node shows them (`eth_getBlockByNumber`).
struct Upstream: Sendable {
    let client: RPCClient

    /// A block of the upstream's chain.
    struct SealedBlock: Sendable {
        let block: Block
        let hash: Hash256
        let seal: BlockSeal?
    }

    /// What the upstream says about a part of its chain.
    struct Page: Sendable {
        /// The number of its last block.
        let headNumber: BlockNumber
        /// Consecutive blocks; none if the chain ends before them.
        var blocks: [SealedBlock] = []
    }

    /// How blocks can be had from it.
    enum Dialect: Sendable {
        /// `apus_getBlocks`.
        case pages
        /// `debug_getRawBlock`.
        case rawBlocks
        /// `eth_getBlockByNumber`.
        case objects
    }

    /// The hash of its block zero.
    func genesisHash() async throws(FollowError) -> Hash256 {
        let block = try await call("eth_getBlockByNumber", ["0x0", false])
        guard let hash = block["hash"]?.stringValue.flatMap({ Hash256(hex: $0) }) else {
            throw .malformed("block 0 has no hash")
        }
        return hash
    }

    /// Finds out how blocks can be had.
    func dialect() async throws(FollowError) -> Dialect {
        do throws(RPCClientError) {
            _ = try await client.call("apus_getBlocks", ["0x0", "0x0"])
            return .pages
        } catch {
            guard case .refused = error else { throw .upstream(error) }
        }
        do throws(RPCClientError) {
            _ = try await client.call("debug_getRawBlock", ["0x0"])
            return .rawBlocks
        } catch {
            guard case .refused = error else { throw .upstream(error) }
            return .objects
        }
    }

    /// Blocks from a number on, as many as fit one answer.
    func blocks(
        from number: BlockNumber, count: UInt64, by dialect: Dialect
    ) async throws(FollowError) -> Page {
        let page =
            switch dialect {
            case .pages: try await page(from: number, count: count)
            case .rawBlocks: try await singleBlocks(from: number, count: count, rawBlock)
            case .objects: try await singleBlocks(from: number, count: count, blockObject)
            }
        for (index, block) in page.blocks.enumerated() {
            guard block.block.header.number == number + UInt64(index) else {
                throw .malformed("block \(number + UInt64(index)) has another number")
            }
            if index > 0, block.block.header.parentHash != page.blocks[index - 1].hash {
                throw .malformed(
                    "block \(block.block.header.number) does not follow the one before")
            }
        }
        return page
    }

    /// Passes on a signed transaction.
    func send(_ transaction: Bytes) async throws(FollowError) -> Hash256 {
        let result = try await call(
            "eth_sendRawTransaction", [.string(Hex.encode(transaction))])
        guard let hash = result.stringValue.flatMap({ Hash256(hex: $0) }) else {
            throw .malformed("the hash of a transaction")
        }
        return hash
    }

    private func page(
        from number: BlockNumber, count: UInt64
    ) async throws(FollowError) -> Page {
        let answer = try await call(
            "apus_getBlocks",
            [.string(UInt256(number).hexQuantity), .string(UInt256(count).hexQuantity)])
        guard let head = answer["head"]?["number"].flatMap(Self.quantity),
            let entries = answer["blocks"]?.arrayValue, entries.count <= count
        else { throw .malformed("the answer to apus_getBlocks") }
        var page = Page(headNumber: head)
        for entry in entries {
            let block = try Self.block(entry["block"])
            if entry["overridden"]?.boolValue == true {
                throw .overridden(block.header.number)
            }
            let seal = entry["seal"]?.stringValue.flatMap { Hex.decode($0) }.flatMap {
                BlockSeal($0)
            }
            page.blocks.append(SealedBlock(block: block, hash: block.hash(), seal: seal))
        }
        return page
    }

    private func singleBlocks(
        from number: BlockNumber, count: UInt64,
        _ get: (JSONValue) async throws(FollowError) -> Block
    ) async throws(FollowError) -> Page {
        let answer = try await call("eth_blockNumber", [])
        guard let head = Self.quantity(answer) else { throw .malformed("the block number") }
        var page = Page(headNumber: head)
        guard number <= head else { return page }
        let last = number &+ max(min(count, Self.singleBlocksAtOnce), 1) &- 1
        for next in number...min(head, last) {
            let block = try await get(.string(UInt256(next).hexQuantity))
            page.blocks.append(SealedBlock(block: block, hash: block.hash(), seal: nil))
        }
        return page
    }

    private func rawBlock(_ number: JSONValue) async throws(FollowError) -> Block {
        try Self.block(try await call("debug_getRawBlock", [number]))
    }

    private func blockObject(_ number: JSONValue) async throws(FollowError) -> Block {
        let object = try JSONBlock(try await call("eth_getBlockByNumber", [number, true]))
        var ommers: [Header] = []
        for index in 0..<object.ommerCount {
            let ommer = try await call(
                "eth_getUncleByBlockNumberAndIndex",
                [number, .string(UInt256(UInt64(index)).hexQuantity)])
            ommers.append(try JSONBlock.ommer(ommer))
        }
        return Block(
            header: object.header, transactions: object.transactions, ommers: ommers,
            withdrawals: object.withdrawals)
    }

    /// Blocks that are asked for one by one before they are imported.
    private static let singleBlocksAtOnce: UInt64 = 32

    private func call(
        _ method: String, _ params: JSONValue
    ) async throws(FollowError) -> JSONValue {
        do throws(RPCClientError) {
            return try await client.call(method, params)
        } catch {
            throw .upstream(error)
        }
    }

    private static func block(_ value: JSONValue?) throws(FollowError) -> Block {
        guard let bytes = value?.stringValue.flatMap({ Hex.decode($0) }) else {
            throw .malformed("a raw block")
        }
        do throws(BlockDecodingError) {
            return try Block(encoded: bytes)
        } catch {
            throw .malformed("a raw block: \(error)")
        }
    }

    private static func quantity(_ value: JSONValue) -> UInt64? {
        value.stringValue.flatMap { UInt256(hex: $0) }?.asUInt64
    }
}
