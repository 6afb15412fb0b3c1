import BlockProduction
import Chain
import EthereumTypes
import Execution
import Primitives
import Testing
import TxPool

@Suite struct PayloadJobTests {
    let fixture: DevnetFixture

    init() throws {
        fixture = try DevnetFixture(options: DevnetOptions(mode: .manual))
    }

    func job() throws -> PayloadJob {
        let head = fixture.chain.head
        return try PayloadJob(
            on: head,
            attributes: PayloadAttributes(
                timestamp: head.header.timestamp + 12, coinbase: Address(w0: 9, w1: 0, w2: 0),
                prevRandao: Hash256(1), gasLimit: head.header.gasLimit),
            pool: fixture.pool)
    }

    @Test func `it begins without transactions and gets better`() async throws {
        let job = try job()
        #expect(job.best.block.transactions.isEmpty)
        #expect(job.best.value == 0)
        try fixture.pool.add(DevnetFixture.transfer(nonce: 0))
        try job.improve()
        let first = job.best
        #expect(first.block.transactions.count == 1)
        #expect(first.value > 0)
        try fixture.pool.add(DevnetFixture.transfer(nonce: 1))
        try job.improve()
        #expect(job.best.block.transactions.count == 2)
        #expect(job.best.value == first.value * 2)
        // Whatever is fetched is a valid block.
        let fetched = job.fetch().block
        let imported = try await fixture.chain.insertBlock(fetched)
        #expect(imported.hash == fetched.hash())
    }

    @Test func `a fetched block does not change any more`() throws {
        let job = try job()
        _ = job.fetch()
        try fixture.pool.add(DevnetFixture.transfer(nonce: 0))
        try job.improve()
        #expect(job.best.block.transactions.isEmpty)
    }

    @Test func `it does not get worse when the pool does`() throws {
        try fixture.pool.add(DevnetFixture.transfer(nonce: 0))
        let job = try job()
        try job.improve()
        fixture.pool.removeAll()
        try job.improve()
        #expect(job.best.block.transactions.count == 1)
    }

    @Test func `it stays valid when the chain goes on`() async throws {
        let job = try job()
        try fixture.pool.add(DevnetFixture.transfer(nonce: 0))
        try job.improve()
        try await fixture.devnet.mine(blocks: 2)
        let block = job.fetch().block
        #expect(try await fixture.chain.insertBlock(block).isCanonical == false)
    }

    @Test func `while it runs it follows the pool until it is fetched`() async throws {
        let job = try job()
        let running = Task {
            await job.run(for: .seconds(60), pause: .milliseconds(1)) { work in
                work()
                return true
            }
        }
        try fixture.pool.add(DevnetFixture.transfer(nonce: 0))
        for _ in 0..<3_000 where job.best.block.transactions.isEmpty {
            try await Task.sleep(for: .milliseconds(10))
        }
        #expect(job.fetch().block.transactions.count == 1)
        await running.value
    }
}
