import Chain
import EthereumTypes
import Primitives
import Storage

/// `trace_filter`: the traces of a range of blocks by who acted and on whom.
///
/// With an index of the transactions of addresses only those are executed again in which one of the
/// addresses called or was called, and what stands before them in their blocks; so the cost is that of
/// the matches, whatever the range. Without one, or without addresses, every block of the range is
/// executed, and the range is bounded.
extension TraceNamespace {
    var searchMethods: [RPCMethod] {
        [
            RPCMethod(
                "trace_filter", ["filter"], result: Schema.list(Schema.parityTrace),
                execution: filter)
        ]
    }

    private func filter(context: RPCContext, _ filter: TraceFilter) throws -> EncodedJSON {
        try filter.check(context.limits)
        let chain = ChainAccess(services)
        let first = try filter.fromBlock.map { try chain.number(of: $0) } ?? 0
        let last = min(
            try filter.toBlock.map { try chain.number(of: $0) } ?? chain.head.number,
            chain.head.number)
        guard first <= last || first > chain.head.number else {
            throw RPCError.invalidParams("invalid block range params")
        }
        var writer = JSONWriter()
        writer.beginArray()
        var toSkip = filter.after
        var left = filter.count
        /// Takes the next match; answers whether it is on the page.
        func takes() -> Bool {
            guard toSkip == 0 else {
                toSkip -= 1
                return false
            }
            left -= 1
            return true
        }
        // The genesis block has no traces.
        if max(first, 1) <= last, left > 0 {
            try forEachCandidate(of: filter, in: max(first, 1)...last, chain, context) {
                (block, indices) in
                try forEachTrace(of: block, only: indices, chain, context) { trace, place in
                    guard filter.matches(from: trace.from, to: trace.to), takes() else {
                        return true
                    }
                    trace.write(at: place, to: &writer)
                    return try within(context.limits, writer) && left > 0
                }
                for reward in rewards(of: block, chain)
                where left > 0 && filter.matches(from: nil, to: reward.reward.recipient) {
                    guard takes() else { continue }
                    reward.write(blockHash: block.hash, blockNumber: block.number, to: &writer)
                }
                return left > 0
            }
        }
        writer.endArray()
        return try answer(writer, context.limits)
    }

    /// Calls a function with the blocks that may hold what is looked for, and with the transactions in
    /// them that may (nil: all of them), until it answers false.
    private func forEachCandidate(
        of filter: TraceFilter, in range: ClosedRange<BlockNumber>, _ chain: ChainAccess,
        _ context: RPCContext, _ body: (StoredBlock, [Int]?) throws -> Bool
    ) throws {
        if let source = try index(for: filter, reaching: range, chain) {
            var walks = filter.candidates.map { address in
                AppearanceWalk(
                    source, chain.view, of: address,
                    .after(TransactionLocation(blockNumber: range.lowerBound - 1, index: .max)),
                    pageSize: Self.walkedPage)
            }
            var heads = try walks.indices.map { try walks[$0].next() }
            while let number = heads.lazy.compactMap({ $0?.location.blockNumber }).min(),
                range.contains(number)
            {
                guard .now < context.deadline else { throw RPCError.timedOut }
                var indices: Set<Int> = []
                for walk in walks.indices {
                    while let place = heads[walk], place.location.blockNumber == number {
                        if place.isInCall { indices.insert(place.location.index) }
                        heads[walk] = try walks[walk].next()
                    }
                }
                guard !indices.isEmpty, let block = try chain.view.block(number) else { continue }
                guard try body(block, indices.sorted()) else { return }
            }
        } else {
            guard range.upperBound - range.lowerBound < context.limits.traceFilterBlocks else {
                throw RPCError.invalidParams(
                    "Block range too large; currently limited to "
                        + "\(context.limits.traceFilterBlocks) blocks")
            }
            for number in range {
                guard .now < context.deadline else { throw RPCError.timedOut }
                guard let block = try chain.view.block(number) else { continue }
                guard try body(block, nil) else { return }
            }
        }
    }

    /// The index, if it can answer: it knows addresses and all blocks of the range, and nothing but
    /// transactions.
    private func index(
        for filter: TraceFilter, reaching range: ClosedRange<BlockNumber>, _ chain: ChainAccess
    ) throws -> AppearanceSource? {
        guard !filter.candidates.isEmpty, let source = services.appearances,
            let firstBlock = try source.firstBlock(chain.view), firstBlock <= range.lowerBound,
            // Blocks that are mined pay rewards, to ommers too.
            try chain.view.header(range.lowerBound)?.difficulty.isZero ?? false
        else { return nil }
        return source
    }

    /// Appearances of an address that are read at a time.
    private static let walkedPage = 256
}

/// The parameter of `trace_filter`.
struct TraceFilter: RPCParameter {
    let fromBlock: BlockTag?
    let toBlock: BlockTag?
    let fromAddresses: Set<Address>
    let toAddresses: Set<Address>
    let needsBoth: Bool
    /// How many matches are passed over first.
    var after: UInt64
    /// How many are answered.
    var count: UInt64

    static func decode(_ text: JSONText) throws(RPCParameterError) -> TraceFilter {
        let fields = try ObjectFields(text, type: "TraceFilter", name: "TraceFilter")
        let mode = try fields.read("mode", String.self) ?? "union"
        guard mode == "union" || mode == "intersection" else {
            throw RPCParameterError(
                "unknown variant `\(mode)`, expected `union` or `intersection`")
        }
        return TraceFilter(
            fromBlock: try fields.read("fromBlock"), toBlock: try fields.read("toBlock"),
            fromAddresses: Set(try fields.read("fromAddress", [Address].self) ?? []),
            toAddresses: Set(try fields.read("toAddress", [Address].self) ?? []),
            needsBoth: mode == "intersection",
            after: try fields.read("after", LenientQuantity.self)?.value.asUInt64 ?? 0,
            count: try fields.read("count", LenientQuantity.self)?.value.asUInt64 ?? .max)
    }

    /// Whether an action is wanted. No addresses at all: every action.
    func matches(from: Address?, to: Address?) -> Bool {
        let matchesFrom = from.map { fromAddresses.contains($0) } ?? false
        let matchesTo = to.map { toAddresses.contains($0) } ?? false
        if fromAddresses.isEmpty { return toAddresses.isEmpty || matchesTo }
        if toAddresses.isEmpty { return matchesFrom }
        return needsBoth ? matchesFrom && matchesTo : matchesFrom || matchesTo
    }

    /// Addresses in whose transactions every match is; none: anything may match.
    var candidates: Set<Address> {
        if fromAddresses.isEmpty || toAddresses.isEmpty || !needsBoth {
            return fromAddresses.union(toAddresses)
        }
        return fromAddresses.count < toAddresses.count ? fromAddresses : toAddresses
    }

    /// - Throws: if there are more addresses than a filter may have.
    func check(_ limits: RPCLimits) throws(RPCError) {
        guard
            max(fromAddresses.count, toAddresses.count) <= limits.logFilterAlternatives
        else { throw .invalidParams("exceed max addresses") }
    }

    static let schema: JSONValue = ["type": "object", "title": "TraceFilter"]
}
