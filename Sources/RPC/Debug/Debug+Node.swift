import Chain
import EthereumTypes
import Foundation
import Primitives
import Storage

/// The chain as a whole, and the process.
extension DebugNamespace {
    var nodeMethods: [RPCMethod] {
        [
            RPCMethod(
                "debug_chainConfig",
                result: Schema.object("ChainConfig", ["chainId": Schema.integer]),
                instant: chainConfig),
            RPCMethod("debug_setHead", ["block"], command: setHead),
            RPCMethod(
                "debug_traceBadBlock", ["hash", "options"], result: Schema.blockTraces,
                execution: traceBadBlock),
            RPCMethod("debug_memStats", result: Schema.map(Schema.integer), execution: memStats),
        ]
    }

    private func chainConfig(_: RPCContext) -> JSONValue { services.blockchain.config.json }

    /// Undoes the blocks after one.
    private func setHead(_: RPCContext, _ number: LenientQuantity) async throws -> NullResult {
        let view = services.blockchain.head.view
        guard let hash = try view.canonicalHash(try number.uint64()) else {
            throw RPCError.server("block #\(number.value) not found")
        }
        if let devnet = services.devnet {
            _ = try await devnet.rollback(to: try number.uint64())
        } else {
            try await services.blockchain.setHead(hash)
        }
        return NullResult()
    }

    // MARK: Bad blocks

    private func traceBadBlock(
        context: RPCContext, _ hash: Hash256, _ options: TraceParameter?
    ) throws -> EncodedJSON {
        let chain = ChainAccess(services)
        guard let bad = badBlock(hash) else {
            throw RPCError.server("bad block \(hash) not found")
        }
        let replay = try BlockReplay(try chain.decodeBlock(bad.encoded()), chain)
        var writer = JSONWriter()
        try Self.writeTraces(of: replay, options, context, to: &writer)
        return EncodedJSON(writer.bytes)
    }

    private func badBlock(_ hash: Hash256) -> Block? {
        services.blockchain.badBlocks.first { $0.hash == hash }?.block
    }

    /// A block of the chain or a bad one.
    func block(_ hash: Hash256, _ chain: ChainAccess) throws -> StoredBlock {
        if let block = try chain.view.block(hash: hash) { return block }
        guard let bad = badBlock(hash) else { throw RPCError.server("block \(hash) not found") }
        return try chain.decodeBlock(bad.encoded())
    }

    // MARK: The process

    /// What the kernel says about the process's memory, in bytes. There is no garbage collector to tell
    /// of, so the names are the kernel's and not Go's.
    private func memStats(_: RPCContext) -> JSONValue {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        var fields = JSONObject()
        for line in status.split(separator: "\n") where line.hasPrefix("Vm") {
            // VmRSS:     12345 kB
            let words = line.split { $0 == " " || $0 == "\t" || $0 == ":" }
            guard words.count == 3, let kilobytes = UInt64(words[1]) else { continue }
            fields[String(words[0])] = .number(String(kilobytes << 10))
        }
        return .object(fields)
    }
}
