import Cryptography
public import EthereumTypes
public import Primitives
public import State

/// What a database was made for; written with the genesis block.
public struct ChainIdentity: Hashable, Sendable {
    /// The hash of block 0.
    public var genesisHash: Hash256
    /// Random, to tell one devnet from another with the same genesis; another one after a reset.
    public var instanceId: Hash256
    /// The chain's configuration, JSON in geth's format.
    public var config: Bytes

    /// An identity for a new database.
    public init(genesisHash: Hash256, instanceId: Hash256, config: Bytes) {
        self.genesisHash = genesisHash
        self.instanceId = instanceId
        self.config = config
    }

    /// The identity of a database, or `nil` if it has no genesis block yet.
    public init?(_ snapshot: Snapshot) throws(StorageError) {
        guard let genesis = try snapshot.value(.meta, MetaItem.genesis.key) else { return nil }
        guard let genesisHash = Hash256(genesis),
            let instance = try snapshot.value(.meta, MetaItem.instance.key),
            let instanceId = Hash256(instance),
            let config = try snapshot.value(.meta, MetaItem.config.key)
        else { throw .corrupted("chain identity") }
        self.init(genesisHash: genesisHash, instanceId: instanceId, config: config)
    }

    /// Writes the identity: with the genesis block, when a new configuration is accepted, and when the
    /// chain begins anew.
    public func write(to batch: inout WriteBatch) {
        batch.put(.meta, MetaItem.genesis.key, Key.hash(genesisHash))
        batch.put(.meta, MetaItem.instance.key, Key.hash(instanceId))
        batch.put(.meta, MetaItem.config.key, config)
    }
}

extension StateDiff {
    /// The accounts that a chain begins with, as changes of nothing.
    public init(alloc: [Address: GenesisAccount]) {
        self.init()
        for (address, account) in alloc {
            let codeHash = keccak256(account.code)
            if !account.code.isEmpty { code[codeHash] = account.code }
            accounts[address] = AccountChange(
                before: nil,
                after: Account(nonce: account.nonce, balance: account.balance, codeHash: codeHash),
                storage: account.storage.sorted { $0.key < $1.key }.compactMap { slot, value in
                    value.isZero ? nil : StorageChange(slot: slot, before: .zero, after: value)
                })
        }
    }
}
