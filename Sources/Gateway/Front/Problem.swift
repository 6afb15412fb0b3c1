import PluginAPI
import Primitives

/// What is wrong, for whoever asked: a problem of RFC 9457, with headers that belong to it.
package struct Problem: Error, Sendable {
    package let status: Int
    let title: String
    let detail: String
    var headers: [(name: String, value: String)] = []

    init(
        _ status: Int, _ title: String, _ detail: String,
        headers: [(name: String, value: String)] = []
    ) {
        self.status = status
        self.title = title
        self.detail = detail
        self.headers = headers
    }

    init(_ error: RESTError) {
        self.init(error.status, error.title, error.detail)
    }

    /// Nothing but that something is wrong here: what it is stands in the log.
    static let internalError = Problem(
        500, "Internal error",
        "The request could not be answered; the log of the gateway says why, under its id.")

    /// Too much at the same time.
    static let busy = Problem(
        503, "Busy", "Too many requests are waiting.", headers: [("retry-after", "1")])

    /// The text of the problem. Nothing of the request stands in it but the names of parameters.
    func encoded(requestId: String) -> Bytes {
        let value: JSONValue = [
            "type": "about:blank", "title": .string(title), "status": .number(String(status)),
            "detail": .string(detail), "request_id": .string(requestId),
        ]
        return value.encoded()
    }

    static let mediaType = "application/problem+json"
}
