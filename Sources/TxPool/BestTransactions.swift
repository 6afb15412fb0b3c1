import EthereumTypes
import Primitives

/// The pending transactions at one moment, the best first, each sender's by nonce.
///
/// Look at ``first``, then say what became of it: ``advance()`` if the block has it, and its
/// sender's next one joins in; ``skipSender()`` if not, and none of its sender's comes any more.
/// A heap of one place for each sender: O(log senders) a step.
public struct BestTransactions: Sendable {
    private var heap: [Candidate] = []
    private let order: TransactionOrder
    private let baseFee: Wei?
    private let blobBaseFee: Wei

    /// A sender's next transaction and those after it.
    private struct Candidate: Sendable {
        let tip: Wei
        let transactions: ArraySlice<PooledTransaction>
    }

    init(
        _ senders: some Sequence<ArraySlice<PooledTransaction>>, order: TransactionOrder,
        baseFee: Wei?, blobBaseFee: Wei
    ) {
        self.order = order
        self.baseFee = baseFee
        self.blobBaseFee = blobBaseFee
        heap = senders.compactMap { candidate($0) }
        for index in stride(from: heap.count / 2 - 1, through: 0, by: -1) { siftDown(index) }
    }

    /// Chosen transactions, in the order of their arrival.
    public init(only transactions: [PooledTransaction]) {
        self.init(
            transactions.map { [$0] }, order: .arrival, baseFee: nil, blobBaseFee: .zero)
    }

    /// The best transaction that is left.
    public var first: PooledTransaction? { heap.first?.transactions.first }

    /// Goes on to the next one; the sender of ``first`` comes again with its next nonce.
    public mutating func advance() {
        guard let top = heap.first else { return }
        if let next = candidate(top.transactions.dropFirst()) {
            heap[0] = next
            siftDown(0)
        } else {
            skipSender()
        }
    }

    /// Goes on to the next one; no further transaction of the sender of ``first`` comes.
    public mutating func skipSender() {
        guard let last = heap.popLast(), !heap.isEmpty else { return }
        heap[0] = last
        siftDown(0)
    }

    /// A sender whose next transaction does not pay for this block has no place in it.
    private func candidate(_ transactions: ArraySlice<PooledTransaction>) -> Candidate? {
        guard let transaction = transactions.first?.transaction,
            let tip = transaction.effectiveTip(baseFee: baseFee),
            transaction.type != .blob || transaction.maxFeePerBlobGas >= blobBaseFee
        else { return nil }
        return Candidate(tip: tip, transactions: transactions)
    }

    private func isBetter(_ left: Candidate, _ right: Candidate) -> Bool {
        if order == .fees, left.tip != right.tip { return left.tip > right.tip }
        return (left.transactions.first?.arrival ?? 0) < (right.transactions.first?.arrival ?? 0)
    }

    private mutating func siftDown(_ start: Int) {
        var parent = start
        while true {
            var best = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < heap.count && isBetter(heap[child], heap[best]) {
                best = child
            }
            guard best != parent else { return }
            heap.swapAt(parent, best)
            parent = best
        }
    }
}
