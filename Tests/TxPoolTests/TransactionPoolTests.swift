import Cryptography
import EthereumTypes
import Execution
import Primitives
import State
import Storage
import TestSupport
import Testing
import TxPool

@Suite struct TransactionPoolTests {
    let fixture = PoolFixture()

    func pool(
        _ store: PoolStore? = nil, options: PoolOptions = PoolOptions()
    ) throws -> TransactionPool {
        try TransactionPool(store: store, head: fixture.pool.head, options: options)
    }

    @Test func `the sender is recovered, or the transaction refused`() throws {
        let pool = try pool()
        let transaction = PoolFixture.transfer(from: 1, nonce: 0)
        let hash = try pool.add(transaction)
        #expect(pool.transaction(hash)?.sender == PoolFixture.sender(1))
        var unsigned = transaction
        unsigned.signature = .none
        #expect(throws: PoolRejection.invalid(.invalidSignature)) { try pool.add(unsigned) }
    }

    @Test func `only a devnet takes impersonated senders`() throws {
        var transaction = PoolFixture.transfer(from: 1, nonce: 0)
        transaction.impersonate(PoolFixture.sender(2))
        #expect(throws: PoolRejection.invalid(.invalidSignature)) { try pool().add(transaction) }
        let devnet = try pool(options: PoolOptions(policy: .devnet))
        let hash = try devnet.add(transaction)
        #expect(devnet.transaction(hash)?.sender == PoolFixture.sender(2))
    }

    @Test func `the next nonce counts what is pending`() throws {
        let pool = try pool()
        let sender = PoolFixture.sender(1)
        #expect(try pool.pendingNonce(of: sender) == 0)
        try pool.add(PoolFixture.transfer(from: 1, nonce: 0))
        try pool.add(PoolFixture.transfer(from: 1, nonce: 2))
        #expect(try pool.pendingNonce(of: sender) == 1)
        #expect(pool.status == (1, 1))
        #expect(pool.content.pending[sender]?.count == 1)
        #expect(pool.content(of: sender).queued.map(\.transaction.nonce) == [2])
        pool.removeAll(from: sender)
        #expect(pool.status == (0, 0))
        #expect(try pool.pendingNonce(of: sender) == 0)
    }

