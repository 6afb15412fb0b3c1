import Foundation
import Primitives
import TestSupport
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
    static func run(
        _ arguments: [String], environment: [String: String] = [:]
    ) throws -> (status: Int32, output: String, error: String) {
        let process = Process()
        process.executableURL = binary
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment
            .filter { !$0.key.hasPrefix("APUS_") }.merging(environment) { $1 }
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

/// One HTTP/1.1 connection to the daemon, kept alive.
typealias Connection = PlainConnection

extension PlainConnection {
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
