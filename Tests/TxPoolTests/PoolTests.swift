import Cryptography
import EthereumTypes
import Execution
import Primitives
import State
import TestSupport
import Testing
import TxPool

@Suite struct PoolAdmissionTests {
    @Test func `the same transaction is taken once`() throws {
        var fixture = PoolFixture()
        let transaction = PoolFixture.transfer(from: 1, nonce: 0)
        try fixture.add(transaction, from: 1)
        #expect(throws: PoolRejection.alreadyKnown(transaction.hash())) {
            try fixture.add(transaction, from: 1)
        }
    }

    @Test func `a used nonce is refused`() throws {
        var fixture = PoolFixture()
        fixture.setAccount(1, nonce: 5)
        fixture.pool = Pool(head: PoolFixture.head(fixture.state), options: PoolOptions())
        #expect(throws: PoolRejection.invalid(.nonceTooLow(account: 5, transaction: 4))) {
            try fixture.send(1, 4)
        }
        try fixture.send(1, 5)
    }

    @Test func `the sender must own gas at the cap and the value`() throws {
        var fixture = PoolFixture()
        // 21,000 gas at 101 wei.
        let fees = UInt256(21_000 * 101)
        let rest = PoolFixture.ether &- fees
        #expect(
            throws: PoolRejection.invalid(
                .insufficientFunds(have: PoolFixture.ether, want: PoolFixture.ether &+ 1))
        ) {
            try fixture.send(1, 0, value: rest &+ 1)
        }
        try fixture.send(1, 0, value: rest)
    }

    @Test func `earlier transactions of the sender count against its balance`() throws {
        var fixture = PoolFixture()
        let half = PoolFixture.ether / 2
        try fixture.send(1, 0, value: half)
        #expect(throws: PoolRejection.self) { try fixture.send(1, 1, value: half) }
        // One that is executed before it does not have to wait for its money.
        #expect(throws: Never.self) { try fixture.send(2, 0, value: half) }
    }

    @Test func `a pool that does not check balances takes what cannot be paid`() throws {
        var fixture = PoolFixture(options: PoolOptions(checksBalance: false))
        try fixture.send(1, 0, value: PoolFixture.ether * 2)
        try fixture.send(1, 1, value: PoolFixture.ether * 2)
        #expect(fixture.pendingNonces(1) == [0, 1])
    }

    @Test func `what breaks a rule is refused with the rule`() throws {
        var fixture = PoolFixture(fork: .shanghai)
        #expect(
            throws: PoolRejection.invalid(.intrinsicGasTooLow(have: 20_999, want: 21_000))
        ) {
            try fixture.add(
                PoolFixture.transfer(from: 1, nonce: 0, gasLimit: 20_999), from: 1)
        }
        #expect(
            throws: PoolRejection.invalid(
                .gasLimitExceedsBlock(have: 30_000_001, available: 30_000_000))
        ) {
            try fixture.add(
                PoolFixture.transfer(from: 1, nonce: 0, gasLimit: 30_000_001), from: 1)
        }
        #expect(
            throws: PoolRejection.invalid(.priorityFeeAboveFeeCap(priorityFee: 9, feeCap: 8))
        ) {
            try fixture.send(1, 0, tip: 9, cap: 8)
        }
        var other = PoolFixture.transfer(from: 1, nonce: 0)
        other.chainId = 5
        #expect(throws: PoolRejection.invalid(.wrongChainId(transaction: 5, chain: 1_337))) {
            try fixture.add(other, from: 1)
        }
        var blob = PoolFixture.transfer(from: 1, nonce: 0)
        blob.type = .blob
        #expect(throws: PoolRejection.invalid(.typeNotSupported(.blob, fork: .shanghai))) {
            try fixture.add(blob, from: 1)
        }
        var creation = PoolFixture.transfer(from: 1, nonce: 0, gasLimit: 10_000_000)
        creation.to = nil
        creation.data = Bytes(repeating: 0, count: 49_153)
        #expect(throws: PoolRejection.invalid(.initCodeTooLarge(size: 49_153, max: 49_152))) {
            try fixture.add(creation, from: 1)
        }
    }

    @Test func `a transaction has at most 128 KiB`() throws {
        var fixture = PoolFixture()
        var transaction = PoolFixture.transfer(from: 1, nonce: 0, gasLimit: 30_000_000)
        transaction.data = Bytes(repeating: 0, count: 128 << 10)
        let size = transaction.encoded().count
        #expect(throws: PoolRejection.oversized(have: size, max: 128 << 10)) {
            try fixture.add(transaction, from: 1)
        }
        transaction.data.removeLast(size - (128 << 10))
        #expect(throws: Never.self) { try fixture.add(transaction, from: 1) }
    }

    @Test func `a tip below the node's minimum is refused`() throws {
        var fixture = PoolFixture(options: PoolOptions(minimumTip: 5))
        #expect(throws: PoolRejection.underpriced(tip: 4, minimum: 5)) {
            try fixture.send(1, 0, tip: 4)
        }
        try fixture.send(1, 0, tip: 5)
    }

    @Test func `a network waits for a lower base fee, a devnet says no`() throws {
        var network = PoolFixture(baseFee: 100)
        try network.send(1, 0, tip: 1, cap: 50)
        #expect(network.pendingNonces(1) == [0])
        #expect(network.best() == [])

        var devnet = PoolFixture(options: PoolOptions(policy: .devnet), baseFee: 100)
        #expect(
            throws: PoolRejection.invalid(.feeCapBelowBaseFee(feeCap: 50, baseFee: 100))
        ) {
            try devnet.send(1, 0, tip: 1, cap: 50)
        }
    }

    @Test func `a state that cannot be read says nothing about the transaction`() throws {
        var fixture = PoolFixture()
        let failure = StateReadError(message: "disk")
        fixture.state.failure = failure
        fixture.pool = Pool(head: PoolFixture.head(fixture.state), options: PoolOptions())
        #expect(throws: PoolRejection.stateRead(failure)) { try fixture.send(1, 0) }
    }
}

