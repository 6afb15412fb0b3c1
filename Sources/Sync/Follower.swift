import AsyncHTTPClient
public import BlockProduction
public import Chain
import EthereumTypes
public import Logging
public import Primitives
import RPC
import Synchronization

/// A verifying replica of another node: every block is checked and executed here, and the upstream
/// only chooses among valid ones.
///
/// ```
/// blocks after the head ──▶ senders recovered ──▶ seals checked ──▶ imported, one by one
///        │ they do not follow our head
///        └──▶ back to the last block in common, and the upstream's branch in one batch
/// ```
/// While blocks are imported, the next ones are fetched and their senders recovered. An upstream
/// that cannot be reached, or that gives what is not valid, is asked again after a growing pause,
/// and the replica goes on serving what it has.
public final class Follower: Sendable {
    private let upstream: Upstream
    private let chain: Blockchain
    private let seals: SealStore
    private let sealers: Set<Address>
    private let logger: Logger
    private let state = Mutex(State())

    private struct State {
        var target: BlockNumber = 0
        var start: BlockNumber = 0
        var failure: String?
        /// What was logged last, so that the same is not said every few seconds.
        var loggedFailure: String?
    }

    /// - Parameters:
    ///   - client: asks the upstream.
    ///   - seals: where the seals of the upstream's blocks go, a participant of the chain.
    ///   - sealers: who may make blocks; if there are any, each block needs the seal of one.
    public init(
        client: RPCClient, chain: Blockchain, seals: SealStore, sealers: Set<Address>,
        logger: Logger
    ) {
        upstream = Upstream(client: client)
        self.chain = chain
        self.seals = seals
        self.sealers = sealers
        var logger = logger
        logger[metadataKey: "upstream"] = "\(client.origin)"
        self.logger = logger
    }

    /// How far behind the upstream's head the chain is; `nil` if it is not.
    public var progress: SyncProgress? {
        let (start, target) = state.withLock { ($0.start, $0.target) }
        let current = chain.head.number
        return target > current + Self.closeEnough
            ? SyncProgress(start: start, current: current, highest: target) : nil
    }

    /// Why the upstream cannot be followed at the moment, if so.
    public var failure: String? { state.withLock { $0.failure } }

    /// A replica this close is not called syncing: the blocks are on their way.
    private static let closeEnough: BlockNumber = 2

    /// Passes a signed transaction on to the upstream.
    ///
    /// - Throws: the upstream's own refusal, or that it cannot be reached.
    public func forward(_ transaction: Bytes) async throws(RPCError) -> Hash256 {
        do throws(FollowError) {
            return try await upstream.send(transaction)
        } catch {
            if case .upstream(.refused(let refusal)) = error { throw refusal }
            throw .server("the node that is followed \(error)")
        }
    }

    /// Follows until the task ends.
    ///
    /// - Throws: `anotherChain`, if the upstream is a node of another chain.
    public func run() async throws(FollowError) {
        var pause = Self.shortestPause
        var dialect: Upstream.Dialect?
        while !Task.isCancelled {
            do throws(FollowError) {
                if dialect == nil { dialect = try await meet() }
                guard let dialect else { continue }
                try await catchUp(by: dialect)
                seals.forgetOthers()
                pause = Self.shortestPause
                recovered()
                try? await Task.sleep(for: Self.pollInterval)
            } catch {
                if case .anotherChain = error { throw error }
                if Task.isCancelled { return }
                seals.forgetOthers()
                report(error)
                dialect = nil
                try? await Task.sleep(for: pause)
                pause = min(pause * 2, Self.longestPause)
            }
        }
    }

    /// How often a replica that is at the upstream's head asks for more.
    private static let pollInterval: Duration = .milliseconds(200)
    private static let shortestPause: Duration = .milliseconds(250)
    private static let longestPause: Duration = .seconds(15)
    /// Blocks that are asked for at once.
    private static let pageSize: UInt64 = 128
    /// Blocks of the upstream's branch that become the chain at once: they are in memory until then.
    private static let longestStep: UInt64 = 1_024

    private func meet() async throws(FollowError) -> Upstream.Dialect {
        let genesis = try await upstream.genesisHash()
        guard genesis == chain.genesisHash else {
            throw .anotherChain(theirs: genesis, ours: chain.genesisHash)
        }
        let dialect = try await upstream.dialect()
        if dialect != .pages, !sealers.isEmpty { throw .noSeals }
        return dialect
    }

    // MARK: - Following

    /// Blocks that were checked as far as it goes without executing them.
    private struct Batch: Sendable {
        let headNumber: BlockNumber
        var blocks: [RecoveredBlock] = []
    }

    private func catchUp(by dialect: Upstream.Dialect) async throws(FollowError) {
        var batch = try await prepare(from: chain.head.number + 1, by: dialect)
        state.withLock { $0.start = chain.head.number }
        var report = CatchUpReport(from: chain.head.number, at: .now)
        while !Task.isCancelled {
            state.withLock { $0.target = batch.headNumber }
            guard let first = batch.blocks.first else {
                // The upstream ends where we do, or before: perhaps on another branch.
                return try await rejoin(headNumber: batch.headNumber, by: dialect)
            }
            guard first.block.header.parentHash == chain.head.hash else {
                return try await rejoin(headNumber: batch.headNumber, by: dialect)
            }
            let next = first.block.header.number + UInt64(batch.blocks.count)
            guard next <= batch.headNumber else { return try await importBlocks(batch.blocks) }
            // Fetched and recovered while these are executed.
            let ahead = Task { () -> Result<Batch, FollowError> in
                do throws(FollowError) {
                    return .success(try await prepare(from: next, by: dialect))
                } catch {
                    return .failure(error)
                }
            }
            do throws(FollowError) {
                try await importBlocks(batch.blocks)
            } catch {
                ahead.cancel()
                throw error
            }
            let facts = report.facts(chain.head.number, of: batch.headNumber, at: .now)
            if let facts { logger.notice("catching up", metadata: facts) }
            batch = try await ahead.value.get()
        }
    }

