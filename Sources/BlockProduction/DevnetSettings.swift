import Cryptography
import EthereumTypes
import Execution
import Primitives
import Storage
import TxPool

/// What the user of a devnet has set about the blocks to come. It outlasts a restart, and going
/// back to a snapshot restores it.
package struct DevnetSettings: Hashable, Sendable {
    package var clock = DevnetClock()
    /// For one block.
    package var nextBaseFee: Wei?
    /// For one block.
    package var nextPrevRandao: Hash256?
    /// For all blocks from now on.
    package var gasLimit: Gas?
    /// For all blocks from now on.
    var coinbase: Address
    /// For all blocks from now on; nil is what the options say.
    package var extraData: Bytes?

    package init(coinbase: Address) { self.coinbase = coinbase }

    /// What a block after a parent gets. The randomness follows from the parent, so that the same
    /// transactions give the same chain.
    func attributes(
        after parent: ParentBlock, timestamp: Timestamp, extraData: Bytes, config: ChainConfig
    ) -> PayloadAttributes {
        PayloadAttributes(
            timestamp: timestamp, coinbase: coinbase,
            prevRandao: nextPrevRandao ?? keccak256(parent.header.hash()),
            gasLimit: gasLimit
                ?? nextGasLimit(
                    parent: parent.header, target: nil,
                    at: config.fork(after: parent, timestamp: timestamp)),
            extraData: self.extraData ?? extraData, baseFeePerGas: nextBaseFee)
    }

    /// What the pool must know about the next block.
    var poolOverrides: NextBlockOverrides {
        NextBlockOverrides(gasLimit: gasLimit, baseFeePerGas: nextBaseFee)
    }

    /// Notes that a block was made by the settings as they were when it was begun: what was set
    /// for one block is used up, unless it was set anew in between.
    mutating func blockMade(at timestamp: Timestamp, using used: DevnetSettings, now: Timestamp) {
        clock.blockMade(at: timestamp, using: used.clock, now: now)
        if nextBaseFee == used.nextBaseFee { nextBaseFee = nil }
        if nextPrevRandao == used.nextPrevRandao { nextPrevRandao = nil }
    }
}

/// rlp([offset, [interval]?, [next timestamp]?, [base fee]?, [randomness]?, [gas limit]?, coinbase,
/// [extra data]?]), the offset as the bits of a signed number, an absent value as an empty list.
extension DevnetSettings {
    package func encoded() -> Bytes {
        RLPEncoder.list { list in
            list.append(UInt64(bitPattern: clock.offset))
            list.list { list in if let value = clock.interval { list.append(value) } }
            list.list { list in if let value = clock.nextTimestamp { list.append(value) } }
            list.list { list in if let value = nextBaseFee { list.append(value) } }
            list.list { list in if let value = nextPrevRandao { list.append(value) } }
            list.list { list in if let value = gasLimit { list.append(value) } }
            list.append(coinbase)
            list.list { list in if let value = extraData { list.append(value) } }
        }
    }

    package init(encoded: Bytes) throws(RLPError) {
        var decoder = RLPDecoder(encoded)
        var list = try decoder.list()
        try decoder.finish()
        let offset = Int64(bitPattern: try list.uint64())
        var interval = try list.list()
        var nextTimestamp = try list.list()
        var baseFee = try list.list()
        var prevRandao = try list.list()
        var gasLimit = try list.list()
        coinbase = try list.address()
        // Earlier settings have no extra data.
        if !list.isAtEnd {
            var extra = try list.list()
            if !extra.isAtEnd { extraData = Bytes(try extra.bytes()) }
        }
        try list.finish()
        clock = DevnetClock(
            offset: offset,
            interval: interval.isAtEnd ? nil : try interval.uint64(),
            nextTimestamp: nextTimestamp.isAtEnd ? nil : try nextTimestamp.uint64())
        nextBaseFee = baseFee.isAtEnd ? nil : try baseFee.uint256()
        nextPrevRandao = prevRandao.isAtEnd ? nil : try prevRandao.hash()
        self.gasLimit = gasLimit.isAtEnd ? nil : try gasLimit.uint64()
    }
}

/// A moment of a devnet to which its user can go back.
struct DevnetSnapshot: Hashable, Sendable {
    var blockNumber: BlockNumber
    /// Tells whether the block is still there: a reorganisation may have replaced it.
    var blockHash: Hash256
    /// What the user had changed in the state since that block.
    var overrides: [PreBlockOverride]
    var settings: DevnetSettings
    var pool: [PooledTransaction]
}

/// rlp([number, hash, overrides, settings, [transaction…]])
extension DevnetSnapshot {
    func encoded() -> Bytes {
        RLPEncoder.list { list in
            list.append(blockNumber)
            list.append(blockHash)
            list.append(overrides.encoded)
            list.append(settings.encoded())
            list.list { list in
                for transaction in pool { list.append(transaction.encoded()) }
            }
        }
    }

    init(encoded: Bytes) throws(RLPError) {
        var decoder = RLPDecoder(encoded)
        var list = try decoder.list()
        try decoder.finish()
        blockNumber = try list.uint64()
        blockHash = try list.hash()
        overrides = try [PreBlockOverride](encoded: Bytes(try list.bytes()))
        settings = try DevnetSettings(encoded: Bytes(try list.bytes()))
        var items = try list.list()
        try list.finish()
        pool = []
        while !items.isAtEnd {
            if let transaction = PooledTransaction(encoded: Bytes(try items.bytes())) {
                pool.append(transaction)
            }
        }
    }
}