@Suite struct PoolNonceTests {
    @Test func `transactions behind a gap wait, and follow when it closes`() throws {
        var fixture = PoolFixture()
        try fixture.send(1, 0)
        let waiting = try fixture.send(1, 2)
        #expect(waiting.promoted.isEmpty)
        #expect(fixture.pendingNonces(1) == [0])
        #expect(fixture.queuedNonces(1) == [2])
        let closing = try fixture.send(1, 1)
        #expect(closing.promoted.map(\.transaction.nonce) == [1, 2])
        #expect(fixture.pendingNonces(1) == [0, 1, 2])
    }

    @Test(arguments: 0..<20)
    func `any order of arrival ends with all of them pending`(seed: UInt64) throws {
        var fixture = PoolFixture()
        var random = SeededRandom(seed: seed)
        var promoted: Set<Hash256> = []
        for nonce in (0..<Nonce(50)).shuffled(using: &random) {
            let change = try fixture.send(1, nonce)
            for transaction in change.promoted {
                #expect(promoted.insert(transaction.hash).inserted)
            }
        }
        #expect(fixture.pendingNonces(1) == Array(0..<50))
        #expect(promoted.count == 50)
    }

    @Test func `removal in the middle makes the later ones wait`() throws {
        var fixture = PoolFixture()
        for nonce in 0..<Nonce(4) { try fixture.send(1, nonce) }
        let hash = PoolFixture.transfer(from: 1, nonce: 1).hash()
        #expect(fixture.pool.remove(hash).removed == [hash])
        #expect(fixture.pendingNonces(1) == [0])
        #expect(fixture.queuedNonces(1) == [2, 3])
        #expect(fixture.pool.queue(of: PoolFixture.sender(1))?.nextNonce == 1)
    }

    @Test func `a new head removes what it has and keeps the rest`() throws {
        var fixture = PoolFixture()
        for nonce in 0..<Nonce(4) { try fixture.send(1, nonce) }
        fixture.setAccount(1, nonce: 2)
        let change = fixture.pool.setHead(PoolFixture.head(fixture.state))
        #expect(change.removed.count == 2)
        #expect(change.promoted.isEmpty)
        #expect(fixture.pendingNonces(1) == [2, 3])
    }

    @Test func `a new head can close a gap`() throws {
        var fixture = PoolFixture()
        try fixture.send(1, 3)
        fixture.setAccount(1, nonce: 3)
        let change = fixture.pool.setHead(PoolFixture.head(fixture.state))
        #expect(change.promoted.map(\.transaction.nonce) == [3])
        #expect(fixture.pendingNonces(1) == [3])
    }

