import BlockProduction
import Chain
import Cryptography
import EthereumTypes
import Execution
import Primitives
import Storage
import TestSupport
import Testing
import TxPool

@Suite struct DevnetSnapshotTests {
    @Test func `going back restores blocks, state, clock, settings and pool`() async throws {
        let fixture = try DevnetFixture(options: DevnetOptions(mode: .manual))
        let devnet = fixture.devnet
        try await devnet.submit(DevnetFixture.transfer(nonce: 0))
        try await devnet.mine()
        try await devnet.submit(DevnetFixture.transfer(nonce: 1))
        try await devnet.override([.balance(DevnetFixture.reverter, 42)])
        try devnet.increaseTime(by: 10)
        try devnet.setNextBaseFee(9_000_000_000)
        let before = fixture.head.hash
        let id = try await devnet.snapshot()
        #expect(id == 0)

        try await devnet.mine(blocks: 3)
        try await devnet.submit(DevnetFixture.transfer(from: 2, nonce: 0))
        try await devnet.override([.balance(DevnetFixture.reverter, 43)])
        try devnet.increaseTime(by: 1_000)
        try devnet.setCoinbase(DevnetFixture.receiver)

        #expect(try await devnet.revert(to: id))
        #expect(fixture.head.hash == before)
        #expect(try fixture.balance(DevnetFixture.reverter) == 42)
        #expect(try fixture.balance(DevnetFixture.receiver) == 1)
        #expect(devnet.timeOffset == 10)
        #expect(devnet.coinbase == .zero)
        #expect(fixture.pool.all.map(\.nonce) == [1])
        #expect(fixture.pool.all.map(\.sender) == [DevnetFixture.key(1).address])
        // The base fee that was set for the next block is set again.
        let header = try await devnet.mine().header
        #expect(header.baseFeePerGas == 9_000_000_000)
        #expect(try fixture.balance(DevnetFixture.receiver) == 2)
    }

    @Test func `a snapshot is gone once it was used, and so are the later ones`() async throws {
        let devnet = try DevnetFixture().devnet
        let ids = try await [devnet.snapshot(), devnet.snapshot(), devnet.snapshot()]
        #expect(ids == [0, 1, 2])
        #expect(try await devnet.revert(to: 1))
        #expect(try await !devnet.revert(to: 1))
        #expect(try await !devnet.revert(to: 2))
        #expect(try await !devnet.revert(to: 99))
        #expect(try await devnet.revert(to: 0))
        #expect(try await devnet.snapshot() == 3)
    }

    @Test func `a snapshot that is kept can be used again`() async throws {
        let fixture = try DevnetFixture()
        let id = try await fixture.devnet.snapshot()
        for _ in 0..<3 {
            try await fixture.devnet.submit(DevnetFixture.transfer(nonce: 0))
            #expect(try await fixture.devnet.revert(to: id, keeping: .keep))
            #expect(fixture.head.number == 0)
        }
    }

    @Test func `a snapshot whose block is gone is no more`() async throws {
        let fixture = try DevnetFixture()
        try await fixture.devnet.mine()
        let id = try await fixture.devnet.snapshot()
        try await fixture.devnet.rollback(to: 0)
        fixture.clock.advance(by: 7)
        try await fixture.devnet.mine(blocks: 2)
        #expect(try await !fixture.devnet.revert(to: id))
    }

    @Test func `clock, settings, snapshots and pool outlast a restart`() async throws {
        let directory = try TemporaryDirectory()
        let clock = ManualClock(2_000)
        let options = DevnetOptions(mode: .manual)
        let pool = PoolOptions(policy: .devnet)
        var id: UInt64 = 0
        do {
            let (chain, _, devnet) = try DevnetFixture.open(
                directory, genesis: DevnetFixture.genesis(), options, pool, clock)
            try devnet.increaseTime(by: 500)
            try devnet.setCoinbase(DevnetFixture.reverter)
            try await devnet.submit(DevnetFixture.transfer(nonce: 0))
            id = try await devnet.snapshot()
            try await devnet.mine(blocks: 2)
            try await chain.shutDown()
        }
        let (chain, transactions, devnet) = try await DevnetFixture.reopen(
            directory, options, pool, clock)
        #expect(devnet.timeOffset == 500)
        #expect(devnet.coinbase == DevnetFixture.reverter)
        #expect(devnet.snapshots == [id: 0])
        #expect(chain.head.number == 2)
        #expect(try await devnet.revert(to: id))
        #expect(chain.head.number == 0)
        #expect(transactions.status == (1, 0))
        #expect(try await devnet.snapshot() == id + 1)
    }

    @Test func `a reorganisation replaces blocks and their transactions`() async throws {
        let fixture = try DevnetFixture()
        let devnet = fixture.devnet
        try await devnet.submit(DevnetFixture.transfer(nonce: 0))
        try await devnet.submit(DevnetFixture.transfer(nonce: 1))
        let old = fixture.head.hash
        fixture.clock.advance(by: 50)
        let other = RecoveredTransaction(
            DevnetFixture.transfer(from: 2, nonce: 0, value: 9),
            sender: DevnetFixture.key(2).address)
        let head = try await devnet.reorganise(depth: 1, to: [[other], []])
        #expect(head.number == 3)
        #expect(try fixture.head.view.canonicalHash(2) != old)
        #expect(try fixture.balance(DevnetFixture.receiver) == 10)
        await #expect(throws: DevnetError.self) { try await devnet.reorganise(depth: 9, to: []) }
    }
}
