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

    @Test(
        arguments: [
            // 30,000,000 / 1,024 is 29,296.
            (30_000_000, nil, 30_000_000), (30_000_000, 60_000_000, 30_029_295),
            (30_000_000, 5_000, 29_970_705), (30_000_000, 30_000_100, 30_000_100),
            (500, 600, 500), (5_003, 1, 5_000), (Gas.max, nil, Gas.max),
        ] as [(Gas, Gas?, Gas)])
    func `the gas limit moves in steps that nodes accept`(
        parent: Gas, target: Gas?, expected: Gas
    ) {
        #expect(Sealer.gasLimit(after: parent, towards: target) == expected)
    }
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
