//  Tracers that answer with one JSON value a transaction, by the names and in the formats of geth
//  (`eth/tracers`).

public import EVM
import EthereumTypes
public import Primitives

/// A tracer of one transaction whose result is a JSON value.
public protocol TraceRecorder: Tracer {
    /// The result, once the transaction has ended.
    ///
    /// - Parameter limit: bytes that it may have.
    func result(of outcome: TransactionOutcome, limit: Int) throws(TraceTooLarge) -> Bytes
}

/// A trace has more bytes than was allowed. What was recorded of it is no result.
public struct TraceTooLarge: Error {}

/// Where the traced transaction stands, for formats that repeat it in each entry. All nil: nowhere.
public struct TraceSubject: Hashable, Sendable {
    /// The block.
    public var blockHash: Hash256?
    /// Its number.
    public var blockNumber: BlockNumber?
    /// The transaction.
    public var transactionHash: Hash256?
    /// Its place in the block.
    public var transactionIndex: Int?

    /// A subject; without arguments, a call that is no transaction of the chain.
    public init(
        blockHash: Hash256? = nil, blockNumber: BlockNumber? = nil,
        transactionHash: Hash256? = nil, transactionIndex: Int? = nil
    ) {
        self.blockHash = blockHash
        self.blockNumber = blockNumber
        self.transactionHash = transactionHash
        self.transactionIndex = transactionIndex
    }
}

/// Which trace is wanted.
public indirect enum TraceKind: Hashable, Sendable {
    /// geth's default, without a name.
    case structLogger(TraceOptions)
    /// `callTracer`.
    case calls(CallTracer.Options)
    /// `flatCallTracer`.
    case flatCalls(FlatCallTracer.Options)
    /// `prestateTracer`.
    case prestate(PrestateTracer.Options)
    /// `4byteTracer`.
    case selectors
    /// `keccak256PreimageTracer`.
    case keccak256Preimages
    /// `erc7562Tracer`.
    case userOperations(UserOperationTracer.Options)
    /// `noopTracer`.
    case nothing
    /// `muxTracer`: several by their names.
    case several([String: TraceKind])

    /// A tracer of this kind.
    ///
    /// - Parameter limit: bytes of recording after which nothing more is kept.
    public func recorder(of subject: TraceSubject, limit: Int) -> any TraceRecorder {
        switch self {
        case .structLogger(let options): return StructLogger(options: options, limit: limit)
        case .calls(let options): return CallTracer(options, limit: limit)
        case .flatCalls(let options):
            return FlatCallTracer(options, of: subject, limit: limit)
        case .prestate(let options): return PrestateTracer(options, limit: limit)
        case .selectors: return FourByteTracer(limit: limit)
        case .keccak256Preimages: return Keccak256PreimageTracer(limit: limit)
        case .userOperations(let options): return UserOperationTracer(options, limit: limit)
        case .nothing: return NoopTracer()
        case .several(let kinds):
            return MuxTracer(kinds.mapValues { $0.recorder(of: subject, limit: limit) })
        }
    }
}

extension Bytes {
    /// The bytes, if they are not too many.
    func within(_ limit: Int) throws(TraceTooLarge) -> Bytes {
        guard count <= limit else { throw TraceTooLarge() }
        return self
    }
}
