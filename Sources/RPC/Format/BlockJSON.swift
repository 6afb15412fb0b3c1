import EthereumTypes
import Primitives

/// How the transactions of a block are shown.
enum TransactionDetail: Sendable {
    case hashes
    case full
}

/// A block as the `eth` namespace shows it, with geth's members in geth's order: sorted by name
/// (`internal/ethapi`, `RPCMarshalBlock`).
struct BlockResult: RPCResult {
    let block: Block
    let senders: [Address]
    let transactionHashes: [Hash256]
    let detail: TransactionDetail
    /// Nil: the block is pending, which has no hash, no nonce and no miner yet.
    let hash: Hash256?
    /// The results of simulated calls, shown among the members.
    var calls: EncodedJSON?

    func write(to writer: inout JSONWriter) {
        let header = block.header
        writer.object { writer in
            writer.headerStart(header, hash: hash, isPending: hash == nil, calls: calls)
            writer.key("size")
            writer.hexQuantity(UInt64(block.encoded().count))
            writer.headerMiddle(header)
            writer.key("transactions")
            writeTransactions(to: &writer)
            writer.key("transactionsRoot")
            writer.hash(header.transactionsRoot)
            writer.key("uncles")
            block.ommers.map { $0.hash() }.write(to: &writer)
            if let withdrawals = block.withdrawals {
                writer.key("withdrawals")
                writer.withdrawals(withdrawals)
            }
            if let root = header.withdrawalsRoot {
                writer.key("withdrawalsRoot")
                writer.hash(root)
            }
        }
    }

    private func writeTransactions(to writer: inout JSONWriter) {
        switch detail {
        case .hashes: transactionHashes.write(to: &writer)
        case .full:
            let header = block.header
            writer.array { writer in
                for index in block.transactions.indices {
                    TransactionResult(
                        transaction: block.transactions[index], hash: transactionHashes[index],
                        sender: senders[index],
                        place: hash.map {
                            TransactionPlace(
                                blockHash: $0, blockNumber: header.number,
                                blockTimestamp: header.timestamp, index: index,
                                baseFeePerGas: header.baseFeePerGas)
                        }
                    ).write(to: &writer)
                }
            }
        }
    }

    static let schema = Schema.block()
}

/// An ommer: a block of which only the header is known.
struct OmmerResult: RPCResult {
    let header: Header

    func write(to writer: inout JSONWriter) {
        let block = Block(header: header, transactions: [], ommers: [], withdrawals: nil)
        writer.object { writer in
            writer.headerStart(header, hash: header.hash(), isPending: false)
            writer.key("size")
            writer.hexQuantity(UInt64(block.encoded().count))
            writer.headerMiddle(header)
            writer.key("transactionsRoot")
            writer.hash(header.transactionsRoot)
            writer.key("uncles")
            writer.array { _ in }
        }
    }

    static let schema = Schema.uncle
}

/// A header alone (`RPCMarshalHeader`).
struct HeaderResult: RPCResult {
    let header: Header
    /// Nil: the block is pending.
    let hash: Hash256?

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.headerStart(header, hash: hash, isPending: hash == nil)
            writer.headerMiddle(header)
            writer.key("transactionsRoot")
            writer.hash(header.transactionsRoot)
            if let root = header.withdrawalsRoot {
                writer.key("withdrawalsRoot")
                writer.hash(root)
            }
        }
    }

    static let schema = Schema.header
}

