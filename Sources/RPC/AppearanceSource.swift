public import Chain
public import Primitives
public import Storage

/// An index of the transactions in which addresses appear, for searches by address (`ots_search…`,
/// `trace_filter`).
///
/// Whoever keeps one, a plugin, hands it to the node; without one these searches say so.
public struct AppearanceSource: Sendable {
    /// Where a page begins, and which way it goes.
    public enum Bound: Sendable {
        /// What is before a transaction, latest first; `nil` for the end of the chain.
        case before(TransactionLocation?)
        /// What is after a transaction, earliest first; `nil` for the beginning of the chain.
        case after(TransactionLocation?)
    }

    let firstBlock: @Sendable (ChainView) throws -> BlockNumber?
    let page:
        @Sendable (ChainView, Address, _ bound: Bound, _ limit: Int) throws
            -> [TransactionAppearance]

    /// - Parameters:
    ///   - firstBlock: the first block whose transactions are in the index; `nil` as long as the
    ///     index does not reach the head of the view.
    ///   - page: appearances of an address in a view, as many as the limit says, or all that there are.
    ///     It costs what is on it.
    public init(
        firstBlock: @escaping @Sendable (ChainView) throws -> BlockNumber?,
        page:
            @escaping @Sendable (ChainView, Address, _ bound: Bound, _ limit: Int) throws
            -> [TransactionAppearance]
    ) {
        self.firstBlock = firstBlock
        self.page = page
    }
}

/// An address in a transaction.
public struct TransactionAppearance: Hashable, Sendable {
    /// The transaction.
    public let location: TransactionLocation
    /// Whether it called or was called there, and is not only in a log.
    public let isInCall: Bool

    /// An appearance.
    public init(location: TransactionLocation, isInCall: Bool) {
        self.location = location
        self.isInCall = isInCall
    }
}

/// Goes through the appearances of an address, a page at a time.
struct AppearanceWalk {
    private let source: AppearanceSource
    private let view: ChainView
    private let address: Address
    private let pageSize: Int
    private var bound: AppearanceSource.Bound
    private var page: ArraySlice<TransactionAppearance> = []
    private var isAtEnd = false

    init(
        _ source: AppearanceSource, _ view: ChainView, of address: Address,
        _ bound: AppearanceSource.Bound, pageSize: Int
    ) {
        self.source = source
        self.view = view
        self.address = address
        self.bound = bound
        self.pageSize = pageSize
    }

    /// The next appearance; nil after the last.
    mutating func next() throws -> TransactionAppearance? {
        if page.isEmpty, !isAtEnd {
            page = try source.page(view, address, bound, pageSize)[...]
            isAtEnd = page.count < pageSize
            if let last = page.last?.location {
                bound =
                    switch bound {
                    case .before: .before(last)
                    case .after: .after(last)
                    }
            }
        }
        return page.popFirst()
    }
}

extension RPCServices {
    /// The index, with the first block that it knows.
    ///
    /// - Throws: if there is none, or none yet, with what to do about it.
    func requireAppearances(
        in view: ChainView
    ) throws -> (source: AppearanceSource, firstBlock: BlockNumber) {
        guard let appearances else {
            throw RPCError.server(
                "the transactions of an address are found by the index of the analytics, which this "
                    + "node does not keep: start it with --set analytics.enabled=true")
        }
        guard let firstBlock = try appearances.firstBlock(view) else {
            throw RPCError.server(
                "the index of the analytics does not reach the head of the chain yet: apus_plugins "
                    + "tells how far it is")
        }
        return (appearances, firstBlock)
    }
}
