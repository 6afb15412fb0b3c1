//  Why a state transition could not be computed.

/// A failure of `t8n`, with the exit status that geth's tool has for it.
public struct TransitionError: Error, Sendable, CustomStringConvertible {
    /// What failed; the raw value is the exit status.
    public enum Kind: Int32, Sendable {
        case configuration = 3
        /// BLOCKHASH asked for a block that the input does not name.
        case missingBlockHash = 4
        case json = 10
        case inputOutput = 11
        case rlp = 12
    }

    /// What failed.
    public let kind: Kind
    /// In words, geth's where it has some.
    public let message: String

    /// A failure.
    public init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    /// As geth's tool prints it.
    public var description: String { "ERROR(\(kind.rawValue)): \(message)" }
}

extension TransitionError {
    /// Runs `body`, whose failure means that a file is not what it should be.
    static func reading<Value>(
        _ what: String, _ body: () throws(FixtureError) -> Value
    ) throws(TransitionError) -> Value {
        do throws(FixtureError) {
            return try body()
        } catch {
            throw TransitionError(.json, "failed unmarshalling \(what): \(error)")
        }
    }
}
