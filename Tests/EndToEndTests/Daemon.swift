import Foundation
import Primitives
import Testing

/// The real daemon as a child process on loopback, and a client for it.
final class Daemon: @unchecked Sendable {
    // SAFETY: used by one test at a time; the only concurrent calls are on separate connections.
    let process = Process()
    let standardError = Pipe()
    private(set) var port: UInt16 = 0
    /// What the process wrote to standard output before it was listening.
    private(set) var banner: [String] = []
    private let output: LineReader

    /// The binary that `swift build` put beside the tests.
    static let binary: URL = {
        let root = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        for configuration in ["release", "debug"] {
            let url = root.appendingPathComponent(".build/\(configuration)/apus")
            if FileManager.default.isExecutableFile(atPath: url.path) { return url }
        }
        return root.appendingPathComponent(".build/release/apus")
    }()

    /// Starts the daemon and waits until it listens.
    ///
    /// - Throws: `Exited` if it ends before that.
    init(_ arguments: [String], environment: [String: String] = [:], shellPrefix: String? = nil)
        throws
    {
        if let shellPrefix {
            process.executableURL = URL(fileURLWithPath: "/bin/bash")
            process.arguments =
                ["-c", shellPrefix + "; exec \"$0\" \"$@\"", Self.binary.path] + arguments
        } else {
            process.executableURL = Self.binary
            process.arguments = arguments
        }
        var variables = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("APUS_") }
        variables.merge(environment) { $1 }
        process.environment = variables
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = standardError
        output = LineReader(pipe.fileHandleForReading)
        try process.run()
        while let line = output.next() {
            if line.hasPrefix("Listening on ") {
                port = line.split(separator: ":").last.flatMap { UInt16($0) } ?? 0
                return
            }
            banner.append(line)
        }
        process.waitUntilExit()
        throw Exited(
            status: process.terminationStatus,
            message: String(
                decoding: standardError.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self))
    }

    deinit {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    }

    struct Exited: Error {
        let status: Int32
        let message: String
    }

    /// Ends the process as systemd does, and returns its exit status.
    @discardableResult
    func stop() -> Int32 {
        process.terminate()
        process.waitUntilExit()
        return process.terminationStatus
    }

    /// Ends the process as a power-hungry kernel does.
    func killHard() {
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    func connect() throws -> Connection {
        try Connection(port: port)
    }

    /// The port of REST, which a line of the banner names.
    var restPort: UInt16? {
        banner.first { $0.hasPrefix("REST on ") }?.split(separator: ":").last.flatMap { UInt16($0) }
    }

    /// Runs the binary to its end.
    static func run(_ arguments: [String]) throws -> (status: Int32, output: String, error: String)
    {
        let process = Process()
        process.executableURL = binary
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.filter {
            !$0.key.hasPrefix("APUS_")
        }
        let output = Pipe()
        let error = Pipe()
        process.standardOutput = output
        process.standardError = error
        try process.run()
        let text = output.fileHandleForReading.readDataToEndOfFile()
        let errorText = error.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (
            process.terminationStatus, String(decoding: text, as: UTF8.self),
            String(decoding: errorText, as: UTF8.self)
        )
    }
}

/// Lines of a pipe, one at a time, nil at its end.
final class LineReader {
    private let handle: FileHandle
    private var buffer = Data()

    init(_ handle: FileHandle) {
        self.handle = handle
    }

    func next() -> String? {
        while true {
            if let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
                let line = String(decoding: buffer[buffer.startIndex..<end], as: UTF8.self)
                buffer = Data(buffer[buffer.index(after: end)...])
                return line
            }
            let more = handle.availableData
            if more.isEmpty { return nil }
            buffer += more
        }
    }
}

/// One HTTP/1.1 connection to the daemon, kept alive, over a plain socket: nothing between the test
/// and the bytes.
final class Connection {
    private let descriptor: Int32
    private var received: [UInt8] = []

    struct Lost: Error {}

    struct Response {
        let status: Int
        let headers: [String: String]
        let body: [UInt8]
        var text: String { String(decoding: body, as: UTF8.self) }
    }

    init(port: UInt16) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw Lost() }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else {
            close(descriptor)
            throw Lost()
        }
        var timeout = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(
            descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    func send(_ text: String) throws {
        var bytes = ArraySlice(Array(text.utf8))
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Lost() }
            bytes = bytes.dropFirst(count)
        }
    }

    func post(_ body: String, host: String = "localhost", headers: [String] = []) throws -> Response
    {
        let lines =
            [
                "POST / HTTP/1.1", "Host: \(host)", "Content-Type: application/json",
                "Content-Length: \(body.utf8.count)",
            ] + headers
        try send(lines.joined(separator: "\r\n") + "\r\n\r\n" + body)
        return try response()
    }

    /// A request of any method, as REST has them.
    func request(
        _ method: String, _ target: String, body: String? = nil, headers: [String] = []
    ) throws -> Response {
        var lines = ["\(method) \(target) HTTP/1.1", "Host: localhost"] + headers
        if let body {
            lines += ["Content-Type: application/json", "Content-Length: \(body.utf8.count)"]
        }
        try send(lines.joined(separator: "\r\n") + "\r\n\r\n" + (body ?? ""))
        return try response()
    }

    /// Calls a method; throws what the daemon answers as an error.
    func call(_ method: String, _ parameters: String = "[]") throws -> JSONValue {
        let body = #"{"jsonrpc":"2.0","id":1,"method":"\#(method)","params":\#(parameters)}"#
        let answer = try JSONValue(parsing: post(body).body)
        if let error = answer["error"] {
            throw RPCFailure(
                code: error["code"]?.intValue ?? 0, message: error["message"]?.stringValue ?? "")
        }
        return answer["result"] ?? .null
    }

    struct RPCFailure: Error {
        let code: Int
        let message: String
    }

    func response() throws -> Response {
        let separator = Array("\r\n\r\n".utf8)
        var headEnd: Int?
        while headEnd == nil {
            if let start = firstIndex(of: separator) {
                headEnd = start
            } else {
                try receive()
            }
        }
        let end = headEnd ?? 0
        let head = String(decoding: received[..<end], as: UTF8.self).components(separatedBy: "\r\n")
        let status = head.first?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        var headers: [String: String] = [:]
        for line in head.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            headers[line[..<colon].lowercased()] =
                line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
        }
        let length = headers["content-length"].flatMap { Int($0) } ?? 0
        let bodyStart = end + separator.count
        while received.count < bodyStart + length { try receive() }
        let body = Array(received[bodyStart..<bodyStart + length])
        received.removeFirst(bodyStart + length)
        return Response(status: status, headers: headers, body: body)
    }

    /// What has come and was not read, or else what comes next: of an answer without end.
    func more() throws -> [UInt8] {
        if received.isEmpty { try receive() }
        defer { received = [] }
        return received
    }

    private func firstIndex(of separator: [UInt8]) -> Int? {
        guard received.count >= separator.count else { return nil }
        return (0...received.count - separator.count).first {
            received[$0..<$0 + separator.count].elementsEqual(separator)
        }
    }

    private func receive() throws {
        var chunk = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &chunk, chunk.count, 0)
        guard count > 0 else { throw Lost() }
        received += chunk[..<count]
    }
}

/// A folder that is gone after the test.
final class TemporaryFolder {
    let path: String

    init() throws {
        let url = FileManager.default.temporaryDirectory
            .appendingPathComponent("apus-tests-" + UUID().uuidString)
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ text: String, to name: String) throws -> String {
        let file = path + "/" + name
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        return file
    }
}