    @Test func `proofs that do not fit their blobs are refused`() throws {
        let blob = PoolReplacementTests.blob(tip: 10, cap: 100, blobCap: 5)
        var sidecar = blob.sidecar
        // The blob of zeros has the point at infinity as commitment and proof.
        #expect(throws: PoolRejection.self) {
            try pool().add(blob.transaction, sidecar: sidecar)
        }
        let infinity = Bytes([0xc0] + Bytes(repeating: 0, count: 47))
        var transaction = blob.transaction
        transaction.blobVersionedHashes = [KZG.versionedHash(infinity)]
        transaction.sign(with: PoolFixture.key(1))
        sidecar.commitments = [infinity]
        sidecar.proofs = [infinity]
        #expect(throws: Never.self) { try pool().add(transaction, sidecar: sidecar) }
        sidecar.blobs[0][31] = 1
        #expect(throws: PoolRejection.invalidSidecar(.proofInvalid)) {
            try pool().add(transaction, sidecar: sidecar)
        }
    }

    @Test func `what is pending is told once, what waits when it follows`() async throws {
        let pool = try pool()
        var stream = pool.pendingTransactions().makeAsyncIterator()
        try pool.add(PoolFixture.transfer(from: 1, nonce: 1))
        try pool.add(PoolFixture.transfer(from: 2, nonce: 0))
        try pool.add(PoolFixture.transfer(from: 1, nonce: 0))
        var told: [String] = []
        for _ in 0..<3 {
            guard let next = await stream.next() else { break }
            told.append("\(next.sender == PoolFixture.sender(1) ? 1 : 2):\(next.transaction.nonce)")
        }
        #expect(told == ["2:0", "1:0", "1:1"])
    }

    @Test func `everything that happens is told in its order, the head first`() async throws {
        let pool = try pool()
        var stream = pool.events().makeAsyncIterator()
        let first = try pool.add(PoolFixture.transfer(from: 1, nonce: 0))
        let second = try pool.add(PoolFixture.transfer(from: 1, nonce: 1))
        let better = try pool.add(PoolFixture.transfer(from: 1, nonce: 0, tip: 5, cap: 200))
        var state = fixture.state
        state.accounts[PoolFixture.sender(1)]?.nonce = 1
        pool.setHead(PoolFixture.head(state, baseFee: 12))
        pool.remove(second)
        func name(_ hash: Hash256) -> String {
            hash == first ? "first" : hash == second ? "second" : hash == better ? "better" : "?"
        }
        var told: [String] = []
        for _ in 0..<8 {
            switch await stream.next() {
            case .head(_, let fee): told.append("head at \(fee ?? 0)")
            case .pending(let transaction, let isNext):
                told.append(name(transaction.hash) + (isNext ? " is next" : " follows"))
            case .removed(let hash): told.append(name(hash) + " is gone")
            case nil: break
            }
        }
        #expect(
            told == [
                "head at 10", "first is next", "second follows", "first is gone",
                "better is next", "better is gone", "head at 12", "second is gone",
            ])
    }

    @Test func `an account that cannot be read holds up no other, and follows with the next head`()
        async throws
    {
        let pool = try pool()
        let unread = try pool.add(PoolFixture.transfer(from: 1, nonce: 0))
        try pool.add(PoolFixture.transfer(from: 2, nonce: 0))
        var stream = pool.events().makeAsyncIterator()
        var state = fixture.state
        for index in [1, 2] { state.accounts[PoolFixture.sender(index)]?.nonce = 1 }
        state.unreadable = [PoolFixture.sender(1)]
        pool.setHead(PoolFixture.head(state, baseFee: 12))
        #expect(pool.all.map(\.hash) == [unread])
        state.unreadable = []
        pool.setHead(PoolFixture.head(state, baseFee: 13))
        #expect(pool.all.isEmpty)
        var told: [String] = []
        for _ in 0..<5 {
            switch await stream.next() {
            case .head(_, let fee): told.append("head at \(fee ?? 0)")
            case .pending: told.append("pending")
            case .removed(let hash): told.append(hash == unread ? "unread" : "read")
            case nil: break
            }
        }
        #expect(told == ["head at 10", "read", "head at 12", "unread", "head at 13"])
    }

    @Test func `a reader that falls behind sees the end`() async throws {
        var limits = PoolLimits()
        limits.eventsPerSubscriber = 2
        let pool = try pool(options: PoolOptions(limits: limits))
        let stream = pool.pendingTransactions()
        for nonce in 0..<Nonce(5) { try pool.add(PoolFixture.transfer(from: 1, nonce: nonce)) }
        var count = 0
        for await _ in stream { count += 1 }
        #expect(count == 2)
    }

    @Test func `transactions of blocks that were taken back come in again`() throws {
        let pool = try pool()
        let transactions = (0..<Nonce(3)).map { nonce in
            RecoveredTransaction(
                PoolFixture.transfer(from: 1, nonce: nonce), sender: PoolFixture.sender(1))
        }
        pool.restore(transactions)
        pool.restore(transactions)
        #expect(pool.status == (3, 0))
    }
}

@Suite struct PoolDurabilityTests {
    let directory: TemporaryDirectory
    let fixture = PoolFixture()

    init() throws { directory = try TemporaryDirectory() }

    func withPool(
        head: PoolHead? = nil, options: PoolOptions = PoolOptions(policy: .devnet),
        _ body: (TransactionPool) throws -> Void
    ) throws {
        let database = try Database(
            DatabaseOptions(path: directory.path + "/chain", cacheBytes: 1 << 20))
        let pool = try TransactionPool(
            store: PoolStore(database), head: head ?? fixture.pool.head, options: options)
        try body(pool)
    }

