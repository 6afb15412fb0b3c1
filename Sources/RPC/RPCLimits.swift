import NIOCore
import Primitives

/// Every limit of the JSON-RPC server, with its reason. All of them are checked before the work that
/// they limit.
public struct RPCLimits: Sendable {
    /// Bytes of one HTTP body, WebSocket message or IPC value. geth has 5 MiB; state dumps and
    /// contract-heavy deployments of a devnet are larger, so this is what its WebSocket takes.
    public var messageBytes = 32 << 20

    /// Members of a batch, as in geth (`node.DefaultConfig.BatchRequestLimit`).
    public var batchCount = 1_000

    /// Bytes of the answer to a batch, as in geth (`BatchResponseMaxSize`).
    public var batchResponseBytes = 25_000_000

    /// Bytes of an answer that counts as small: no matter how many of them there are, it is a matter of
    /// ``connections``.
    public var smallAnswerBytes = 1 << 20

    /// Bytes of all larger answers that clients have not read yet. One alone may be larger.
    public var largeAnswersBytes = 1 << 30

    /// Bytes of an answer that are given to the socket at a time; the rest waits until they have left.
    public var answerPieceBytes = 256 << 10

    /// Bytes that a socket has not taken yet, and of answers that wait for the end of a large one before
    /// them, at which nothing more of their client is worked on until it has read some.
    public var unreadBytes = 1 << 20

    /// Open connections of all listeners together. Each costs a descriptor and some kilobytes.
    public var connections = 4_096

    /// Nesting of arrays and objects. Nothing in the API is nested deeper than ten.
    public var jsonDepth = JSONScanner.defaultMaxDepth

    /// Messages of one WebSocket or IPC connection that are worked on at the same time; further ones
    /// stay unread.
    public var concurrentMessages = 16

    /// Fragments of one WebSocket message.
    public var messageFragments = 4_096

    /// Bytes of a WebSocket message that comes compressed, when it is unpacked: its sender needs to
    /// send only a thousandth.
    public var inflatedBytes = 4 << 20

    /// Bytes from which on a message is compressed for a WebSocket that agreed to it: smaller ones gain
    /// nothing. A large one is compressed piece by piece, so that the event loop is not kept busy.
    public var compressedBytes = 1 << 10

    /// Bytes of notifications that a subscriber may lag behind before it is cut off.
    public var subscriberBacklogBytes = 16 << 20

    /// Time for a subscriber to take a notification whose sender waits for it, before it is cut off.
    public var subscriberSeconds: Int64 = 60

    /// Time between two looks at how far the node is, while someone subscribes to it: progress has no
    /// events, and a notification for each block would tell little more.
    public var syncInterval = Duration.milliseconds(500)

    /// Traces of ranges of blocks that run at a time, for all clients together. Each keeps a thread
    /// busy for as long as its client reads.
    public var chainTraces = 4

    /// Seconds for which a pending block is kept while head and pool stay the same, as in geth: its
    /// timestamp is behind the clock by less.
    public var pendingSeconds: UInt64 = 2

    /// Transactions that one subscription to receipts may name, as in geth.
    public var subscribedReceipts = 200

    /// Subscriptions of one connection.
    public var subscriptionsPerConnection = 128

    /// Installed filters of all clients together.
    public var filters = 1_024

    /// Entries that a filter keeps for its next poll; a filter that outgrows this is removed.
    public var filterEntries = 100_000

    /// Bytes of these entries, as text; a filter that outgrows this is removed too.
    public var filterBytes = 64 << 20

    /// A filter that nobody polls for this long is removed, as in geth.
    public var filterIdleSeconds: Int64 = 300

    /// Threads for calls that run the EVM or read much. Zero means one per core.
    public var executionThreads = 0

    /// Calls that may wait for such a thread; the next one is answered "busy".
    public var executionQueue = 1_024

    /// Time for one message with all its calls; what is not begun by then is answered with −32002.
    public var messageSeconds: Int64 = 30