    @Test func `a head that goes back makes transactions wait again`() throws {
        var fixture = PoolFixture()
        fixture.setAccount(1, nonce: 2)
        _ = fixture.pool.setHead(PoolFixture.head(fixture.state))
        try fixture.send(1, 2)
        fixture.setAccount(1, nonce: 1)
        _ = fixture.pool.setHead(PoolFixture.head(fixture.state))
        #expect(fixture.queuedNonces(1) == [2])
        try fixture.send(1, 1)
        #expect(fixture.pendingNonces(1) == [1, 2])
    }

    @Test func `what the sender can no longer pay, or no block can hold, leaves`() throws {
        var fixture = PoolFixture()
        try fixture.send(1, 0)
        try fixture.send(1, 1, value: PoolFixture.ether / 2)
        try fixture.send(1, 2)
        fixture.setAccount(1, nonce: 0, balance: PoolFixture.ether / 4)
        let change = fixture.pool.setHead(PoolFixture.head(fixture.state))
        #expect(change.removed.count == 1)
        #expect(fixture.pendingNonces(1) == [0])
        #expect(fixture.queuedNonces(1) == [2])
        _ = fixture.pool.setHead(PoolFixture.head(fixture.state, gasLimit: 20_000))
        #expect(fixture.pool.count == 0)
    }

    @Test func `an account that was changed by hand is looked at anew`() throws {
        var fixture = PoolFixture()
        try fixture.send(1, 0)
        fixture.setAccount(1, nonce: 7)
        // Without a new head the pool still has the old state: tell it.
        _ = fixture.pool.setHead(PoolFixture.head(fixture.state))
        #expect(fixture.pool.count == 0)
        try fixture.send(1, 7)
        #expect(fixture.pendingNonces(1) == [7])
    }

    @Test func `a head whose state cannot be read keeps the transactions`() throws {
        var fixture = PoolFixture()
        try fixture.send(1, 0)
        fixture.state.failure = StateReadError(message: "disk")
        let change = fixture.pool.setHead(PoolFixture.head(fixture.state))
        #expect(change.removed.isEmpty)
        #expect(fixture.pool.count == 1)
    }
}

@Suite struct PoolReplacementTests {
    @Test func `a replacement needs ten per cent more on both caps`() throws {
        var fixture = PoolFixture()
        try fixture.send(1, 0, tip: 100, cap: 1_000)
        #expect(
            throws: PoolRejection.replacementUnderpriced(.maxFeePerGas, have: 1_099, want: 1_100)
        ) {
            try fixture.send(1, 0, tip: 110, cap: 1_099)
        }
        #expect(
            throws: PoolRejection.replacementUnderpriced(
                .maxPriorityFeePerGas, have: 109, want: 110)
        ) {
            try fixture.send(1, 0, tip: 109, cap: 1_100)
        }
        let change = try fixture.send(1, 0, tip: 110, cap: 1_100)
        #expect(
            change.removed == [PoolFixture.transfer(from: 1, nonce: 0, tip: 100, cap: 1_000).hash()]
        )
        #expect(change.promoted.count == 1)
        #expect(fixture.pool.count == 1)
        #expect(fixture.pendingNonces(1) == [0])
    }

    @Test func `where ten per cent vanish one wei more is needed`() throws {
        #expect(ReplacementRule.threshold(over: 0, bump: 10) == 1)
        #expect(ReplacementRule.threshold(over: 9, bump: 10) == 10)
        #expect(ReplacementRule.threshold(over: 10, bump: 10) == 11)
        #expect(ReplacementRule.threshold(over: .max, bump: 10) == .max)
    }

    @Test func `a replacement in the middle keeps the later ones pending`() throws {
        var fixture = PoolFixture()
        for nonce in 0..<Nonce(3) { try fixture.send(1, nonce) }
        try fixture.send(1, 1, tip: 200)
        #expect(fixture.pendingNonces(1) == [0, 1, 2])
    }

    @Test func `blobs double the price of a replacement`() throws {
        var fixture = PoolFixture()
        let first = Self.blob(tip: 10, cap: 100, blobCap: 5)
        try fixture.add(first.transaction, from: 1, sidecar: first.sidecar)
        for (tip, cap, blobCap) in [(19, 200, 10), (20, 199, 10), (20, 200, 9)] {
            let next = Self.blob(tip: UInt256(tip), cap: UInt256(cap), blobCap: UInt256(blobCap))
            #expect(throws: PoolRejection.self) {
                try fixture.add(next.transaction, from: 1, sidecar: next.sidecar)
            }
        }
        let enough = Self.blob(tip: 20, cap: 200, blobCap: 10)
        try fixture.add(enough.transaction, from: 1, sidecar: enough.sidecar)
        #expect(fixture.pool.count == 1)
    }

    static func blob(
        tip: Wei, cap: Wei, blobCap: Wei, nonce: Nonce = 0
    ) -> (transaction: Transaction, sidecar: BlobSidecar) {
        let commitment = Bytes(repeating: 0xc0, count: BlobSidecar.proofByteCount)
        var transaction = PoolFixture.transfer(from: 1, nonce: nonce, tip: tip, cap: cap)
        transaction.type = .blob
        transaction.maxFeePerBlobGas = blobCap
        transaction.blobVersionedHashes = [KZG.versionedHash(commitment)]
        let sidecar = BlobSidecar(
            version: .blobProofs, blobs: [Bytes(repeating: 0, count: BlobSidecar.blobByteCount)],
            commitments: [commitment], proofs: [commitment])
        return (transaction.signed(with: PoolFixture.key(1)), sidecar)
    }

    @Test func `a blob transaction needs blobs of its fork's kind`() throws {
        let blob = Self.blob(tip: 10, cap: 100, blobCap: 5)
        var cancun = PoolFixture()
        #expect(throws: PoolRejection.missingSidecar) { try cancun.add(blob.transaction, from: 1) }
        var osaka = PoolFixture(fork: .osaka)
        #expect(throws: PoolRejection.sidecarVersion(have: .blobProofs, want: .cellProofs)) {
            try osaka.add(blob.transaction, from: 1, sidecar: blob.sidecar)
        }
        var devnet = PoolFixture(options: PoolOptions(policy: .devnet), fork: .osaka)
        try devnet.add(blob.transaction, from: 1, sidecar: blob.sidecar)
    }
}

