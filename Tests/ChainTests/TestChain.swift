import Chain
import Cryptography
import EthereumTypes
import Execution
import Foundation
import Primitives
import Storage
import TestSupport
import Testing

/// A chain in a directory of its own, with a rich account and a contract that counts its calls.
struct TestChain {
    static let key = PrivateKey(Bytes(repeating: 1, count: 32))
    static let counter = Address(w0: 0xc0, w1: 0, w2: 0)
    static let receiver = Address(w0: 0xd0, w1: 0, w2: 0)
    /// Adds one to slot 0 and logs it under topic 0xaa.
    static let counterCode = Hex.decode("0x6000546001018060005560005260aa60206000a100") ?? []

    static func genesis(
        _ config: ChainConfig = .single(.shanghai, chainId: 1337)
    ) throws -> Genesis {
        var genesis = Genesis(config: config)
        genesis.gasLimit = 30_000_000
        genesis.difficulty = .zero
        genesis.baseFeePerGas = 1_000_000_000
        let sender = try #require(key).address
        genesis.alloc = [
            sender: GenesisAccount(balance: UInt256(10).power(24)),
            counter: GenesisAccount(balance: 0, nonce: 1, code: counterCode, storage: [7: 7]),
        ]
        return genesis
    }

    let directory: TemporaryDirectory
    let chain: Blockchain

    init(
        genesis: Genesis? = nil,
        options: ChainOptions = ChainOptions(sync: .interval(milliseconds: 50)),
        pluginFamilies: [PluginFamily] = [], diskReserve: UInt64 = 0
    ) throws {
        directory = try TemporaryDirectory()
        chain = try Self.open(
            directory, genesis: genesis ?? Self.genesis(), options: options,
            pluginFamilies: pluginFamilies, diskReserve: diskReserve)
    }

    static func open(
        _ directory: TemporaryDirectory, genesis: Genesis?,
        options: ChainOptions = ChainOptions(sync: .interval(milliseconds: 50)),
        pluginFamilies: [PluginFamily] = [], diskReserve: UInt64 = 0
    ) throws -> Blockchain {
        var databaseOptions = DatabaseOptions(
            path: directory.path + "/chain", cacheBytes: 8 << 20)
        databaseOptions.pluginFamilies = pluginFamilies
        databaseOptions.reserveBytes = diskReserve
        let database = try Database(databaseOptions)
        return try Blockchain.open(database: database, genesis: genesis, options: options)
    }

    var sender: Address {
        get throws { try #require(Self.key).address }
    }

    /// A signed transaction of the rich account.
    static func transaction(
        nonce: Nonce, to: Address? = receiver, value: Wei = 1, data: Bytes = []
    ) throws -> RecoveredTransaction {
        let unsigned = Transaction.legacy(
            chainId: 1337, nonce: nonce, gasPrice: 10_000_000_000, gasLimit: 100_000, to: to,
            value: value, data: data)
        let key = try #require(key)
        return RecoveredTransaction(unsigned.signed(with: key), sender: key.address)
    }

    /// A block with these transactions on a head.
    static func build(
        on head: Head, _ transactions: [RecoveredTransaction]
    ) throws(ChainError) -> BuiltBlock {
        try build(on: head, transactions, after: 1)
    }

    /// - Parameter seconds: how much later than the head the block is.
    static func build(
        on head: Head, _ transactions: [RecoveredTransaction], after seconds: UInt64
    ) throws(ChainError) -> BuiltBlock {
        let parent = try head.view.parentBlock()
        let timestamp = head.header.timestamp + seconds
        let builder = BlockBuilder(
            on: parent,
            attributes: PayloadAttributes(
                timestamp: timestamp, coinbase: Address(w0: 9, w1: 9, w2: 9), prevRandao: .zero,
                gasLimit: nextGasLimit(
                    parent: parent.header, target: nil,
                    at: head.view.config.fork(after: parent, timestamp: timestamp))),
            config: head.view.config)
        do {
            for transaction in transactions { try builder.add(transaction) }
        } catch {
            Issue.record("a transaction was refused: \(error)")
        }
        do {
            return try builder.finish()
        } catch {
            throw ChainError(error)
        }
    }

    /// Produces a block with a transfer and a call of the counter.
    @discardableResult
    func produce(value: Wei = 1) async throws -> CommittedBlock {
        let nonce = try chain.head.view.state.account(sender)?.nonce ?? 0
        let transactions = [
            try Self.transaction(nonce: nonce, value: value),
            try Self.transaction(nonce: nonce + 1, to: Self.counter, value: 0),
        ]
        return try #require(
            try await chain.produce { (head) throws(ChainError) in
                try Self.build(on: head, transactions)
            })
    }

    func count() throws -> UInt256 {
        try chain.head.view.state.storage(Self.counter, 0)
    }
}

/// Every key and value of every family but the random identity of the database.
func contents(of database: Database) throws -> [Family: [Bytes: Bytes]] {
    let snapshot = database.snapshot()
    var all: [Family: [Bytes: Bytes]] = [:]
    for family in Family.allCases {
        try snapshot.forEach(family, prefix: []) { key, value in
            if key != Bytes("instance".utf8) { all[family, default: [:]][key] = value }
            return true
        }
    }
    return all
}
