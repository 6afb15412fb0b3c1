public import BlockProduction
public import Chain
public import Cryptography
public import Primitives
import Synchronization
public import TxPool

/// What the namespaces work on: the parts of the node, handed over by whoever assembles it.
public struct RPCServices: Sendable {
    /// The chain.
    public let blockchain: Blockchain
    let pool: TransactionPool
    /// Nil: the chain is not a devnet, and there are no cheats.
    let devnet: Devnet?
    let accounts: SigningAccounts
    let clientVersion: String
    /// The folder that keeps the chain, for `admin_datadir`.
    let dataDirectory: String
    let limits: RPCLimits
    /// Where copies of the chain may be made; nil for nowhere.
    public var checkpoints: CheckpointFolder?
    let tips = TipCache()
    let turnstiles = SenderTurnstiles()
    /// How a consensus client drives the node; nil: there is no Engine API.
    public var engine: EngineOptions?
    /// The pending block of a node that is no devnet; nil: there is none.
    public var nextBlock: NextBlock?
    /// The seals of a private chain's blocks; nil: there are none.
    public var seals: SealStore?
    /// Where the transactions of addresses are searched; nil: nobody keeps an index of them.
    public var appearances: AppearanceSource?
    /// Takes signed transactions where the node has no use for them itself, being a replica; nil:
    /// they go to the pool.
    public var forward: (@Sendable (Bytes) async throws(RPCError) -> Hash256)?
    /// How far the node is from the chain's head, while it is catching up.
    public var progress: (@Sendable () -> SyncProgress?)?

    /// - Parameters:
    ///   - keys: with which the node signs for its users, in the order of `eth_accounts`.
    ///   - clientVersion: what `web3_clientVersion` answers.
    public init(
        blockchain: Blockchain, pool: TransactionPool, devnet: Devnet?, keys: [PrivateKey],
        clientVersion: String, dataDirectory: String = "", limits: RPCLimits = RPCLimits()
    ) {
        self.blockchain = blockchain
        self.pool = pool
        self.devnet = devnet
        accounts = SigningAccounts(keys)
        self.clientVersion = clientVersion
        self.dataDirectory = dataDirectory
        self.limits = limits
    }
}

/// The accounts whose keys the node holds.
struct SigningAccounts: Sendable {
    let addresses: [Address]
    private let keys: [Address: PrivateKey]

    init(_ keys: [PrivateKey]) {
        addresses = keys.map(\.address)
        self.keys = Dictionary(
            keys.map { ($0.address, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// The key of an account.
    ///
    /// - Throws: geth's "unknown account" if the node does not hold it.
    func key(of address: Address) throws(RPCError) -> PrivateKey {
        guard let key = keys[address] else { throw .server("unknown account") }
        return key
    }
}

/// The suggested tip of the last head that someone asked for; it takes twenty blocks to find.
final class TipCache: Sendable {
    private let last = Mutex<(head: Hash256, tip: Wei)?>(nil)

    func value(for head: Hash256) -> Wei? {
        last.withLock { $0?.head == head ? $0?.tip : nil }
    }

    func remember(_ tip: Wei, for head: Hash256) {
        last.withLock { $0 = (head, tip) }
    }
}

/// How far a node that is catching up has come.
public struct SyncProgress: Hashable, Sendable {
    /// The block at which it began.
    public let start: BlockNumber
    /// The block at which it is.
    public let current: BlockNumber
    /// The last block that it knows of.
    public let highest: BlockNumber

    /// Progress between these blocks.
    public init(start: BlockNumber, current: BlockNumber, highest: BlockNumber) {
        self.start = start
        self.current = current
        self.highest = highest
    }
}
