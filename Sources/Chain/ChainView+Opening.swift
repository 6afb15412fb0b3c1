import Cryptography
import EthereumTypes
import Execution
import Primitives
import State
import Storage

// Opening: the genesis block of an empty database, and the checks of one that is in use.

extension ChainView {
    /// The chain in a database, begun with the genesis block if it is empty.
    static func opening(
        _ database: Database, genesis: Genesis?, sync: SyncMode, recordsCalls: Bool
    ) throws(ChainError) -> ChainView {
        let identity = try storing { () throws(StorageError) in
            try ChainIdentity(database.snapshot())
        }
        switch (identity, genesis) {
        case (nil, nil): throw .notInitialised
        case (nil, let genesis?):
            return try beginning(
                database, with: genesis, sync: sync, recordsCalls: recordsCalls)
        case (let identity?, let genesis):
            let config: ChainConfig
            do {
                config = try ChainConfig(json: JSONValue(parsing: identity.config))
            } catch {
                throw .storage(.corrupted("chain configuration: \(error)"))
            }
            let view = try ChainView(
                database.snapshot(), config: config, identity: identity,
                recordsCalls: recordsCalls)
            guard let genesis else { return view }
            return try view.checking(genesis, database)
        }
    }

    private static func beginning(
        _ database: Database, with genesis: Genesis, sync: SyncMode, recordsCalls: Bool
    ) throws(ChainError) -> ChainView {
        let snapshot = database.snapshot()
        let identity = try storing { () throws(StorageError) in
            var batch = WriteBatch(for: database)
            let root = try WorldState(snapshot).apply(
                StateDiff(alloc: genesis.alloc), of: nil, parentRoot: .emptyTrieRoot, to: &batch)
            let block = genesis.block(stateRoot: root)
            let stored = StoredBlock(
                hash: block.hash(), block: block, senders: [], transactionHashes: [],
                totalDifficulty: genesis.difficulty)
            try BlockStore(snapshot).write(stored, receipts: [], to: &batch)
            WorldState.setOldestState(block.header.number, in: &batch)
            let identity = ChainIdentity(
                genesisHash: stored.hash,
                instanceId: Hash256(randomBytes(count: 32)) ?? .zero,
                config: genesis.config.json.encoded())
            identity.write(to: &batch)
            try database.write(batch, durability: sync == .everyBlock ? .synced : .buffered)
            return identity
        }
        return try ChainView(
            database.snapshot(), config: genesis.config, identity: identity,
            recordsCalls: recordsCalls)
    }

    /// Checks that a chain began with a genesis block, and takes over its configuration.
    private func checking(
        _ genesis: Genesis, _ database: Database
    ) throws(ChainError) -> ChainView {
        let given = genesis.block(stateRoot: genesis.stateRoot()).hash()
        guard given == genesisHash else {
            throw .genesisMismatch(stored: genesisHash, given: given)
        }
        guard genesis.config != config else { return self }
        guard genesis.config.chainId == config.chainId else {
            throw .chainIdMismatch(stored: config.chainId, given: genesis.config.chainId)
        }
        if let conflict = conflict(with: genesis.config) { throw .configConflict(conflict) }
        var accepted = identity
        accepted.config = genesis.config.json.encoded()
        try storing { () throws(StorageError) in
            var batch = WriteBatch(for: database)
            accepted.write(to: &batch)
            try database.write(batch, durability: .synced)
        }
        return try ChainView(
            database.snapshot(), config: genesis.config, identity: accepted,
            recordsCalls: recordsCalls)
    }

    /// The first rule of another configuration that is not that of the chain's own blocks.
    private func conflict(with given: ChainConfig) -> ConfigConflict? {
        for fork in Fork.allCases {
            let old = config.activation(of: fork)
            let new = given.activation(of: fork)
            if old != new, isPast(old) || isPast(new) { return .activation(fork) }
        }
        // The activations of what follows are the same in both.
        for fork in Fork.allCases where isPast(config.activation(of: fork)) {
            guard config.blobParameters(at: fork) == given.blobParameters(at: fork) else {
                return .blobSchedule(fork)
            }
            if fork >= .prague, config.depositContractAddress != given.depositContractAddress {
                return .depositContractAddress
            }
        }
        if isPast(config.activation(of: .dao)), config.daoForkSupport != given.daoForkSupport {
            return .daoForkSupport
        }
        return nil
    }

    /// Whether the head is at or beyond a fork.
    private func isPast(_ activation: ForkActivation?) -> Bool {
        switch activation {
        case nil: false
        case .block(let first): number >= first
        case .totalDifficulty(let difficulty): totalDifficulty >= difficulty
        case .timestamp(let first): header.timestamp >= first
        }
    }
}
