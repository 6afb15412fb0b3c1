/// Where a Redis server listens.
public struct RedisAddress: Hashable, Sendable {
    /// How it is reached.
    public enum Endpoint: Hashable, Sendable {
        /// A host, by name or address, and its port.
        case tcp(host: String, port: UInt16)
        /// A Unix socket.
        case unix(path: String)
    }

    /// How it is reached.
    public let endpoint: Endpoint
    /// The number of the database that is selected.
    public let database: Int
    /// The user of the server's access lists; `nil` for the default one.
    public let user: String?

    /// Reads `redis://[user@]host[:port][/database]` or `unix:///path/of/socket[?db=database]`.
    ///
    /// - Throws: `RedisError.invalidAddress` for anything else, and for a password in the text: it
    ///   would be seen in the list of processes.
    public init(_ text: String) throws(RedisError) {
        if let path = Self.rest(of: text, after: "unix://") {
            let parts = path.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts[0].hasPrefix("/"), parts[0].utf8.count <= Self.maximumPath,
                !parts[0].utf8.contains(0)
            else { throw .invalidAddress("a socket's path begins with / and is not too long") }
            endpoint = .unix(path: String(parts[0]))
            user = nil
            if parts.count == 2 {
                guard let number = Self.rest(of: String(parts[1]), after: "db=") else {
                    throw .invalidAddress("only ?db= may follow the path of a socket")
                }
                database = try Self.database(number)
            } else {
                database = 0
            }
            return
        }
        guard let address = Self.rest(of: text, after: "redis://") else {
            throw .invalidAddress("it begins with neither redis:// nor unix://")
        }
        let parts = address.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        var authority = parts[0]
        if let at = authority.lastIndex(of: "@") {
            let name = authority[..<at]
            guard !name.contains(":") else {
                throw .invalidAddress("a password belongs in a file, not in the address")
            }
            user = name.isEmpty ? nil : String(name)
            authority = authority[authority.index(after: at)...]
        } else {
            user = nil
        }
        var host = authority
        var port: UInt16 = 6379
        if authority.hasPrefix("["), let end = authority.firstIndex(of: "]") {
            host = authority[authority.index(after: authority.startIndex)..<end]
            let rest = authority[authority.index(after: end)...]
            if !rest.isEmpty { port = try Self.port(rest.dropFirst(), marker: rest.first) }
        } else if let colon = authority.lastIndex(of: ":") {
            host = authority[..<colon]
            port = try Self.port(authority[authority.index(after: colon)...], marker: ":")
        }
        guard !host.isEmpty, !host.utf8.contains(0) else {
            throw .invalidAddress("there is no host")
        }
        endpoint = .tcp(host: String(host), port: port)
        database = parts.count == 2 && !parts[1].isEmpty ? try Self.database(String(parts[1])) : 0
    }

    private static func rest(of text: String, after prefix: String) -> String? {
        text.hasPrefix(prefix) ? String(text.dropFirst(prefix.count)) : nil
    }

    private static func port(
        _ text: Substring, marker: Character?
    ) throws(RedisError) -> UInt16 {
        guard marker == ":", let port = number(text), port > 0 else {
            throw .invalidAddress("the port is not from 1 to 65535")
        }
        return port
    }

    private static func database(_ text: String) throws(RedisError) -> Int {
        guard let value = number(text), value <= 10_000 else {
            throw .invalidAddress("the database is not a number from 0 to 10000")
        }
        return Int(value)
    }

    /// A number of digits alone, without a sign.
    private static func number(_ text: some StringProtocol) -> UInt16? {
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        return text.utf8.allSatisfy { digits.contains($0) } ? UInt16(text) : nil
    }

    /// What `sockaddr_un` holds.
    private static let maximumPath = 107
}

extension RedisAddress: CustomStringConvertible {
    /// The address as it is written in a configuration.
    public var description: String {
        switch endpoint {
        case .unix(let path): "unix://\(path)" + (database == 0 ? "" : "?db=\(database)")
        case .tcp(let host, let port):
            "redis://" + (user.map { "\($0)@" } ?? "")
                + (host.contains(":") ? "[\(host)]" : host) + ":\(port)/\(database)"
        }
    }
}

/// Why Redis gave no answer.
public enum RedisError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The text is no address of a Redis server.
    case invalidAddress(String)
    /// No connection came about.
    case unreachable(String)
    /// The connection broke.
    case lost(String)
    /// The answer did not come in time.
    case timedOut
    /// The server refuses the command.
    case refused(String)
    /// The answer is of another kind than the command has.
    case unexpectedReply
    /// More calls wait than may, or this one has waited too long: nothing was asked.
    case busy

    /// One line for the log.
    public var description: String {
        switch self {
        case .invalidAddress(let reason): "not an address of a Redis server: \(reason)"
        case .unreachable(let reason): "Redis cannot be reached: \(reason)"
        case .lost(let reason): "the connection to Redis was lost: \(reason)"
        case .timedOut: "Redis did not answer in time"
        case .refused(let reason): "Redis refused: \(reason)"
        case .unexpectedReply: "Redis answered with another kind of value than asked for"
        case .busy: "too many calls wait for Redis"
        }
    }
}
