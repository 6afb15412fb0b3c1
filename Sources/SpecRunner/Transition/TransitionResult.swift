//  What comes of a state transition, as JSON with geth's keys.

import Cryptography
import EthereumTypes
public import Execution
public import Primitives
import State

/// The outcome of a state transition.
public struct TransitionResult: Sendable {
    /// A transaction that was applied.
    struct Included: Sendable {
        let transaction: Transaction
        let hash: Hash256
        let outcome: TransactionOutcome
    }

    /// The accounts afterwards.
    public private(set) var state = InMemoryState(accounts: [:])
    private(set) var included: [Included] = []

    private let header: Header
    private let fork: Fork
    private let baseFeePerGas: Wei?
    private let blobBaseFee: Wei
    private var rejected: [(index: Int, reason: String)] = []
    private var receipts: [Receipt] = []
    private var logsBloom = Bloom()
    private var gasUsed: Gas = 0
    private var blobGasUsed: Gas = 0
    private var requests: [Bytes] = []
    private var refusal: String?
    private var withdrawals: [Withdrawal]?

    init(header: Header, fork: Fork, baseFeePerGas: Wei?, blobBaseFee: Wei) {
        self.header = header
        self.baseFeePerGas = baseFeePerGas
        self.blobBaseFee = blobBaseFee
        self.fork = fork
    }

    mutating func reject(_ index: Int, _ reason: String) { rejected.append((index, reason)) }

    /// Notes why the block is invalid although its transactions are applied.
    mutating func refuse(_ reason: String) { refusal = reason }

    mutating func include(_ transaction: RecoveredTransaction, _ outcome: TransactionOutcome) {
        included.append(
            Included(
                transaction: transaction.transaction, hash: transaction.hash, outcome: outcome))
    }

    mutating func finish(
        _ outcome: BlockOutcome, state: InMemoryState, withdrawals: [Withdrawal]?
    ) {
        receipts = outcome.receipts
        logsBloom = outcome.logsBloom
        gasUsed = outcome.gasUsed
        blobGasUsed = outcome.blobGasUsed
        requests = outcome.requests
        self.state = state
        self.withdrawals = withdrawals
    }

    /// The RLP list of the transactions that were applied: a block's body.
    public var body: Bytes {
        var encoder = RLPEncoder()
        encoder.list { list in
            for item in included {
                let encoded = item.transaction.encoded()
                if item.transaction.type == .legacy {
                    list.appendRaw(encoded)
                } else {
                    list.append(encoded)
                }
            }
        }
        return encoder.bytes
    }

    /// The accounts afterwards, as a genesis file lists them.
    public var allocJSON: JSONValue {
        let genesis = Genesis(config: .single(.frontier, chainId: 1), alloc: state.accounts)
        return genesis.json["alloc"] ?? .object([:])
    }

    /// The roots, sums and receipts.
    public var json: Bytes {
        var writer = JSONWriter()
        writer.object { object in
            writeRoots(&object)
            object.key("receipts")
            object.array { array in
                var logIndex = 0
                for index in receipts.indices { writeReceipt(index, &logIndex, &array) }
            }
            if !rejected.isEmpty {
                object.key("rejected")
                object.array { array in
                    for (index, reason) in rejected {
                        array.object { object in
                            object.key("index")
                            object.number(index)
                            object.key("error")
                            object.string(reason)
                        }
                    }
                }
            }
            writeBlock(&object)
        }
        return writer.bytes
    }

    private func writeRoots(_ object: inout JSONWriter) {
        object.key("stateRoot")
        object.hash(state.stateRoot())
        object.key("txRoot")
        object.hash(transactionsRoot(of: included.map(\.transaction)))
        object.key("receiptsRoot")
        object.hash(receiptsRoot(of: receipts))
        var logs = RLPEncoder()
        logs.append(receipts.flatMap(\.logs))
        object.key("logsHash")
        object.hash(keccak256(logs.bytes))
        object.key("logsBloom")
        object.hexData(logsBloom.bytes)
    }

