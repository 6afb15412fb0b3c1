import BlockProduction
import Chain
import Cryptography
import EthereumTypes
import Execution
import Logging
import Primitives
import Storage
import TestSupport
import Testing
import TxPool

@Suite struct AutominingTests {
    @Test func `a transaction is in a block when it is taken`() async throws {
        let fixture = try DevnetFixture()
        let hash = try await fixture.devnet.submit(DevnetFixture.transfer(nonce: 0))
        #expect(fixture.head.number == 1)
        #expect(try fixture.head.view.transactionLocation(hash)?.blockNumber == 1)
        #expect(try fixture.balance(DevnetFixture.receiver) == 1)
        #expect(fixture.pool.status == (0, 0))
        #expect(try fixture.pool.pendingNonce(of: DevnetFixture.key(1).address) == 1)
    }

    @Test func `a transaction that reverts is in a block as well`() async throws {
        let fixture = try DevnetFixture()
        try await fixture.devnet.submit(
            DevnetFixture.transfer(nonce: 0, to: DevnetFixture.reverter))
        let receipts = try #require(try fixture.head.view.receipts(1))
        #expect(receipts.map(\.succeeded) == [false])
    }

    @Test func `what the pool refuses makes no block`() async throws {
        let fixture = try DevnetFixture()
        await #expect(throws: DevnetError.self) {
            try await fixture.devnet.submit(
                DevnetFixture.transfer(nonce: 0, cap: 1_000_000_000 - 1))
        }
        #expect(fixture.head.number == 0)
    }

    @Test func `a transaction that no block can have is reported and dropped`() async throws {
        let fixture = try DevnetFixture()
        // A contract cannot send (EIP-3607): only execution finds out. Its code is put under an
        // account whose key there is.
        try await fixture.devnet.override([.code(DevnetFixture.key(1).address, [0])])
        let transaction = DevnetFixture.transfer(nonce: 0)
        do {
            try await fixture.devnet.submit(transaction)
            Issue.record("it was taken")
        } catch DevnetError.notIncluded(let hash, let reason) {
            #expect(hash == transaction.hash())
            #expect(reason == .senderNotEOA(codeSize: 1))
        }
        #expect(fixture.head.number == 0)
        #expect(fixture.pool.status == (0, 0))
    }

    @Test func `a transaction behind a gap waits, and comes with the one before it`() async throws {
        let fixture = try DevnetFixture()
        try await fixture.devnet.submit(DevnetFixture.transfer(nonce: 1))
        #expect(fixture.head.number == 0)
        #expect(fixture.pool.status == (0, 1))
        try await fixture.devnet.submit(DevnetFixture.transfer(nonce: 0))
        #expect(fixture.pool.status == (0, 0))
        #expect(try fixture.balance(DevnetFixture.receiver) == 2)
    }

    @Test func `many senders at once all get their block`() async throws {
        let fixture = try DevnetFixture()
        let devnet = fixture.devnet
        try await withThrowingTaskGroup(of: Void.self) { group in
            for nonce in (0..<Nonce(40)).shuffled() {
                for index in [1, 2] {
                    group.addTask {
                        try await devnet.submit(DevnetFixture.transfer(from: index, nonce: nonce))
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(fixture.pool.status == (0, 0))
        #expect(try fixture.balance(DevnetFixture.receiver) == 80)
    }

    @Test func `a limit on transactions spreads them over blocks`() async throws {
        let fixture = try DevnetFixture(
            options: DevnetOptions(mode: .manual, maxTransactionsPerBlock: 2))
        for nonce in 0..<Nonce(5) {
            try await fixture.devnet.submit(DevnetFixture.transfer(nonce: nonce))
        }
        #expect(fixture.head.number == 0)
        try await fixture.devnet.setMode(.automine)
        #expect(fixture.head.number == 3)
        #expect(fixture.pool.status == (0, 0))
    }

    @Test func `a full block leaves the rest for the next`() async throws {
        let fixture = try DevnetFixture(options: DevnetOptions(mode: .manual))
        try fixture.devnet.setGasLimit(60_000)
        for index in [1, 2] {
            try await fixture.devnet.submit(DevnetFixture.transfer(from: index, nonce: 0))
        }
        try await fixture.devnet.mine()
        #expect(fixture.pool.status == (1, 0))
        try await fixture.devnet.mine()
        #expect(fixture.pool.status == (0, 0))
        #expect(fixture.head.header.gasLimit == 60_000)
    }

    @Test func `with London's first block the gas limit doubles`() async throws {
        var genesis = DevnetFixture.genesis()
        genesis.config = .single(.berlin, chainId: DevnetFixture.chainId)
        genesis.config.setActivation(of: .london, to: .block(2))
        genesis.difficulty = 131_072
        genesis.baseFeePerGas = nil
        let fixture = try DevnetFixture(
            options: DevnetOptions(mode: .manual), genesis: genesis)
        let other = try DevnetFixture(genesis: genesis)
        #expect(fixture.devnet.gasLimit == 30_000_000)
        try await fixture.devnet.mine()
        #expect(fixture.devnet.gasLimit == 60_000_000)
        try await fixture.devnet.mine(blocks: 2)
        #expect(fixture.head.header.gasLimit == 60_000_000)
        for number in 1...3 as ClosedRange<BlockNumber> {
            let stored = try #require(try fixture.head.view.block(number))
            try await other.chain.importBlock(stored.block)
        }
        #expect(other.head.hash == fixture.head.hash)
    }

    @Test func `an impersonated account sends without a signature, a contract too`() async throws {
        let fixture = try DevnetFixture()
        try await fixture.devnet.override([.balance(DevnetFixture.reverter, DevnetFixture.ether)])
        try fixture.devnet.impersonate(DevnetFixture.reverter)
        #expect(fixture.devnet.isImpersonated(DevnetFixture.reverter))
        var transaction = DevnetFixture.transfer(nonce: 1)
        transaction.impersonate(DevnetFixture.reverter)
        try await fixture.devnet.submit(transaction)
        let block = try #require(try fixture.head.view.block(1))
        #expect(block.senders == [DevnetFixture.reverter])
        #expect(fixture.devnet.stopImpersonating(DevnetFixture.reverter))
        #expect(!fixture.devnet.stopImpersonating(DevnetFixture.reverter))
        fixture.devnet.impersonatesEveryone = true
        #expect(fixture.devnet.isImpersonated(DevnetFixture.receiver))
    }
}

@Suite struct MiningTests {
    @Test func `blocks are made without transactions when they are asked for`() async throws {
        let fixture = try DevnetFixture()
        let head = try await fixture.devnet.mine(blocks: 3)
        #expect(head.number == 3)
        await #expect(throws: DevnetError.self) {
            try await fixture.devnet.mine(blocks: DevnetLimits.blocksPerCall + 1)
        }
    }

    @Test func `blocks come by themselves at an interval that may change`() async throws {
        let fixture = try DevnetFixture(options: DevnetOptions(mode: .interval(.seconds(3_600))))
        let devnet = fixture.devnet
        let service = Task { await devnet.run() }
        var events = fixture.chain.events().makeAsyncIterator()
        try await devnet.setMode(.interval(.milliseconds(20)))
        for expected in 1...3 as ClosedRange<BlockNumber> {
            guard case .committed(let block) = await events.next() else {
                Issue.record("no block \(expected)")
                return
            }
            #expect(block.head.number == expected)
        }
        try await devnet.setMode(.manual)
        service.cancel()
        await service.value
    }

    @Test func `the mixed mode makes blocks for transactions too`() async throws {
        let fixture = try DevnetFixture(options: DevnetOptions(mode: .mixed(.seconds(3_600))))
        try await fixture.devnet.submit(DevnetFixture.transfer(nonce: 0))
        #expect(fixture.head.number == 1)
    }

    @Test func `a pending block is only looked at`() async throws {
        let fixture = try DevnetFixture(options: DevnetOptions(mode: .manual))
        try await fixture.devnet.submit(DevnetFixture.transfer(nonce: 0))
        let pending = try fixture.devnet.pendingBlock()
        #expect(pending.block.header.number == 1)
        #expect(pending.block.transactions.count == 1)
        #expect(fixture.head.number == 0)
        #expect(fixture.pool.status == (1, 0))
    }

    @Test func `settings for one block hold for one block, the others go on`() async throws {
        let fixture = try DevnetFixture()
        let devnet = fixture.devnet
        let coinbase = Address(w0: 1, w1: 2, w2: 3)
        try devnet.setNextBaseFee(7)
        try devnet.setNextPrevRandao(Hash256(UInt256(9)))
        try devnet.setGasLimit(20_000_000)
        try devnet.setCoinbase(coinbase)
        #expect(devnet.nextBaseFee == 7)
        let first = try await devnet.mine().header
        #expect(first.baseFeePerGas == 7)
        #expect(first.prevRandao == Hash256(UInt256(9)))
        let second = try await devnet.mine().header
        #expect(second.baseFeePerGas == nextBaseFee(parent: first))
        #expect(second.prevRandao == keccak256(first.hash()))
        #expect(second.gasLimit == 20_000_000)
        #expect(second.coinbase == coinbase)
    }

    @Test func `a base fee that was set decides about admission`() async throws {
        let fixture = try DevnetFixture()
        try fixture.devnet.setNextBaseFee(5)
        var cheap = DevnetFixture.transfer(nonce: 0, cap: 5)
        cheap.maxPriorityFeePerGas = 0
        cheap.sign(with: DevnetFixture.key(1))
        try await fixture.devnet.submit(cheap)
        #expect(fixture.head.header.baseFeePerGas == 5)
    }

    @Test func `a change of the state is seen at once and part of the next block`() async throws {
        let fixture = try DevnetFixture()
        let address = DevnetFixture.receiver
        try await fixture.devnet.override([.balance(address, 77)])
        #expect(try fixture.balance(address) == 77)
        try await fixture.devnet.mine()
        #expect(try fixture.balance(address) == 77)
        #expect(try fixture.head.view.overrides(before: 1) == [.balance(address, 77)])
    }

    @Test func `a nonce that was set makes old transactions leave the pool`() async throws {
        let fixture = try DevnetFixture(options: DevnetOptions(mode: .manual))
        try await fixture.devnet.submit(DevnetFixture.transfer(nonce: 0))
        try await fixture.devnet.override([.nonce(DevnetFixture.key(1).address, 5)])
        #expect(fixture.pool.status == (0, 0))
        #expect(try fixture.pool.pendingNonce(of: DevnetFixture.key(1).address) == 5)
    }

    @Test func `the developer's genesis makes blocks with all their system calls`() async throws {
        let genesis = try Genesis(json: repositoryFile("genesis/dev.json"))
        let fixture = try DevnetFixture(genesis: genesis)
        let key = try #require(
            PrivateKey(
                Hex.decode("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80") ?? []
            ))
        let transaction = Transaction.legacy(
            chainId: 31_337, nonce: 0, gasPrice: 2_000_000_000, gasLimit: 21_000,
            to: DevnetFixture.receiver, value: 5
        ).signed(with: key)
        try await fixture.devnet.submit(transaction)
        let header = fixture.head.header
        #expect(header.number == 1)
        #expect(header.requestsHash == requestsHash(of: []))
        #expect(header.gasUsed == 21_000)
    }
}

@Suite struct DevnetTimeTests {
    @Test func `blocks follow the wall clock, and never repeat a timestamp`() async throws {
        let fixture = try DevnetFixture()
        let times = try await [
            fixture.devnet.mine().header.timestamp, fixture.devnet.mine().header.timestamp,
        ]
        #expect(times == [2_000, 2_001])
        fixture.clock.advance(by: 100)
        #expect(try await fixture.devnet.mine().header.timestamp == 2_100)
    }

    @Test func `time can be increased, set, and set for one block`() async throws {
        let fixture = try DevnetFixture()
        let devnet = fixture.devnet
        #expect(try devnet.increaseTime(by: 50) == 50)
        #expect(try await devnet.mine().header.timestamp == 2_050)
        #expect(try devnet.setTime(5_000) == 3_000)
        #expect(try await devnet.mine().header.timestamp == 5_000)
        try devnet.setNextBlockTimestamp(9_000)
        #expect(devnet.nextTimestamp == 9_000)
        #expect(try await devnet.mine().header.timestamp == 9_000)
        fixture.clock.advance(by: 10)
        // The clock goes on from the timestamp that was set.
        #expect(try await devnet.mine().header.timestamp == 9_010)
    }

    @Test func `a timestamp that was set must be after the head's`() async throws {
        let fixture = try DevnetFixture()
        let head = try await fixture.devnet.mine().header.timestamp
        #expect(throws: DevnetError.self) { try fixture.devnet.setNextBlockTimestamp(head) }
        try fixture.devnet.setNextBlockTimestamp(head + 1)
    }

    @Test func `an interval of timestamps ignores the wall clock`() async throws {
        let fixture = try DevnetFixture(options: DevnetOptions(blockTimestampInterval: 12))
        #expect(try await fixture.devnet.mine().header.timestamp == 1_012)
        fixture.clock.advance(by: 500)
        #expect(try await fixture.devnet.mine().header.timestamp == 1_024)
        #expect(try fixture.devnet.setBlockTimestampInterval(nil))
        #expect(try await fixture.devnet.mine().header.timestamp == 2_500)
        #expect(try !fixture.devnet.setBlockTimestampInterval(3))
        #expect(try await fixture.devnet.mine().header.timestamp == 2_503)
    }

    @Test func `blocks made together lie so far apart, and the clock follows`() async throws {
        let fixture = try DevnetFixture()
        try await fixture.devnet.mine(blocks: 4, spacing: .between(60))
        let times = try (1...4 as ClosedRange<BlockNumber>).map {
            try fixture.head.view.header($0)?.timestamp
        }
        #expect(times == [2_000, 2_060, 2_120, 2_180])
        fixture.clock.advance(by: 5)
        #expect(try await fixture.devnet.mine().header.timestamp == 2_185)
    }

    @Test func `the clock moves before every block, the first included`() async throws {
        let fixture = try DevnetFixture()
        try await fixture.devnet.mine(blocks: 3, spacing: .beforeEach(60))
        let times = try (1...3 as ClosedRange<BlockNumber>).map {
            try fixture.head.view.header($0)?.timestamp
        }
        #expect(times == [2_060, 2_120, 2_180])
        fixture.clock.advance(by: 5)
        #expect(try await fixture.devnet.mine().header.timestamp == 2_185)
    }

    @Test func `timestamps repeat where that is allowed`() async throws {
        let fixture = try DevnetFixture(options: DevnetOptions(timestampRepetition: .allowed))
        let first = try await fixture.devnet.mine().header.timestamp
        #expect(try await fixture.devnet.mine().header.timestamp == first)
    }

    @Test func `the same transactions give the same chain`() async throws {
        var hashes: [Hash256] = []
        for pause in [0, 1_000] as [UInt64] {
            let fixture = try DevnetFixture(options: DevnetOptions(blockTimestampInterval: 1))
            try await fixture.devnet.submit(DevnetFixture.transfer(nonce: 0))
            fixture.clock.advance(by: pause)
            try await fixture.devnet.submit(DevnetFixture.transfer(nonce: 1))
            hashes.append(fixture.head.hash)
        }
        #expect(hashes[0] == hashes[1])
    }
}

@Suite struct DevnetClockTests {
    @Test func `extreme times do not trap`() {
        var clock = DevnetClock()
        clock.increase(by: .max)
        clock.increase(by: .max)
        #expect(clock.time(now: .max) == .max)
        clock.increase(by: .min)
        clock.increase(by: .min)
        #expect(clock.time(now: 5) == 0)
        clock.set(to: .max, now: 0)
        clock.set(to: 0, now: .max)
        #expect(clock.timestamp(after: .max, now: 0, repeats: .never) == .max)
        clock.interval = .max
        #expect(clock.timestamp(after: 5, now: 0, repeats: .never) == .max)
    }

    @Test func `time can go back, but not behind the parent`() {
        var clock = DevnetClock()
        clock.increase(by: -100)
        #expect(clock.timestamp(after: 50, now: 1_000, repeats: .never) == 900)
        #expect(clock.timestamp(after: 950, now: 1_000, repeats: .never) == 951)
    }

    @Test func `settings survive encoding`() throws {
        var settings = DevnetSettings(coinbase: DevnetFixture.receiver)
        #expect(try DevnetSettings(encoded: settings.encoded()) == settings)
        settings.clock.increase(by: -7)
        settings.clock.interval = 0
        settings.clock.nextTimestamp = 5
        settings.nextBaseFee = 0
        settings.nextPrevRandao = .zero
        settings.gasLimit = 1
        #expect(try DevnetSettings(encoded: settings.encoded()) == settings)
        #expect(throws: RLPError.self) { try DevnetSettings(encoded: [0xc0]) }
    }
}