    @Test func `the pool outlasts a restart, in its order and with impersonated senders`() throws {
        var impersonated = PoolFixture.transfer(from: 3, nonce: 0)
        impersonated.impersonate(PoolFixture.sender(4))
        try withPool { pool in
            try pool.add(PoolFixture.transfer(from: 2, nonce: 0))
            try pool.add(PoolFixture.transfer(from: 1, nonce: 0))
            try pool.add(PoolFixture.transfer(from: 1, nonce: 5))
            try pool.add(impersonated)
            try pool.add(PoolFixture.transfer(from: 5, nonce: 0))
            pool.remove(PoolFixture.transfer(from: 5, nonce: 0).hash())
        }
        for _ in 0..<2 {
            try withPool { pool in
                #expect(pool.status == (3, 1))
                #expect(
                    pool.all.map(\.sender) == [2, 1, 1, 4].map { PoolFixture.sender($0) })
            }
        }
    }

    @Test func `what waits to be written is written when asked for, if it is still there`() throws {
        let first = PoolFixture.transfer(from: 1, nonce: 0)
        let second = PoolFixture.transfer(from: 2, nonce: 0)
        try withPool { pool in
            try pool.add(first, writing: .later)
            #expect(pool.status == (1, 0))
        }
        // Nobody asked.
        try withPool { pool in
            #expect(pool.status == (0, 0))
            try pool.add(first, writing: .later)
            try pool.add(second, writing: .later)
            pool.remove(second.hash())
            try pool.persist(first.hash())
            try pool.persist(second.hash())
        }
        try withPool { pool in
            #expect(pool.all.map(\.hash) == [first.hash()])
            // What takes the place of a written transaction is written with its removal.
            let better = PoolFixture.transfer(from: 1, nonce: 0, tip: 1000, cap: 100_000_000_000)
            try pool.add(better, writing: .later)
        }
        try withPool { #expect($0.status == (1, 0) && $0.transaction(first.hash()) == nil) }
    }

    @Test func `what the chain has made impossible is not read back`() throws {
        try withPool { pool in
            try pool.add(PoolFixture.transfer(from: 1, nonce: 0))
            try pool.add(PoolFixture.transfer(from: 1, nonce: 1))
        }
        var moved = fixture
        moved.setAccount(1, nonce: 1)
        let head = PoolFixture.head(moved.state)
        try withPool(head: head) { #expect($0.status == (1, 0)) }
        // It was removed from the store as well: the old head does not bring it back.
        try withPool { #expect($0.status == (0, 1)) }
    }

    @Test func `what a head has taken is gone for good although another account cannot be read`()
        throws
    {
        try withPool { pool in
            try pool.add(PoolFixture.transfer(from: 1, nonce: 0))
            try pool.add(PoolFixture.transfer(from: 2, nonce: 0))
            var moved = fixture
            moved.setAccount(2, nonce: 1)
            moved.state.unreadable = [PoolFixture.sender(1)]
            pool.setHead(PoolFixture.head(moved.state))
        }
        try withPool { #expect($0.all.map(\.sender) == [PoolFixture.sender(1)]) }
    }

    @Test func `a blob transaction outlasts a restart with its blobs`() throws {
        let blob = PoolReplacementTests.blob(tip: 10, cap: 100, blobCap: 5)
        let pooled = PoolFixture.pooled(blob.transaction, from: 1, sidecar: blob.sidecar)
        let decoded = try #require(PooledTransaction(encoded: pooled.encoded()))
        #expect(decoded == pooled)
        #expect(decoded.sidecar == blob.sidecar)
        #expect(PooledTransaction(encoded: pooled.encoded() + [0]) == nil)
        #expect(PooledTransaction(encoded: []) == nil)
    }
}
