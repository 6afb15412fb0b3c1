import Foundation

/// A connection to a port of loopback over a plain socket: nothing between a test and the bytes.
/// Its calls block, for 20 seconds at most until something comes.
public final class PlainConnection: @unchecked Sendable {
    // SAFETY: used by one test, one call after the other.
    private let descriptor: Int32
    private var received: [UInt8] = []

    /// There is no connection any more, or nothing came.
    public struct Lost: Error {
        /// Whether the other side has ended it.
        public var isEnd = false
    }

    /// An HTTP/1.1 answer.
    public struct Response: Sendable {
        /// The status.
        public let status: Int
        /// The headers, their names in small letters.
        public let headers: [String: String]
        /// The body.
        public let body: [UInt8]

        /// The body as text.
        public var text: String { String(decoding: body, as: UTF8.self) }
    }

    /// Connects.
    public init(port: UInt16) throws(Lost) {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        // The end of the object, which is here as well, closes the socket.
        guard connected == 0 else { throw Lost() }
        var timeout = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(
            descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    /// Sends a text.
    public func send(_ text: String) throws(Lost) {
        var bytes = ArraySlice(Array(text.utf8))
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Lost() }
            bytes = bytes.dropFirst(count)
        }
    }

    /// Everything up to and with a text, from the beginning of what was not read yet.
    public func read(until end: String) throws(Lost) -> String {
        let end = Array(end.utf8)
        while true {
            if let range = received.firstRange(of: end) {
                let found = String(decoding: received[..<range.upperBound], as: UTF8.self)
                received.removeFirst(range.upperBound)
                return found
            }
            try receive()
        }
    }

    /// The next answer.
    public func response(hasBody: Bool = true) throws(Lost) -> Response {
        let head = try read(until: "\r\n\r\n").components(separatedBy: "\r\n")
        let status = head.first?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        var headers: [String: String] = [:]
        for line in head.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            headers[line[..<colon].lowercased()] =
                line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
        }
        let length = hasBody ? headers["content-length"].flatMap { Int($0) } ?? 0 : 0
        while received.count < length { try receive() }
        let body = Array(received.prefix(length))
        received.removeFirst(length)
        return Response(status: status, headers: headers, body: body)
    }

    /// What has come and was not read, or else what comes next: of an answer without end.
    public func more() throws(Lost) -> [UInt8] {
        if received.isEmpty { try receive() }
        defer { received = [] }
        return received
    }

    /// Whether the other side ends the connection, waiting for it.
    public func isAtEnd() -> Bool {
        do throws(Lost) {
            while true { try receive() }
        } catch {
            return error.isEnd
        }
    }

    private func receive() throws(Lost) {
        var chunk = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &chunk, chunk.count, 0)
        guard count > 0 else { throw Lost(isEnd: count == 0 || errno == ECONNRESET) }
        received += chunk[..<count]
    }
}
