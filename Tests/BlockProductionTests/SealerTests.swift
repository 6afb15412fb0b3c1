import BlockProduction
import Chain
import Cryptography
import EthereumTypes
import Execution
import Logging
import Primitives
import TestSupport
import Testing
import TxPool

@Suite struct SealerTests {
    func sealer(_ fixture: DevnetFixture, _ options: SealerOptions) -> Sealer {
        var logger = Logger(label: "sealer")
        logger.logLevel = .critical
        return Sealer(
            chain: fixture.chain, pool: fixture.pool, options: options, logger: logger,
            now: fixture.clock.now)
    }

    @Test func `blocks come at an interval, also without transactions`() async throws {
        let fixture = try DevnetFixture()
        let sealer = sealer(fixture, SealerOptions(schedule: .interval(.milliseconds(10))))
        var events = fixture.chain.events().makeAsyncIterator()
        let service = Task { await sealer.run() }
        var previous = fixture.head.header
        for _ in 0..<3 {
            guard case .committed(let block) = await events.next() else { break }
            #expect(block.head.header.timestamp > previous.timestamp)
            #expect(block.head.header.parentHash == previous.hash())
            previous = block.head.header
        }
        #expect(previous.number == 3)
        service.cancel()
        await service.value
    }

    @Test func `on demand a block comes when a transaction does`() async throws {
        let fixture = try DevnetFixture()
        let sealer = sealer(
            fixture, SealerOptions(schedule: .onDemand(minimum: .milliseconds(10))))
        var events = fixture.chain.events().makeAsyncIterator()
        let service = Task { await sealer.run() }
        for nonce in 0..<Nonce(3) {
            try fixture.pool.add(DevnetFixture.transfer(nonce: nonce))
            guard case .committed(let block) = await events.next() else { break }
            #expect(block.block.transactions.count == 1)
        }
        #expect(fixture.head.number == 3)
        service.cancel()
        await service.value
    }

    /// A private chain as geth or Besu would begin it: before London, and with authorities.
    private static let genesisBeforeLondon = """
        {
          "config": {"chainId": 31337, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0,
            "eip158Block": 0, "byzantiumBlock": 0, "constantinopleBlock": 0, "petersburgBlock": 0,
            "istanbulBlock": 0, "berlinBlock": 0, "clique": {"period": 1, "epoch": 30000}},
          "gasLimit": "0x1c9c380", "difficulty": "0x1", "alloc": {
            "\(DevnetFixture.key(1).address)": {"balance": "0xd3c21bcecceda1000000"}}
        }
        """

    @Test(arguments: [nil, 10_000_000, 100_000_000] as [Gas?])
    func `blocks after a genesis before London are those that other nodes take`(
        gasLimit: Gas?
    ) async throws {
        let genesis = try Genesis(json: Bytes(Self.genesisBeforeLondon.utf8))
        let fixture = try DevnetFixture(genesis: genesis)
        let other = try DevnetFixture(genesis: genesis)
        try fixture.pool.add(DevnetFixture.transfer(nonce: 0))
        let sealer = sealer(
            fixture, SealerOptions(schedule: .interval(.milliseconds(10)), gasLimit: gasLimit))
        var events = fixture.chain.events().makeAsyncIterator()
        let service = Task { await sealer.run() }
        for number in 1...3 as ClosedRange<BlockNumber> {
            guard case .committed(let block) = await events.next() else { break }
            #expect(block.block.transactions.count == (number == 1 ? 1 : 0))
            try await other.chain.importBlock(block.block)
        }
        service.cancel()
        await service.value
        #expect(other.head.number == 3)
        #expect(try other.balance(DevnetFixture.receiver) == 1)
        let first = try #require(try other.chain.head.view.header(1))
        #expect(first.baseFeePerGas == BaseFee.initial)
        // 60,000,000 / 1,024 is 58,593.
        let expected: Gas =
            switch gasLimit {
            case nil: 60_000_000
            case 10_000_000: 59_941_408
            default: 60_058_592
            }
        #expect(first.gasLimit == expected)
    }

    @Test func `a block that no other node would take is not made`() async throws {
        var genesis = DevnetFixture.genesis()
        // No header after the genesis may have so little.
        genesis.gasLimit = 4_000
        let fixture = try DevnetFixture(genesis: genesis)
        let (lines, continuation) = AsyncStream.makeStream(of: String.self)
        let sealer = Sealer(
            chain: fixture.chain, pool: fixture.pool,
            options: SealerOptions(schedule: .interval(.milliseconds(10))),
            logger: Logger(label: "sealer") { _ in LogLines(continuation: continuation) },
            now: fixture.clock.now)
        let service = Task { await sealer.run() }
        var read = lines.makeAsyncIterator()
        #expect(await read.next() == "block production has stopped")
        #expect(fixture.head.number == 0)
        service.cancel()
        await service.value
    }
}

/// The messages that are logged.
private struct LogLines: LogHandler {
    let continuation: AsyncStream<String>.Continuation
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { continuation.yield("\(event.message)") }
}

@Suite struct PayloadBuilderTests {
    @Test func `what does not fit is told with its reason`() async throws {
        let fixture = try DevnetFixture(options: DevnetOptions(mode: .manual))
        let head = fixture.head
        let attributes = PayloadAttributes(
            timestamp: head.header.timestamp + 1, coinbase: .zero, prevRandao: .zero,
            gasLimit: head.header.gasLimit)
        let gap = RecoveredTransaction(
            DevnetFixture.transfer(nonce: 3), sender: DevnetFixture.key(1).address)
        let good = RecoveredTransaction(
            DevnetFixture.transfer(nonce: 0), sender: DevnetFixture.key(1).address)
        let payload = try PayloadBuilder(config: head.view.config).build(
            on: try head.view.parentBlock(), attributes: attributes,
            transactions: [gap, good, good])
        #expect(payload.built.block.transactions == [good.transaction])
        #expect(
            payload.skipped == [
                SkippedTransaction(
                    hash: gap.hash, reason: .nonceTooHigh(account: 0, transaction: 3)),
                SkippedTransaction(
                    hash: good.hash, reason: .nonceTooLow(account: 1, transaction: 0)),
            ])
        #expect(payload.skipped.map(\.prospect) == [.change, .none])
    }
}
