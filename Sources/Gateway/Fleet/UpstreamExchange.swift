import AsyncHTTPClient
import NIOCore
import Glibc
import NIOHTTP1
import NIOPosix
import NIOSSL
import Primitives

/// A request on its way to a node.
package struct UpstreamRequest: Sendable {
    /// The HTTP method, in capitals.
    package var method: String
    /// Path and query, as the caller has sent them.
    package var target: String
    /// The headers that go along.
    package var headers: [(name: String, value: String)] = []
    /// The body.
    package var body: Bytes = []
    /// What it does when it arrives twice.
    package var repetition = RetryPolicy.Repetition.harmless

    package init(_ method: String, _ target: String) {
        self.method = method
        self.target = target
    }
}

/// What a node has answered.
package struct UpstreamAnswer: Sendable {
    /// The HTTP status.
    package let status: Int
    /// All headers.
    package let headers: HTTPHeaders
    /// The body.
    package let body: Body

    /// The body: all of it, or as it comes.
    package enum Body: Sendable {
        case whole(ByteBuffer)
        /// One part after another. The node may still fail in the middle.
        case stream(HTTPClientResponse.Body)
    }
}

/// Sends single requests to single nodes, over connections that are kept.
struct UpstreamExchange: Sendable {
    /// Bodies up to this are waited for before the caller hears anything, so that a node that fails
    /// in the middle of one costs nothing; longer ones, and those of unknown length, pass through.
    static let wholeBody = 1 << 20

    private let http: HTTPClient

    init(_ http: HTTPClient) {
        self.http = http
    }

    /// How a try ended without an answer.
    enum Failure: Error {
        /// As the policy for repetition sees it, with the reason for the log.
        case failed(RetryPolicy.Failure, String)
        /// The caller has gone.
        case cancelled
    }

    /// Asks a node once.
    func send(
        _ request: UpstreamRequest, to url: String, deadline: NIODeadline
    ) async throws(Failure) -> UpstreamAnswer {
        var outgoing = HTTPClientRequest(url: url + request.target)
        outgoing.method = HTTPMethod(rawValue: request.method)
        for header in request.headers {
            outgoing.headers.add(name: header.name, value: header.value)
        }
        if !request.body.isEmpty { outgoing.body = .bytes(ByteBuffer(bytes: request.body)) }
        do {
            let response = try await http.execute(outgoing, deadline: deadline)
            let length = response.headers.first(name: "Content-Length").flatMap { Int($0) }
            let body: UpstreamAnswer.Body =
                if let length, length <= Self.wholeBody {
                    .whole(
                        try await response.body.collect(upTo: Self.wholeBody, until: deadline))
                } else {
                    .stream(response.body)
                }
            return UpstreamAnswer(
                status: Int(response.status.code), headers: response.headers, body: body)
        } catch is CancellationError {
            throw .cancelled
        } catch {
            if Task.isCancelled { throw .cancelled }
            throw .failed(Self.classify(error), "\(error)")
        }
    }

    /// Whether the request may have arrived. Only what surely happens before its first byte is sent
    /// counts as not delivered.
    static func classify(_ error: any Error) -> RetryPolicy.Failure {
        if let error = error as? HTTPClientError {
            let early: [HTTPClientError] = [
                .connectTimeout, .getConnectionFromPoolTimeout, .tlsHandshakeTimeout,
            ]
            return early.contains(error) ? .notDelivered : .unanswered
        }
        if error is NIOConnectionError { return .notDelivered }
        if case .handshakeFailed? = error as? NIOSSLError { return .notDelivered }
        if case ChannelError.connectTimeout? = error as? ChannelError { return .notDelivered }
        if let error = error as? IOError, error.errnoCode == ECONNREFUSED { return .notDelivered }
        return .unanswered
    }
}

extension HTTPClient {
    /// A client for the nodes behind a gateway: many connections to each, kept for a while, and no
    /// tries of its own. An answer that passes through ends when for ten minutes nothing of it comes,
    /// or nobody reads it: a node that exports a table is silent where there are no rows. All other
    /// answers have a deadline.
    static func forFleet(connections: Int) -> HTTPClient {
        var configuration = Configuration()
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = connections
        configuration.connectionPool.idleTimeout = .seconds(30)
        configuration.timeout.connect = .seconds(2)
        configuration.timeout.read = .minutes(10)
        configuration.redirectConfiguration = .disallow
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    /// A client for streams of events, which live for hours: one that is silent for longer than a
    /// node leaves it is dead.
    static func forEventStreams() -> HTTPClient {
        var configuration = Configuration()
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 4096
        configuration.timeout.connect = .seconds(2)
        configuration.timeout.read = .seconds(15)
        configuration.redirectConfiguration = .disallow
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }
}

extension HTTPClientResponse.Body {
    /// All of it, if it is here by a deadline: that of a request ends with the head of the answer.
    ///
    /// - Throws: `HTTPClientError.deadlineExceeded` if it is not.
    func collect(upTo limit: Int, until deadline: NIODeadline) async throws -> ByteBuffer {
        try await withThrowingTaskGroup(of: ByteBuffer?.self) { group in
            group.addTask { try await collect(upTo: limit) }
            group.addTask {
                let left = deadline - NIODeadline.now()
                try await Task.sleep(for: .nanoseconds(left.nanoseconds))
                return nil
            }
            defer { group.cancelAll() }
            guard case .some(.some(let body)) = try await group.next() else {
                throw HTTPClientError.deadlineExceeded
            }
            return body
        }
    }
}
