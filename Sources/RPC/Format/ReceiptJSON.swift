import EVM
import EthereumTypes
import Primitives

/// A receipt as the `eth` namespace shows it, with the members and their order of geth
/// (`internal/ethapi`, `marshalReceipt`).
struct ReceiptResult: RPCResult {
    let receipt: Receipt
    let transaction: Transaction
    let hash: Hash256
    let sender: Address
    let place: TransactionPlace
    let gasUsed: Gas
    /// Index in the block of the receipt's first log.
    let firstLogIndex: Int
    /// Nil before Cancun.
    let blobBaseFee: Wei?

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            if transaction.type == .blob, let blobBaseFee {
                writer.key("blobGasPrice")
                writer.hexQuantity(blobBaseFee)
                writer.key("blobGasUsed")
                writer.hexQuantity(transaction.blobGas)
            }
            writer.key("blockHash")
            writer.hash(place.blockHash)
            writer.key("blockNumber")
            writer.hexQuantity(place.blockNumber)
            writer.key("contractAddress")
            if transaction.isCreation {
                writer.address(contractAddress(creator: sender, nonce: transaction.nonce))
            } else {
                writer.null()
            }
            writer.key("cumulativeGasUsed")
            writer.hexQuantity(receipt.cumulativeGasUsed)
            writer.key("effectiveGasPrice")
            writer.hexQuantity(transaction.effectiveGasPrice(baseFee: place.baseFeePerGas))
            writer.key("from")
            writer.address(sender)
            writer.key("gasUsed")
            writer.hexQuantity(gasUsed)
            writer.key("logs")
            writer.array { writer in
                for (offset, log) in receipt.logs.enumerated() {
                    LogResult(
                        log: log, place: place, transactionHash: hash,
                        logIndex: firstLogIndex + offset, isRemoved: false
                    ).write(to: &writer)
                }
            }
            writer.key("logsBloom")
            writer.hexData(receipt.bloom.bytes)
            writeOutcome(to: &writer)
            writer.key("to")
            transaction.to.write(to: &writer)
            writer.key("transactionHash")
            writer.hash(hash)
            writer.key("transactionIndex")
            writer.hexQuantity(UInt64(place.index))
            writer.key("type")
            writer.hexQuantity(UInt64(receipt.type.rawValue))
        }
    }

    private func writeOutcome(to writer: inout JSONWriter) {
        switch receipt.outcome {
        case .status(let succeeded):
            writer.key("status")
            writer.hexQuantity(succeeded ? 1 as UInt64 : 0)
        case .postState(let root):
            writer.key("root")
            writer.hash(root)
        }
    }

    static let schema = Schema.receipt()
}

/// A log as the `eth` namespace shows it.
struct LogResult: RPCResult {
    let log: Log
    let place: TransactionPlace
    let transactionHash: Hash256
    let logIndex: Int
    /// Whether the block of the log is no longer in the chain.
    let isRemoved: Bool

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("address")
            writer.address(log.address)
            writer.key("topics")
            log.topics.write(to: &writer)
            writer.key("data")
            writer.hexData(log.data)
            writer.key("blockNumber")
            writer.hexQuantity(place.blockNumber)
            writer.key("transactionHash")
            writer.hash(transactionHash)
            writer.key("transactionIndex")
            writer.hexQuantity(UInt64(place.index))
            writer.key("blockHash")
            writer.hash(place.blockHash)
            writer.key("blockTimestamp")
            writer.hexQuantity(place.blockTimestamp)
            writer.key("logIndex")
            writer.hexQuantity(UInt64(logIndex))
            writer.key("removed")
            writer.bool(isRemoved)
        }
    }

    static let schema = Schema.log
}

extension ChainConfig {
    /// The base fee per blob gas in a block; `nil` before Cancun.
    func blobBaseFee(of header: Header) -> Wei? {
        header.excessBlobGas.flatMap { excess in
            blobParameters(at: fork(of: header)).map {
                EthereumTypes.blobBaseFee(excessBlobGas: excess, parameters: $0)
            }
        }
    }
}

/// All receipts of a block, with what is computed from their order.
struct BlockReceipts {
    let results: [ReceiptResult]

    init(
        block: Block, hash: Hash256, senders: [Address], transactionHashes: [Hash256],
        receipts: [Receipt], config: ChainConfig
    ) {
        let header = block.header
        let blobFee = config.blobBaseFee(of: header)
        var results: [ReceiptResult] = []
        results.reserveCapacity(receipts.count)
        var gasBefore: Gas = 0
        var logCount = 0
        for (index, receipt) in receipts.enumerated() {
            results.append(
                ReceiptResult(
                    receipt: receipt, transaction: block.transactions[index],
                    hash: transactionHashes[index], sender: senders[index],
                    place: TransactionPlace(header, hash: hash, index: index),
                    gasUsed: receipt.cumulativeGasUsed - gasBefore, firstLogIndex: logCount,
                    blobBaseFee: blobFee))
            gasBefore = receipt.cumulativeGasUsed
            logCount += receipt.logs.count
        }
        self.results = results
    }

    /// The logs of the block in order.
    func logs(isRemoved: Bool) -> [LogResult] {
        results.flatMap { result in
            result.receipt.logs.enumerated().map { offset, log in
                LogResult(
                    log: log, place: result.place, transactionHash: result.hash,
                    logIndex: result.firstLogIndex + offset, isRemoved: isRemoved)
            }
        }
    }
}