@Suite struct PoolLimitTests {
    static func options(_ change: (inout PoolLimits) -> Void) -> PoolOptions {
        var limits = PoolLimits()
        change(&limits)
        return PoolOptions(limits: limits)
    }

    @Test func `a full pool drops the cheapest for one that pays more`() throws {
        var fixture = PoolFixture(options: Self.options { $0.transactions = 3 })
        try fixture.send(1, 0, tip: 5)
        try fixture.send(2, 0, tip: 3)
        try fixture.send(3, 0, tip: 4)
        #expect(throws: PoolRejection.poolFull(tip: 3, lowest: 3, limit: 3)) {
            try fixture.send(4, 0, tip: 3)
        }
        let change = try fixture.send(4, 0, tip: 6)
        #expect(change.removed.count == 1)
        #expect(fixture.best() == ["4:0", "1:0", "3:0"])
    }

    @Test func `what waits goes before what is pending, and only the last of a sender`() throws {
        var fixture = PoolFixture(options: Self.options { $0.transactions = 4 })
        try fixture.send(1, 0, tip: 1)
        try fixture.send(1, 1, tip: 9)
        try fixture.send(2, 0, tip: 2)
        try fixture.send(2, 5, tip: 50)
        try fixture.send(3, 0, tip: 1)
        #expect(fixture.queuedNonces(2) == [])
        try fixture.send(4, 0, tip: 10)
        // The cheap one of sender 1 carries another: sender 3 had to go.
        #expect(fixture.pendingNonces(3) == [])
        #expect(fixture.pendingNonces(1) == [0, 1])
    }

    @Test func `a sender does not push out its own transactions`() throws {
        var fixture = PoolFixture(options: Self.options { $0.transactions = 2 })
        try fixture.send(1, 0, tip: 1)
        try fixture.send(1, 1, tip: 1)
        #expect(throws: PoolRejection.self) { try fixture.send(1, 2, tip: 50) }
        #expect(fixture.pendingNonces(1) == [0, 1])
    }

    @Test func `a sender has a limit, and a lower one for what waits`() throws {
        var fixture = PoolFixture(
            options: Self.options {
                $0.transactionsPerSender = 4
                $0.queuedPerSender = 2
            })
        try fixture.send(1, 2)
        try fixture.send(1, 3)
        #expect(throws: PoolRejection.nonceGapLimit(PoolFixture.sender(1), limit: 2)) {
            try fixture.send(1, 4)
        }
        try fixture.send(1, 0)
        try fixture.send(1, 1)
        #expect(throws: PoolRejection.senderLimit(PoolFixture.sender(1), limit: 4)) {
            try fixture.send(1, 4)
        }
        // A replacement takes no room.
        try fixture.send(1, 3, tip: 100)
    }

    @Test func `bytes have a limit too`() throws {
        let size = PoolFixture.pooled(PoolFixture.transfer(from: 1, nonce: 0), from: 1).byteCount
        var fixture = PoolFixture(options: Self.options { $0.bytes = 2 * size })
        try fixture.send(1, 0, tip: 1)
        try fixture.send(2, 0, tip: 2)
        try fixture.send(3, 0, tip: 3)
        #expect(fixture.best() == ["3:0", "2:0"])
    }

    @Test func `blob transactions have a limit`() throws {
        var fixture = PoolFixture(options: Self.options { $0.blobTransactions = 1 })
        let first = PoolReplacementTests.blob(tip: 10, cap: 100, blobCap: 5)
        try fixture.add(first.transaction, from: 1, sidecar: first.sidecar)
        let second = PoolReplacementTests.blob(tip: 10, cap: 100, blobCap: 5, nonce: 1)
        #expect(throws: PoolRejection.blobLimit(1)) {
            try fixture.add(second.transaction, from: 1, sidecar: second.sidecar)
        }
    }
}

