import Primitives

/// What one message of a client holds: a request or a batch of them.
///
/// Framing follows the JSON-RPC 2.0 specification. The text is checked as a whole first, so that a
/// syntax error anywhere is one parse error; what a request asks is kept as ranges of the text and
/// decoded by the method that wants it.
struct RPCMessage: Sendable {
    let requests: [RPCRequest]
    let isBatch: Bool

    /// Reads a message.
    ///
    /// - Throws: the error to answer with when no request can be told apart: not JSON, an empty
    ///   batch, too large a batch.
    init(_ text: Bytes, limits: RPCLimits) throws(RPCMessageError) {
        do throws(JSONError) {
            var scanner = JSONScanner(maxDepth: limits.jsonDepth)
            if scanner.peek(in: text.span) == UInt8(ascii: "[") {
                var requests: [RPCRequest] = []
                try scanner.beginArray(in: text.span)
                while try scanner.nextElement(in: text.span) {
                    requests.append(try RPCRequest(&scanner, in: text))
                }
                self.requests = requests
                isBatch = true
            } else {
                requests = [try RPCRequest(&scanner, in: text)]
                isBatch = false
            }
            try scanner.finish(in: text.span)
        } catch {
            throw RPCMessageError(error: .parse, id: nil, isBatch: false)
        }
        if requests.isEmpty {
            throw RPCMessageError(error: .emptyBatch, id: nil, isBatch: false)
        }
        if requests.count > limits.batchCount {
            // As geth: one answer, in a batch, with the first id that there is.
            let id = requests.lazy.compactMap(\.id).first
            throw RPCMessageError(error: .batchTooLarge, id: id, isBatch: true)
        }
    }
}

/// The one answer to a message that holds no requests to work on.
struct RPCMessageError: Error {
    let error: RPCError
    let id: Range<Int>?
    let isBatch: Bool
}

/// One member of a message, valid or not.
struct RPCRequest: Sendable {
    /// The text of the id, if there is a valid one: a string, a number or null.
    private(set) var id: Range<Int>?

    /// The method's name; nil if this is no valid request.
    private(set) var method: String?

    /// The text of the parameters, if there are any.
    private(set) var params: Range<Int>?

    /// Whether no answer is wanted: a valid request without an id.
    var isNotification: Bool { method != nil && id == nil }

    init(_ scanner: inout JSONScanner, in text: Bytes) throws(JSONError) {
        guard scanner.peek(in: text.span) == UInt8(ascii: "{") else {
            _ = try scanner.skipValue(in: text.span)
            return
        }
        var hasVersion = false
        var hasValidID = true
        try scanner.beginObject(in: text.span)
        while let key = try scanner.nextKey(in: text.span) {
            let kind = scanner.peek(in: text.span)
            if key.equals("jsonrpc", in: text.span) {
                if kind == UInt8(ascii: "\"") {
                    hasVersion = try scanner.string(in: text.span).equals("2.0", in: text.span)
                } else {
                    _ = try scanner.skipValue(in: text.span)
                    hasVersion = false
                }
            } else if key.equals("method", in: text.span) {
                if kind == UInt8(ascii: "\"") {
                    method = try scanner.string(in: text.span).string(in: text.span)
                } else {
                    _ = try scanner.skipValue(in: text.span)
                    method = nil
                }
            } else if key.equals("id", in: text.span) {
                let range = try scanner.skipValue(in: text.span)
                switch kind {
                case UInt8(ascii: "{"), UInt8(ascii: "["), UInt8(ascii: "t"), UInt8(ascii: "f"):
                    id = nil
                    hasValidID = false
                default:
                    id = range
                    hasValidID = true
                }
            } else if key.equals("params", in: text.span) {
                params = try scanner.skipValue(in: text.span)
            } else {
                _ = try scanner.skipValue(in: text.span)
            }
        }
        if !hasVersion || !hasValidID { method = nil }
    }
}