    private func prepare(
        from number: BlockNumber, by dialect: Upstream.Dialect
    ) async throws(FollowError) -> Batch {
        let page = try await upstream.blocks(from: number, count: Self.pageSize, by: dialect)
        var batch = Batch(headNumber: page.headNumber)
        batch.blocks.reserveCapacity(page.blocks.count)
        for sealed in page.blocks {
            try check(sealed)
            do throws(ChainError) {
                batch.blocks.append(
                    try await RecoveredBlock.recovering(sealed.block, config: chain.config))
            } catch {
                throw .invalidBlock(sealed.block.header.number, sealed.hash, error)
            }
            if let seal = sealed.seal { seals.keep(seal, of: sealed.hash) }
        }
        return batch
    }

    private func check(_ sealed: Upstream.SealedBlock) throws(FollowError) {
        guard !sealers.isEmpty else { return }
        let number = sealed.block.header.number
        guard number > 0 else { return }
        guard let seal = sealed.seal else { throw .seal(number, sealed.hash, signer: nil) }
        let signer = seal.signer(of: sealed.hash)
        guard let signer, sealers.contains(signer) else {
            throw .seal(number, sealed.hash, signer: signer)
        }
    }

    private func importBlocks(_ blocks: [RecoveredBlock]) async throws(FollowError) {
        for block in blocks {
            do throws(ChainError) {
                try await chain.importBlock(block)
            } catch {
                throw FollowError(error, block)
            }
        }
        if let head = blocks.last?.block.header {
            logger.info("followed", metadata: ["block.number": "\(head.number)"])
        }
    }

    // MARK: - Reorganisations

    /// Goes over to the upstream's branch, if it is on another one than we are.
    private func rejoin(
        headNumber: BlockNumber, by dialect: Upstream.Dialect
    ) async throws(FollowError) {
        let head = chain.head
        let top = min(head.number, headNumber)
        let common = try await lastCommonBlock(upTo: top, by: dialect)
        // The upstream is merely behind us: it will come along.
        guard common < headNumber, common < head.number || headNumber > head.number else { return }
        var last: Hash256?
        var next = common + 1
        while next <= headNumber {
            let batch = try await prepare(from: next, by: dialect)
            guard !batch.blocks.isEmpty else { break }
            for block in batch.blocks {
                do throws(ChainError) {
                    last = try await chain.insertBlock(block).hash
                } catch {
                    throw FollowError(error, block)
                }
            }
            next += UInt64(batch.blocks.count)
            // Most branches are short; a long one is taken over step by step. The upstream has chosen
            // it: that ours is still longer at the first step is no reason to stay.
            if next > head.number || next - common > Self.longestStep { break }
        }
        guard let last else { return }
        do throws(ChainError) {
            try await chain.setHead(last)
        } catch {
            throw .chain(error)
        }
        logger.notice(
            "reorganised",
            metadata: [
                "block.common": "\(common)", "block.number": "\(chain.head.number)",
                "block.hash": "\(chain.head.hash)",
            ])
    }

    /// The last block, up to a number, that is in our chain and in the upstream's: searched back in
    /// growing steps, and then by halves.
    private func lastCommonBlock(
        upTo top: BlockNumber, by dialect: Upstream.Dialect
    ) async throws(FollowError) -> BlockNumber {
        var step: BlockNumber = 1
        var different = top + 1
        var common = top
        while try await !isCommon(common, by: dialect) {
            guard common > 0 else {
                throw .malformed("block 0 is missing, or not the genesis")
            }
            different = common
            common -= min(step, common)
            step *= 2
        }
        while different - common > 1 {
            let middle = common + (different - common) / 2
            if try await isCommon(middle, by: dialect) {
                common = middle
            } else {
                different = middle
            }
        }
        return common
    }

    private func isCommon(
        _ number: BlockNumber, by dialect: Upstream.Dialect
    ) async throws(FollowError) -> Bool {
        let page = try await upstream.blocks(from: number, count: 1, by: dialect)
        guard let theirs = page.blocks.first?.hash else { return false }
        do throws(ChainError) {
            return try chain.head.view.canonicalHash(number) == theirs
        } catch {
            throw .chain(error)
        }
    }

    // MARK: - Telling

    private func report(_ error: FollowError) {
        let text = "\(error)"
        let isNew = state.withLock { state in
            state.failure = text
            defer { state.loggedFailure = text }
            return state.loggedFailure != text
        }
        guard isNew else { return }
        switch error {
        case .upstream: logger.warning("the upstream node \(text)")
        case .malformed, .anotherChain, .invalidBlock, .seal, .noSeals, .overridden, .chain:
            logger.error("cannot follow", metadata: ["error": "\(text)"])
        }
    }

    private func recovered() {
        let had = state.withLock { state in
            defer { (state.failure, state.loggedFailure) = (nil, nil) }
            return state.failure != nil
        }
        if had {
            logger.notice("following again", metadata: ["block.number": "\(chain.head.number)"])
        }
    }
}
