import NIOHTTP1

/// What was agreed with a client about permessage-deflate (RFC 7692).
///
/// Neither side carries a window from one message to the next: connections then need no memory while
/// they are silent, and no message can refer to what was in another.
struct WebSocketDeflate: Hashable {
    /// The logarithm of how far back the server's messages refer.
    var windowBits = 15
    /// Whether the client asked for such a window, and wants to hear it.
    var namesWindow = false

    /// Takes the first offer that can be taken (section 7.1); nil if there is none.
    ///
    /// - Parameter headers: the values of `Sec-WebSocket-Extensions` of a request.
    static func agreement(on headers: [String]) -> WebSocketDeflate? {
        headers.lazy.flatMap { $0.split(separator: ",") }.compactMap(WebSocketDeflate.init).first
    }

    private init?(offer: Substring) {
        let parts = offer.split(separator: ";", omittingEmptySubsequences: false)
            .map { $0.trimmed.lowercased() }
        guard parts.first == "permessage-deflate" else { return nil }
        var seen: Set<String> = []
        for part in parts.dropFirst() {
            let pair = part.split(separator: "=", maxSplits: 1).map { $0.trimmed }
            guard let name = pair.first, seen.insert(String(name)).inserted else { return nil }
            let value = pair.count > 1 ? String(pair[1]) : nil
            switch name {
            case "server_no_context_takeover", "client_no_context_takeover":
                guard value == nil, !part.contains("=") else { return nil }
            case "client_max_window_bits":
                // It may use fewer bits than the fifteen that are at hand here.
                guard value.map({ Self.bits($0) != nil }) ?? !part.contains("=") else {
                    return nil
                }
            case "server_max_window_bits":
                // zlib has no window of 256 bytes.
                guard let bits = value.flatMap(Self.bits), bits > 8 else { return nil }
                windowBits = bits
                namesWindow = true
            default: return nil
            }
        }
    }

    /// A number as section 7.1.2 allows it: 8 to 15 in one or two digits, perhaps quoted.
    private static func bits(_ text: String) -> Int? {
        let isQuoted = text.count > 2 && text.hasPrefix("\"") && text.hasSuffix("\"")
        let digits = isQuoted ? String(text.dropFirst().dropLast()) : text
        guard !digits.hasPrefix("0"), digits.allSatisfy({ $0.isASCII && $0.isNumber }),
            let bits = Int(digits), 8...15 ~= bits
        else { return nil }
        return bits
    }

    /// The answer to the offer.
    var header: String {
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
            + (namesWindow ? "; server_max_window_bits=\(windowBits)" : "")
    }
}

extension Substring {
    fileprivate var trimmed: Substring {
        let start = drop { $0 == " " || $0 == "\t" }
        return start.prefix(
            upTo: start.lastIndex { $0 != " " && $0 != "\t" }
                .map { start.index(after: $0) } ?? start.startIndex)
    }
}