@Suite struct BestTransactionsTests {
    @Test func `the better tip comes first, a sender's nonces in order`() throws {
        var fixture = PoolFixture()
        try fixture.send(1, 0, tip: 2)
        try fixture.send(1, 1, tip: 9)
        try fixture.send(2, 0, tip: 5)
        try fixture.send(3, 0, tip: 1)
        #expect(fixture.best() == ["2:0", "1:0", "1:1", "3:0"])
    }

    @Test func `of equal tips the earlier comes first`() throws {
        var fixture = PoolFixture()
        for index in [3, 1, 2] { try fixture.send(index, 0) }
        #expect(fixture.best() == ["3:0", "1:0", "2:0"])
    }

    @Test func `the tip is what the base fee leaves of the cap`() throws {
        var fixture = PoolFixture(baseFee: 50)
        try fixture.send(1, 0, tip: 40, cap: 52)
        try fixture.send(2, 0, tip: 3, cap: 100)
        try fixture.send(3, 0, tip: 100, cap: 100)
        #expect(fixture.best() == ["3:0", "2:0", "1:0"])
    }

    @Test func `a sender whose next transaction does not pay is left out`() throws {
        var fixture = PoolFixture(baseFee: 50)
        try fixture.send(1, 0, tip: 1, cap: 49)
        try fixture.send(1, 1, tip: 1, cap: 90)
        try fixture.send(2, 0, tip: 1, cap: 90)
        #expect(fixture.best() == ["2:0"])
    }

    @Test func `the order of arrival can be kept instead`() throws {
        var fixture = PoolFixture(options: PoolOptions(order: .arrival))
        try fixture.send(1, 0, tip: 1)
        try fixture.send(2, 0, tip: 9)
        try fixture.send(1, 1, tip: 5)
        #expect(fixture.best() == ["1:0", "2:0", "1:1"])
    }

    @Test func `a skipped sender does not come again`() throws {
        var fixture = PoolFixture()
        try fixture.send(1, 0, tip: 9)
        try fixture.send(1, 1, tip: 9)
        try fixture.send(2, 0, tip: 5)
        var best = fixture.pool.best(baseFee: 10, blobBaseFee: 1)
        best.skipSender()
        #expect(best.first?.sender == PoolFixture.sender(2))
        best.advance()
        #expect(best.first == nil)
        best.advance()
        best.skipSender()
        #expect(best.first == nil)
    }

    @Test(arguments: 0..<10)
    func `tips never rise but within a sender`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var fixture = PoolFixture()
        for index in 1...20 {
            for nonce in 0..<Nonce.random(in: 1...5, using: &random) {
                try fixture.send(index, nonce, tip: UInt256(Int.random(in: 1...50, using: &random)))
            }
        }
        var best = fixture.pool.best(baseFee: 10, blobBaseFee: 1)
        var count = 0
        var previous: PooledTransaction?
        while let next = best.first {
            if let previous, previous.sender != next.sender, next.nonce == 0 {
                // It was a candidate before as well.
                #expect(
                    next.transaction.maxPriorityFeePerGas
                        <= previous.transaction.maxPriorityFeePerGas)
            }
            previous = next
            count += 1
            best.advance()
        }
        #expect(count == fixture.pool.count)
    }
}
