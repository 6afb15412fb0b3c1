import Foundation

/// A real `redis-server` of a test's own, on a Unix socket in a folder of its own and, if asked for,
/// on a free port of loopback. It keeps nothing and is gone with the test.
public final class RedisServer {
    /// Where the program is; `nil` if it is not installed (`scripts/setup test` does).
    public static let binary: String? = ["/usr/bin/redis-server", "/usr/local/bin/redis-server"]
        .first { FileManager.default.isExecutableFile(atPath: $0) }

    /// What a suite says that is skipped without the program.
    public static let isMissing = "redis-server is not installed; scripts/setup test does that"

    /// The path of the socket.
    public let socket: String
    /// The port; 0 if the server listens on the socket only.
    public let port: UInt16
    private let arguments: [String]
    private let directory: URL
    private var process: Process?

    /// Starts a server and waits until it listens.
    ///
    /// - Parameter settings: further arguments of the program.
    public init(port: UInt16 = 0, password: String? = nil, settings: [String] = []) throws {
        directory = FileManager.default.temporaryDirectory
            .appendingPathComponent("apus-redis-" + UUID().uuidString)
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        socket = directory.appendingPathComponent("s").path
        self.port = port
        arguments =
            [
                "--port", String(port), "--bind", "127.0.0.1", "--unixsocket", socket, "--save", "",
                "--appendonly", "no", "--dir", directory.path, "--daemonize", "no",
            ] + (password.map { ["--requirepass", $0] } ?? []) + settings
        try start()
    }

    deinit {
        stop()
        try? FileManager.default.removeItem(at: directory)
    }

    /// Starts it again after `stop`, empty.
    public func start() throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Self.binary ?? "/usr/bin/redis-server")
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        self.process = process
        var text = Data()
        while !String(decoding: text, as: UTF8.self).contains("ready to accept connections") {
            let more = output.fileHandleForReading.availableData
            guard !more.isEmpty else {
                throw Failure(output: String(decoding: text, as: UTF8.self))
            }
            text += more
        }
        // The socket is announced in a line of its own, after the port's.
        while !FileManager.default.fileExists(atPath: socket) { usleep(1000) }
    }

    /// Kills it.
    public func stop() {
        guard let process, process.isRunning else { return }
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        try? FileManager.default.removeItem(atPath: socket)
    }

    /// Stops it without ending it: it takes connections and answers nothing.
    public func freeze() {
        if let process { kill(process.processIdentifier, SIGSTOP) }
    }

    /// Lets it go on.
    public func thaw() {
        if let process { kill(process.processIdentifier, SIGCONT) }
    }

    /// Why it did not start.
    public struct Failure: Error {
        /// What it wrote.
        public let output: String
    }

    /// A port of loopback that nobody listens on.
    public static func freePort() -> UInt16 {
        let descriptor = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = bind(descriptor, $0, length)
                _ = getsockname(descriptor, $0, &length)
            }
        }
        return UInt16(bigEndian: address.sin_port)
    }
}
