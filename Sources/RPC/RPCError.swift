public import Primitives

/// The error member of a JSON-RPC 2.0 answer.
///
/// Texts and codes are geth's wherever geth has one, because client libraries match on them
/// (`ErrorCodes.swift` has the table).
public struct RPCError: Error, Hashable, Sendable {
    /// A code of `RPCErrorCode`, or a method's own.
    public let code: Int
    /// What went wrong, in geth's words where it has some.
    public let message: String
    /// More about it, such as what a revert returned.
    public let data: JSONValue?

    /// An error of these members.
    public init(code: Int, message: String, data: JSONValue? = nil) {
        self.code = code
        self.message = message
        self.data = data
    }
}

/// The codes that JSON-RPC 2.0, EIP-1474 and geth give to errors.
public enum RPCErrorCode {
    /// The text is no JSON.
    public static let parse = -32_700
    /// The JSON is no request.
    public static let invalidRequest = -32_600
    /// There is no such method, or not for this caller.
    public static let methodNotFound = -32_601
    /// The arguments do not fit the parameters.
    public static let invalidParams = -32_602
    /// The node failed; the log knows why.
    public static let internalError = -32_603
    /// geth's code of every error without one of its own.
    public static let server = -32_000
    /// There was not enough time.
    public static let timeout = -32_002
    /// The answer is larger than the server allows.
    public static let responseTooLarge = -32_003
    /// EIP-1474: limit exceeded.
    public static let limitExceeded = -32_005
    /// A revert; `data` is what the contract returned.
    public static let reverted = 3
}

extension RPCError {
    /// An error with geth's default code.
    public static func server(_ message: String) -> RPCError {
        RPCError(code: RPCErrorCode.server, message: message)
    }

    /// An argument that cannot be used.
    public static func invalidParams(_ message: String) -> RPCError {
        RPCError(code: RPCErrorCode.invalidParams, message: message)
    }

    static let parse = RPCError(code: RPCErrorCode.parse, message: "parse error")
    static let invalidRequest = RPCError(
        code: RPCErrorCode.invalidRequest, message: "invalid request")
    static let emptyBatch = RPCError(code: RPCErrorCode.invalidRequest, message: "empty batch")
    static let batchTooLarge = RPCError(
        code: RPCErrorCode.invalidRequest, message: "batch too large")
    static let responseTooLarge = RPCError(
        code: RPCErrorCode.responseTooLarge, message: "response too large")
    static let timedOut = RPCError(code: RPCErrorCode.timeout, message: "request timed out")
    static let busy = RPCError(
        code: RPCErrorCode.limitExceeded, message: "busy: too many calls are waiting, try again")
    static func tooMany(retryAfter seconds: Int) -> RPCError {
        RPCError(
            code: RPCErrorCode.limitExceeded,
            message: "too many requests: try again in \(seconds) s")
    }
    static let tooManyLargeAnswers = RPCError(
        code: RPCErrorCode.limitExceeded,
        message: "busy: too many large answers are on their way, try again")
    static let internalError = RPCError(
        code: RPCErrorCode.internalError, message: "internal error")
    package static let notificationsUnsupported = RPCError(
        code: RPCErrorCode.methodNotFound, message: "notifications not supported")

    static func methodNotFound(_ name: String) -> RPCError {
        RPCError(
            code: RPCErrorCode.methodNotFound,
            message: "the method \(name) does not exist/is not available")
    }
}

extension RPCError {
    /// Writes the error object.
    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("code")
            writer.number(code)
            writer.key("message")
            writer.string(message)
            if let data {
                writer.key("data")
                writer.value(data)
            }
        }
    }
}
