import Primitives

/// The one table from what the node knows went wrong to what a client is told.
///
/// Texts and codes are geth's, because client libraries tell errors apart by them.
extension RPCError {
    /// The error that a client sees, or nil if the error is none that a client can cause.
    init?(translating error: any Error) {
        switch error {
        case let error as RPCError: self = error
        default: return nil
        }
    }
}
