import Chain
import EthereumTypes
import Primitives
import Storage
import TestSupport
import Testing

@Suite struct OpeningTests {
    /// Opens again what was closed a moment ago: the last reference goes on the writer's thread.
    static func reopen(_ directory: TemporaryDirectory, genesis: Genesis? = nil) async throws
        -> Blockchain
    {
        for _ in 0..<200 {
            do {
                return try TestChain.open(directory, genesis: genesis)
            } catch StorageError.locked {
                try await Task.sleep(for: .milliseconds(10))
            } catch StorageError.inputOutput {
                // Both clear away old logs.
                try await Task.sleep(for: .milliseconds(10))
            }
        }
        return try TestChain.open(directory, genesis: genesis)
    }

    /// Makes a chain of three blocks and what is pending, and closes it.
    private func closedChain() async throws -> (TemporaryDirectory, hash: Hash256) {
        let test = try TestChain()
        for _ in 0..<3 { try await test.produce() }
        try await test.chain.setOverrides([.balance(TestChain.receiver, 77)])
        try await test.chain.shutDown()
        return (test.directory, test.chain.head.hash)
    }

    @Test func `a chain goes on where it was`() async throws {
        let (directory, hash) = try await closedChain()
        let chain = try await Self.reopen(directory)
        #expect(chain.head.hash == hash)
        #expect(chain.head.number == 3)
        #expect(chain.head.view.pendingOverrides == [.balance(TestChain.receiver, 77)])
        #expect(try chain.head.view.state.account(TestChain.receiver)?.balance == 77)
        #expect(try chain.config == TestChain.genesis().config)
        _ = try chain.head.view.verifyState()
    }

    @Test func `an empty database needs a genesis`() async throws {
        let directory = try TemporaryDirectory()
        #expect {
            try TestChain.open(directory, genesis: nil)
        } throws: { error in
            if case .notInitialised = error as? ChainError { true } else { false }
        }
    }

    @Test func `another genesis is refused`() async throws {
        let (directory, _) = try await closedChain()
        var genesis = try TestChain.genesis()
        genesis.timestamp += 1
        await #expect {
            try await Self.reopen(directory, genesis: genesis)
        } throws: { error in
            if case .genesisMismatch = error as? ChainError { true } else { false }
        }
    }

    @Test func `a fork can be scheduled ahead but not behind the head`() async throws {
        let (directory, _) = try await closedChain()
        var genesis = try TestChain.genesis()
        genesis.config.setActivation(of: .cancun, to: .timestamp(1_000_000))
        do {
            let chain = try await Self.reopen(directory, genesis: genesis)
            #expect(chain.config == genesis.config)
        }
        do {
            let chain = try await Self.reopen(directory)
            #expect(chain.config.timestamp(of: .cancun) == 1_000_000)
        }
        genesis.config.setActivation(of: .cancun, to: .timestamp(2))
        await #expect {
            try await Self.reopen(directory, genesis: genesis)
        } throws: { error in
            if case .configConflict(.activation(.cancun)) = error as? ChainError {
                true
            } else {
                false
            }
        }
    }

    @Test func `rules of blocks that are there cannot be changed, later ones can`() async throws {
        var genesis = try TestChain.genesis(.single(.prague, chainId: 1337))
        genesis.config.setActivation(of: .osaka, to: .timestamp(1 << 40))
        genesis.config.setActivation(of: .dao, to: .block(0))
        genesis.config.blobSchedule[.osaka] = BlobParameters(
            target: 6, max: 9, baseFeeUpdateFraction: 5_007_716)
        let directory: TemporaryDirectory
        do {
            let test = try TestChain(genesis: genesis)
            directory = test.directory
            try await test.chain.shutDown()
        }
        func conflict(_ change: (inout ChainConfig) -> Void) async throws -> ConfigConflict? {
            var changed = genesis
            change(&changed.config)
            do {
                let chain = try await Self.reopen(directory, genesis: changed)
                #expect(chain.config == changed.config)
                return nil
            } catch ChainError.configConflict(let conflict) {
                return conflict
            }
        }
        #expect(
            try await conflict { $0.blobSchedule[.prague]?.max += 1 } == .blobSchedule(.prague))
        #expect(
            try await conflict { $0.blobSchedule[.cancun]?.target -= 1 }
                == .blobSchedule(.cancun))
        #expect(
            try await conflict { $0.depositContractAddress = TestChain.receiver }
                == .depositContractAddress)
        #expect(try await conflict { $0.daoForkSupport = true } == .daoForkSupport)
        #expect(
            try await conflict { $0.setActivation(of: .dao, to: .block(1)) } == .activation(.dao))
        #expect(try await conflict { $0.blobSchedule[.osaka]?.max += 1 } == nil)
        #expect(try await conflict { $0.mergeNetsplitBlock = 7 } == nil)
    }

    @Test func `what no block follows yet can be changed`() async throws {
        let (directory, _) = try await closedChain()
        var genesis = try TestChain.genesis()
        genesis.config.depositContractAddress = TestChain.receiver
        genesis.config.daoForkSupport.toggle()
        let chain = try await Self.reopen(directory, genesis: genesis)
        #expect(chain.config == genesis.config)
    }

    @Test func `a head that is missing is corruption, not an empty chain`() async throws {
        let (directory, hash) = try await closedChain()
        do {
            let chain = try await Self.reopen(directory)
            var batch = WriteBatch(for: chain.database)
            batch.delete(.headers, Bytes([0, 0, 0, 0, 0, 0, 0, 3]) + hash.bytes)
            try chain.database.write(batch, durability: .synced)
        }
        await #expect {
            try await Self.reopen(directory)
        } throws: { error in
            if case .storage(.corrupted) = error as? ChainError { true } else { false }
        }
    }
}
