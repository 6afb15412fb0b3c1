import BlockProduction
import Chain
import Cryptography
import EthereumTypes
import Execution
import Foundation
import Logging
import Primitives
import Storage
import Synchronization
import TestSupport
import Testing
import TxPool

/// A wall clock that stands still until it is moved.
final class ManualClock: Sendable {
    private let time: Mutex<Timestamp>

    init(_ time: Timestamp) { self.time = Mutex(time) }

    var now: @Sendable () -> Timestamp {
        { self.time.withLock { $0 } }
    }

    func advance(by seconds: UInt64) { time.withLock { $0 += seconds } }
}

/// A devnet in a directory of its own, with two rich accounts.
final class DevnetFixture {
    static let chainId: UInt64 = 31_337
    static let genesisTime: Timestamp = 1_000
    static let ether = UInt256(1_000_000_000_000_000_000)
    static let receiver = Address(w0: 0xd0, w1: 0, w2: 0)
    /// Reverts whatever it is sent.
    static let reverter = Address(w0: 0xee, w1: 0, w2: 0)

    let directory: TemporaryDirectory
    let clock = ManualClock(2_000)
    private(set) var chain: Blockchain
    private(set) var pool: TransactionPool
    private(set) var devnet: Devnet

    init(
        options: DevnetOptions = DevnetOptions(), genesis: Genesis? = nil,
        poolOptions: PoolOptions = PoolOptions(policy: .devnet)
    ) throws {
        directory = try TemporaryDirectory()
        (chain, pool, devnet) = try Self.open(
            directory, genesis: genesis ?? Self.genesis(), options, poolOptions, clock)
    }

    /// Opens a devnet that was closed before: its database is free once all that read it are gone,
    /// some of them on other threads.
    static func reopen(
        _ directory: TemporaryDirectory, _ options: DevnetOptions, _ poolOptions: PoolOptions,
        _ clock: ManualClock
    ) async throws -> (Blockchain, TransactionPool, Devnet) {
        for _ in 0..<500 {
            do {
                return try open(directory, genesis: nil, options, poolOptions, clock)
            } catch StorageError.locked {
                try await Task.sleep(for: .milliseconds(10))
            }
        }
        return try open(directory, genesis: nil, options, poolOptions, clock)
    }

    /// A devnet in a directory.
    static func open(
        _ directory: TemporaryDirectory, genesis: Genesis?, _ options: DevnetOptions,
        _ poolOptions: PoolOptions, _ clock: ManualClock
    ) throws -> (Blockchain, TransactionPool, Devnet) {
        let database = try Database(
            DatabaseOptions(path: directory.path + "/chain", cacheBytes: 8 << 20))
        let chain = try Blockchain.open(
            database: database, genesis: genesis,
            options: ChainOptions(sync: .interval(milliseconds: 1_000)))
        let pool = try TransactionPool(
            store: chain.pool, head: PoolHead(chain.head, now: clock.now()), options: poolOptions)
        var logger = Logger(label: "devnet")
        logger.logLevel = .critical
        let devnet = try Devnet(
            chain: chain, pool: pool, options: options, logger: logger, now: clock.now)
        return (chain, pool, devnet)
    }

    static func genesis() -> Genesis {
        Genesis(
            config: .single(.cancun, chainId: chainId), timestamp: genesisTime,
            gasLimit: 30_000_000,
            alloc: [
                key(1).address: GenesisAccount(balance: ether * 100),
                key(2).address: GenesisAccount(balance: ether * 100),
                reverter: GenesisAccount(
                    balance: 0, nonce: 1, code: [0x5f, 0x5f, 0xfd]),
            ],
            baseFeePerGas: 1_000_000_000)
    }

    static func key(_ index: Int) -> PrivateKey {
        guard let key = PrivateKey(UInt256(index)) else { preconditionFailure("not a key") }
        return key
    }

    static func transfer(
        from index: Int = 1, nonce: Nonce, value: Wei = 1, to: Address? = receiver,
        cap: Wei = 10_000_000_000, gasLimit: Gas = 50_000
    ) -> Transaction {
        Transaction(
            type: .dynamicFee, chainId: chainId, nonce: nonce, maxPriorityFeePerGas: 1_000_000_000,
            maxFeePerGas: cap, gasLimit: gasLimit, to: to, value: value
        ).signed(with: key(index))
    }

    var head: Head { chain.head }

    func balance(_ address: Address) throws -> Wei {
        try chain.head.view.state.account(address)?.balance ?? 0
    }
}