    /// Time for one `eth_call` or `eth_estimateGas`, as in geth (`RPCEVMTimeout`).
    public var callTime = Duration.seconds(5)

    /// Gas of one `eth_call`, or of one attempt of `eth_estimateGas`, as in geth (`RPCGasCap`).
    public var callGas: UInt64 = 50_000_000

    /// Addresses, and alternatives for one topic, of a log filter, as in geth.
    public var logFilterAlternatives = 1_000

    /// Logs in one answer. A client that wants more asks for fewer blocks at a time.
    public var logs = 100_000

    /// Bytes of the addresses, topics and data of the logs in one answer. As text they are twice as
    /// long, with some 500 bytes for each log.
    public var logBytes = 64 << 20

    /// Blocks that one search for logs may span. The index finds logs in any range; this only bounds
    /// what a slip of a client costs.
    public var logBlocks: UInt64 = 10_000_000

    /// Blocks of one `eth_simulateV1`, as in geth.
    public var simulatedBlocks: UInt64 = 256

    /// Calls of one block of `eth_simulateV1`, as in geth.
    public var simulatedBlockCalls = 5_000

    /// Calls of all blocks of one `eth_simulateV1`, as in geth.
    public var simulatedCalls = 10_000

    /// Time for the trace of one transaction unless its caller says otherwise, as in geth.
    public var traceTime = Duration.seconds(5)

    /// Blocks that one `trace_filter` may execute again where no index tells which it needs.
    public var traceFilterBlocks: UInt64 = 1_000

    /// Transactions of a page of `ots_searchTransactions…`, beside those of its last block.
    public var searchResults: UInt64 = 1_000

    /// Slots of one `debug_storageRangeAt`.
    public var listedSlots = 10_000

    /// Bytes of one trace. A transaction of 30 million gas may take millions of steps.
    public var traceBytes = 128 << 20

    /// Blocks of one `eth_feeHistory`, as in geth.
    public var feeHistoryBlocks: UInt64 = 1_024

    /// Reward percentiles of one `eth_feeHistory`, as in geth.
    public var feeHistoryPercentiles = 100

    /// Storage keys of one `eth_getProof`, as in geth.
    public var proofKeys = 1_024

    /// Blocks that one `anvil_mine` may make.
    public var minedBlocks: UInt64 = 1_000_000

    /// Blocks that one `anvil_mine_detailed` may make: it answers with all of them, and executes each
    /// again.
    public var detailedBlocks: UInt64 = 1_000

    /// Reads that the conditions of one `eth_sendRawTransactionConditional` may take (EIP-7796).
    public var conditionCost = 1_000

    /// Blocks that one `anvil_reorg` may replace.
    public var reorgBlocks: UInt64 = 10_000

    /// Bytes of a state dump before it is wrapped. Its answer has twice as many digits.
    public var stateDumpBytes = 256 << 20

    /// Time for a silent HTTP connection before it is closed, as in geth (`IdleTimeout`), and for any
    /// client to take a piece of a large answer.
    public var idleSeconds: Int64 = 120

    /// Time between the pings to a silent WebSocket; two unanswered ones close it.
    public var pingSeconds: Int64 = 30

    /// Time between two looks at whether what let a client in still does, while its connection stays.
    public var credentialSeconds: Int64 = 5

    /// Time for a client to read what it was told last and to close, after the server has: to close at
    /// once would reset the connection. nginx waits as long for the next byte (`lingering_timeout`).
    public var lingerSeconds: Int64 = 5

    /// Bytes that the client may still send meanwhile, which are dropped: twice the largest message.
    public var lingerBytes = 64 << 20

    /// Time that open requests get to finish when the server stops.
    public var shutdownSeconds: Int64 = 5

    /// The defaults.
    public init() {}

    /// How many execution threads there are.
    var threadCount: Int {
        executionThreads > 0 ? executionThreads : System.coreCount
    }
}