    /// What a header would hold besides the roots.
    private func writeBlock(_ object: inout JSONWriter) {
        object.key("currentDifficulty")
        if fork >= .paris { object.null() } else { object.hexQuantity(header.difficulty) }
        object.key("gasUsed")
        object.hexQuantity(gasUsed)
        if let baseFeePerGas {
            object.key("currentBaseFee")
            object.hexQuantity(baseFeePerGas)
        }
        if let withdrawals {
            object.key("withdrawalsRoot")
            object.hash(withdrawalsRoot(of: withdrawals))
        }
        if let excess = header.excessBlobGas {
            object.key("currentExcessBlobGas")
            object.hexQuantity(excess)
            object.key("blobGasUsed")
            object.hexQuantity(blobGasUsed)
        }
        if fork >= .prague {
            object.key("requestsHash")
            object.hash(requestsHash(of: requests))
            object.key("requests")
            object.array { array in
                for request in requests { array.hexData(request) }
            }
        } else {
            object.key("requests")
            object.null()
        }
        if let refusal {
            object.key("blockException")
            object.string(refusal)
        }
    }

    /// There is no block yet: geth's tool gives this hash for it.
    private static let blockHash = Hash256(w0: 0x1337_0000_0000_0000, w1: 0, w2: 0, w3: 0)

    private func writeReceipt(_ index: Int, _ logIndex: inout Int, _ array: inout JSONWriter) {
        let receipt = receipts[index]
        let item = included[index]
        array.object { object in
            if receipt.type != .legacy {
                object.key("type")
                object.hexQuantity(UInt64(receipt.type.rawValue))
            }
            object.key("root")
            switch receipt.outcome {
            case .status: object.hexData([])
            case .postState(let root): object.hash(root)
            }
            object.key("status")
            object.hexQuantity(item.outcome.succeeded ? 1 as UInt64 : 0)
            object.key("cumulativeGasUsed")
            object.hexQuantity(receipt.cumulativeGasUsed)
            object.key("logsBloom")
            object.hexData(receipt.bloom.bytes)
            object.key("logs")
            object.array { array in
                for log in receipt.logs {
                    writeLog(log, of: index, logIndex, &array)
                    logIndex += 1
                }
            }
            object.key("transactionHash")
            object.hash(item.hash)
            object.key("contractAddress")
            object.address(item.outcome.contractAddress ?? .zero)
            object.key("gasUsed")
            object.hexQuantity(item.outcome.gasUsed)
            object.key("effectiveGasPrice")
            object.null()
            if item.outcome.blobGasUsed > 0 {
                object.key("blobGasUsed")
                object.hexQuantity(item.outcome.blobGasUsed)
                object.key("blobGasPrice")
                object.hexQuantity(blobBaseFee)
            }
            writePlace(of: index, &object)
        }
    }

    private func writeLog(
        _ log: Log, of index: Int, _ logIndex: Int, _ array: inout JSONWriter
    ) {
        array.object { object in
            object.key("address")
            object.address(log.address)
            object.key("topics")
            object.array { array in
                for topic in log.topics { array.hash(topic) }
            }
            object.key("data")
            object.hexData(log.data)
            object.key("transactionHash")
            object.hash(included[index].hash)
            writePlace(of: index, &object)
            object.key("blockTimestamp")
            object.hexQuantity(header.timestamp)
            object.key("logIndex")
            object.hexQuantity(UInt64(logIndex))
            object.key("removed")
            object.bool(false)
        }
    }

    private func writePlace(of index: Int, _ object: inout JSONWriter) {
        object.key("blockHash")
        object.hash(Self.blockHash)
        object.key("blockNumber")
        object.hexQuantity(header.number)
        object.key("transactionIndex")
        object.hexQuantity(UInt64(index))
    }
}
