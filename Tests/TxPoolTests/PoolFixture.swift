import Cryptography
import EthereumTypes
import Execution
import Primitives
import State
import TestSupport
import Testing
import TxPool

/// A pool over a state that the test writes, with senders that are numbers from one on.
struct PoolFixture {
    static let chainId: UInt64 = 1_337
    static let ether = UInt256(1_000_000_000_000_000_000)

    var state = FixedState()
    var pool: Pool

    init(
        options: PoolOptions = PoolOptions(), fork: Fork = .cancun, baseFee: Wei = 10,
        gasLimit: Gas = 30_000_000
    ) {
        for index in 1...20 {
            state.accounts[Self.sender(index)] = FixedState.Entry(balance: Self.ether)
        }
        pool = Pool(
            head: Self.head(state, fork: fork, baseFee: baseFee, gasLimit: gasLimit),
            options: options)
    }

    static func head(
        _ state: FixedState, fork: Fork = .cancun, baseFee: Wei = 10, gasLimit: Gas = 30_000_000
    ) -> PoolHead {
        let header = Header(
            parentHash: .zero, coinbase: .zero, stateRoot: .zero, number: 1, gasLimit: gasLimit,
            timestamp: 100, baseFeePerGas: baseFee)
        return PoolHead(
            header: header, config: .single(fork, chainId: chainId), state: state, now: 101,
            overrides: NextBlockOverrides(baseFeePerGas: baseFee))
    }

    static func key(_ index: Int) -> PrivateKey {
        guard let key = PrivateKey(UInt256(index)) else { preconditionFailure("not a key") }
        return key
    }

    static func sender(_ index: Int) -> Address { key(index).address }

    /// A transfer with a tip and a fee cap of the tip and 100.
    static func transfer(
        from index: Int, nonce: Nonce, tip: Wei = 1, cap: Wei? = nil, value: Wei = 0,
        gasLimit: Gas = 21_000
    ) -> Transaction {
        Transaction(
            type: .dynamicFee, chainId: chainId, nonce: nonce, maxPriorityFeePerGas: tip,
            maxFeePerGas: cap ?? tip &+ 100, gasLimit: gasLimit, to: .zero, value: value
        ).signed(with: key(index))
    }

    static func pooled(
        _ transaction: Transaction, from index: Int, sidecar: BlobSidecar? = nil
    ) -> PooledTransaction {
        PooledTransaction(
            RecoveredTransaction(transaction, sender: sender(index)), sidecar: sidecar)
    }

    /// Adds a transaction of a sender.
    @discardableResult
    mutating func add(
        _ transaction: Transaction, from index: Int, sidecar: BlobSidecar? = nil
    ) throws(PoolRejection) -> Pool.Change {
        var change = Pool.Change()
        try pool.add(Self.pooled(transaction, from: index, sidecar: sidecar), &change)
        return change
    }

    /// Adds a transfer.
    @discardableResult
    mutating func send(
        _ index: Int, _ nonce: Nonce, tip: Wei = 1, cap: Wei? = nil, value: Wei = 0
    ) throws(PoolRejection) -> Pool.Change {
        try add(
            Self.transfer(from: index, nonce: nonce, tip: tip, cap: cap, value: value), from: index)
    }

    func pendingNonces(_ index: Int) -> [Nonce] {
        pool.queue(of: Self.sender(index))?.pending.map(\.nonce) ?? []
    }

    func queuedNonces(_ index: Int) -> [Nonce] {
        pool.queue(of: Self.sender(index))?.queued.map(\.nonce) ?? []
    }

    /// The senders and nonces that a block would have, in order.
    func best() -> [String] {
        var best = pool.best(baseFee: pool.head.baseFee, blobBaseFee: pool.head.blobBaseFee)
        var order: [String] = []
        while let first = best.first {
            let index = (1...20).first { Self.sender($0) == first.sender } ?? 0
            order.append("\(index):\(first.nonce)")
            best.advance()
        }
        return order
    }

    /// Moves the chain on: an account has a nonce and a balance.
    mutating func setAccount(_ index: Int, nonce: Nonce, balance: Wei = ether) {
        state.accounts[Self.sender(index)] = FixedState.Entry(nonce: nonce, balance: balance)
    }
}
