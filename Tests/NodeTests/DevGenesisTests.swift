import EthereumTypes
import Foundation
import Node
import Primitives
import Testing

/// The devnet's built-in genesis.
@Suite struct DevGenesisTests {
    @Test func `it is the one of genesis/dev.json`() throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("genesis/dev.json")
        let published = try Genesis(json: Bytes(Data(contentsOf: file)))
        let accounts = try DevAccounts(
            mnemonic: DevAccounts.defaultMnemonic,
            derivationPath: DevAccounts.defaultDerivationPath, count: 10)
        let builtIn = Genesis.devnet(
            config: .single(.osaka, chainId: 31337), timestamp: published.timestamp,
            balances: Dictionary(
                uniqueKeysWithValues: accounts.accounts.map {
                    ($0.address, UInt256(10_000) &* UInt256(1_000_000_000_000_000_000))
                }),
            baseFee: 1_000_000_000, gasLimit: 30_000_000)
        #expect(builtIn.alloc == published.alloc)
        #expect(builtIn.gasLimit == published.gasLimit)
        #expect(builtIn.baseFeePerGas == published.baseFeePerGas)
        #expect(builtIn.config.chainId == published.config.chainId)
        let fork = published.config.fork(number: 0, timestamp: 0, isPostMerge: true)
        #expect(fork == .osaka)
        #expect(published.config.transactionGasCap == .max)
    }

    @Test func `a chain of an older fork has only the contracts of its time`() {
        func contracts(_ fork: Fork) -> Int {
            Genesis.devnet(
                config: .single(fork, chainId: 1), timestamp: 0, balances: [:], baseFee: 7,
                gasLimit: 30_000_000
            ).alloc.count
        }
        #expect(contracts(.shanghai) == 1)
        #expect(contracts(.cancun) == 2)
        #expect(contracts(.prague) == 5)
    }
}
