public import AsyncHTTPClient
import Foundation
import NIOCore
public import Primitives
import RPC

/// Calls the JSON-RPC of another node over HTTP.
public struct RPCClient: Sendable {
    /// The address of the node, such as `http://10.0.0.2:8545`.
    public let url: String
    private let http: HTTPClient
    private let authorization: (@Sendable () -> String)?
    private let timeout: TimeAmount

    /// - Parameters:
    ///   - http: makes the connections; its owner ends it.
    ///   - timeoutSeconds: time for one call and its answer.
    ///   - authorization: makes the `Authorization` header of each call.
    public init(
        url: String, http: HTTPClient, timeoutSeconds: Int64 = 60,
        authorization: (@Sendable () -> String)? = nil
    ) {
        self.url = url
        self.http = http
        self.authorization = authorization
        timeout = .seconds(timeoutSeconds)
    }

    /// The address without what may be a secret: user, password, path and query.
    public var origin: String {
        guard let parts = URLComponents(string: url), let host = parts.host else { return "" }
        return "\(parts.scheme ?? "http")://\(host)" + (parts.port.map { ":\($0)" } ?? "")
    }

    /// The result of a call.
    ///
    /// - Parameter params: an array, or an object of named arguments.
    public func call(
        _ method: String, _ params: JSONValue = []
    ) async throws(RPCClientError) -> JSONValue {
        let body: JSONValue = [
            "jsonrpc": "2.0", "id": 1, "method": .string(method), "params": params,
        ]
        let text = try await post(body.encoded())
        let answer: JSONValue
        do {
            answer = try JSONValue(parsing: text)
        } catch {
            throw .malformed("\(error)")
        }
        if let error = answer["error"], !error.isNull {
            throw .refused(
                RPCError(
                    code: error["code"]?.intValue ?? 0,
                    message: error["message"]?.stringValue ?? "", data: error["data"]))
        }
        guard let result = answer["result"] else { throw .malformed("no result") }
        return result
    }

    private func post(_ body: Bytes) async throws(RPCClientError) -> Bytes {
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        request.headers.add(name: "Content-Type", value: "application/json")
        if let authorization { request.headers.add(name: "Authorization", value: authorization()) }
        request.body = .bytes(ByteBuffer(bytes: body))
        let status: UInt
        let bytes: Bytes
        do {
            let response = try await http.execute(request, timeout: timeout)
            status = response.status.code
            bytes = Bytes(
                try await response.body.collect(upTo: Self.maximumAnswer).readableBytesView)
        } catch {
            throw .unreachable("\(error)")
        }
        guard status == 200 else {
            throw .status(Int(status), String(decoding: bytes.prefix(200), as: UTF8.self))
        }
        return bytes
    }

    /// Bytes of an answer that are read at most.
    private static let maximumAnswer = 64 << 20
}

extension HTTPClient {
    /// A client for calls to nodes: one that cannot be reached is told at once, and not tried again
    /// and again until the time of the call is up.
    public static func forNodes() -> HTTPClient {
        var configuration = Configuration()
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.timeout.connect = .seconds(5)
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }
}

/// Why a call to another node has no result.
public enum RPCClientError: Error, Sendable, CustomStringConvertible {
    /// The node cannot be reached, or did not answer in time.
    case unreachable(String)
    /// The node answered with another HTTP status than 200.
    case status(Int, String)
    /// The answer is no JSON-RPC.
    case malformed(String)
    /// The node refuses the call.
    case refused(RPCError)

    /// One line for the log.
    public var description: String {
        switch self {
        case .unreachable(let reason): "cannot be reached: \(reason)"
        case .status(let status, let text): "answered with HTTP status \(status): \(text)"
        case .malformed(let reason): "answered with something that is not JSON-RPC: \(reason)"
        case .refused(let error): "refused: \(error.message) (\(error.code))"
        }
    }
}