/// A header as a `newHeads` subscription shows it: in the order of its fields, null where the fork
/// has none.
struct NewHeadResult: RPCResult {
    let header: Header
    let hash: Hash256

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("parentHash")
            writer.hash(header.parentHash)
            writer.key("sha3Uncles")
            writer.hash(header.ommersHash)
            writer.key("miner")
            writer.address(header.coinbase)
            writer.key("stateRoot")
            writer.hash(header.stateRoot)
            writer.key("transactionsRoot")
            writer.hash(header.transactionsRoot)
            writer.key("receiptsRoot")
            writer.hash(header.receiptsRoot)
            writer.key("logsBloom")
            writer.hexData(header.logsBloom.bytes)
            writer.key("difficulty")
            writer.hexQuantity(header.difficulty)
            writer.key("number")
            writer.hexQuantity(header.number)
            writer.key("gasLimit")
            writer.hexQuantity(header.gasLimit)
            writer.key("gasUsed")
            writer.hexQuantity(header.gasUsed)
            writer.key("timestamp")
            writer.hexQuantity(header.timestamp)
            writer.key("extraData")
            writer.hexData(header.extraData)
            writer.key("mixHash")
            writer.hash(header.prevRandao)
            writer.key("nonce")
            writer.hexData(header.nonceBytes)
            writer.key("baseFeePerGas")
            header.baseFeePerGas.write(to: &writer)
            writer.key("withdrawalsRoot")
            header.withdrawalsRoot.write(to: &writer)
            writer.key("blobGasUsed")
            header.blobGasUsed.write(to: &writer)
            writer.key("excessBlobGas")
            header.excessBlobGas.write(to: &writer)
            writer.key("parentBeaconBlockRoot")
            header.parentBeaconBlockRoot.write(to: &writer)
            writer.key("requestsHash")
            header.requestsHash.write(to: &writer)
            writer.key("hash")
            writer.hash(hash)
        }
    }

    static let schema = Schema.header
}

extension JSONWriter {
    /// The members up to `sha3Uncles`.
    fileprivate mutating func headerStart(
        _ header: Header, hash: Hash256?, isPending: Bool, calls: EncodedJSON? = nil
    ) {
        if let baseFee = header.baseFeePerGas {
            key("baseFeePerGas")
            hexQuantity(baseFee)
        }
        if let gas = header.blobGasUsed {
            key("blobGasUsed")
            hexQuantity(gas)
        }
        if let calls {
            key("calls")
            calls.write(to: &self)
        }
        key("difficulty")
        hexQuantity(header.difficulty)
        if let gas = header.excessBlobGas {
            key("excessBlobGas")
            hexQuantity(gas)
        }
        key("extraData")
        hexData(header.extraData)
        key("gasLimit")
        hexQuantity(header.gasLimit)
        key("gasUsed")
        hexQuantity(header.gasUsed)
        key("hash")
        hash.write(to: &self)
        key("logsBloom")
        hexData(header.logsBloom.bytes)
        key("miner")
        if isPending { null() } else { address(header.coinbase) }
        key("mixHash")
        self.hash(header.prevRandao)
        key("nonce")
        if isPending { null() } else { hexData(header.nonceBytes) }
        key("number")
        hexQuantity(header.number)
        if let root = header.parentBeaconBlockRoot {
            key("parentBeaconBlockRoot")
            self.hash(root)
        }
        key("parentHash")
        self.hash(header.parentHash)
        key("receiptsRoot")
        self.hash(header.receiptsRoot)
        if let requests = header.requestsHash {
            key("requestsHash")
            self.hash(requests)
        }
        key("sha3Uncles")
        self.hash(header.ommersHash)
    }

    /// The members between the block's size and its transactions.
    fileprivate mutating func headerMiddle(_ header: Header) {
        key("stateRoot")
        hash(header.stateRoot)
        key("timestamp")
        hexQuantity(header.timestamp)
    }

    mutating func withdrawals(_ withdrawals: [Withdrawal]) {
        array { writer in
            for withdrawal in withdrawals {
                writer.object { writer in
                    writer.key("index")
                    writer.hexQuantity(withdrawal.index)
                    writer.key("validatorIndex")
                    writer.hexQuantity(withdrawal.validatorIndex)
                    writer.key("address")
                    writer.address(withdrawal.address)
                    writer.key("amount")
                    writer.hexQuantity(withdrawal.amount)
                }
            }
        }
    }
}
