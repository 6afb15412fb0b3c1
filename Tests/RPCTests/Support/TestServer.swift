import Foundation
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import Primitives
import Synchronization

import RPC

/// A few methods of every cost, and a server over them.
enum TestMethods {
    static let all: [RPCMethod] = [
        RPCMethod("test_echo", ["value"], instant: { (_, value: JSONValue) in value }),
        RPCMethod(
            "test_subtract", ["minuend", "subtrahend"],
            instant: {
                (_, minuend: LenientQuantity, subtrahend: LenientQuantity) throws in
                DecimalNumber(try minuend.uint64() &- subtrahend.uint64())
            }),
        RPCMethod("test_none", aliases: ["other_none"], instant: { _ in NullResult() }),
        RPCMethod(
            "test_optional", ["a", "b"],
            instant: { (_, a: Bool, b: Bool?) in
                "\(a) \(b.map { "\($0)" } ?? "none")"
            }),
        RPCMethod(
            "test_fail",
            instant: { _ -> NullResult in
                throw RPCError(code: 3, message: "execution reverted", data: "0x1234")
            }),
        RPCMethod("test_crash", instant: { _ -> NullResult in throw Unexpected() }),
        RPCMethod(
            "test_large", ["bytes"],
            instant: { (_, count: LenientQuantity) throws in
                String(repeating: "x", count: Int(try count.uint64()))
            }),
        RPCMethod(
            "test_random", ["bytes"],
            instant: { (_, count: LenientQuantity) throws in
                randomText(Int(try count.uint64()))
            }),
        RPCMethod(
            "test_work", ["milliseconds"],
            execution: {
                (_, milliseconds: LenientQuantity) throws in
                let time = try milliseconds.uint64()
                began.withLock { _ = $0.insert(time) }
                Thread.sleep(forTimeInterval: Double(time) / 1000)
                return "worked"
            }),
        RPCMethod(
            "test_command", ["value"],
            command: { (_, value: JSONValue) async in
                await Task.yield()
                return value
            }),
        RPCMethod(
            "test_transmit", ["bytes"],
            command: { (context, bytes: LenientQuantity) async throws in
                guard let session = context.session else { throw RPCError.notificationsUnsupported }
                let text = Bytes(repeating: UInt8(ascii: "n"), count: Int(try bytes.uint64()))
                return await session.send(text)
            }),
        RPCMethod(
            "test_gate", ["name"],
            command: { (_, name: String) async in
                gates.withLock { $0[name, default: Gate()].enter() }
                let end = ContinuousClock.now + .seconds(300)
                while gates.withLock({ $0[name]?.isOpen == false }), .now < end {
                    try? await Task.sleep(for: .milliseconds(1))
                }
                gates.withLock { $0[name]?.inside -= 1 }
                return name
            }),
        RPCMethod(
            "test_subscribe", ["count"],
            instant: { (context, count: LenientQuantity) throws in
                guard let session = context.session else { throw RPCError.notificationsUnsupported }
                for index in 0..<(try count.uint64()) { session.notify(Bytes("n\(index)".utf8)) }
                return "id"
            }),
        RPCMethod(
            "test_notify", ["count", "bytes"],
            instant: {
                (context, count: LenientQuantity, bytes: LenientQuantity) throws in
                guard let session = context.session else { throw RPCError.notificationsUnsupported }
                let text = Bytes(repeating: UInt8(ascii: "n"), count: Int(try bytes.uint64()))
                for _ in 0..<(try count.uint64()) { session.notify(text) }
                return true
            }),
    ]

    /// Letters and digits that cannot be compressed to less than three quarters, always the same.
    static func randomText(_ count: Int) -> String {
        let letters = Bytes(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
        var state: UInt64 = 1
        let text = (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return letters[Int(state >> 58)]
        }
        return String(decoding: text, as: UTF8.self)
    }

    struct Unexpected: Error {}

    /// Keeps the calls of `test_gate` that name it until it is opened.
    struct Gate {
        var isOpen = false
        /// The calls that have begun, and those of them that have not ended.
        var begun = 0
        var inside = 0 { didSet { most = max(most, inside) } }
        /// How many were inside at the same time.
        private(set) var most = 0

        mutating func enter() {
            begun += 1
            inside += 1
        }
    }

    static let gates = Mutex<[String: Gate]>([:])

    /// The times of the calls of `test_work` that have begun.
    static let began = Mutex<Set<UInt64>>([])

    static func dispatcher(
        limits: RPCLimits = RPCLimits(), threads: Int = 2, queue: Int = 16
    ) -> RPCDispatcher {
        RPCDispatcher(
            table: MethodTable(all, version: "1.0.0"),
            pool: ExecutionPool(threads: threads, queueLimit: queue), limits: limits.patient,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }
}

/// Runs the body with a server on a free port.
func withServer(
    limits: RPCLimits = RPCLimits(), configure: (inout RPCListener) -> Void = { _ in },
    _ body: (RPCServer, Int) async throws -> Void
) async throws {
    let server = RPCServer(
        dispatcher: TestMethods.dispatcher(limits: limits), eventLoops: 1,
        logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
        health: { ["status": "ok"] })
    var listener = RPCListener(host: "127.0.0.1", port: 0, http: .all, webSocket: .all)
    configure(&listener)
    let port = try await server.listen(listener)
    do {
        try await body(server, port)
    } catch {
        try await server.stop()
        throw error
    }
    try await server.stop()
}

/// A connection that sends and collects bytes, and knows nothing of any protocol.
final class RawClient: Sendable {
    private final class Collector: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        let received = Mutex((bytes: Bytes(), isClosed: false))

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let part = unwrapInboundIn(data)
            received.withLock { $0.bytes += part.readableBytesView }
        }

        func channelInactive(context: ChannelHandlerContext) {
            received.withLock { $0.isClosed = true }
        }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if case ChannelEvent.inputClosed = event {
                received.withLock { $0.isClosed = true }
            }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            context.close(promise: nil)
        }
    }

    private let collector: Collector
    private let channel: any Channel

    init(port: Int, security: NIOSSLContext? = nil) async throws {
        let collector = Collector()
        self.collector = collector
        channel = try await Self.bootstrap(collector, security)
            .connect(host: "127.0.0.1", port: port).get()
    }

    init(unixSocket path: String) async throws {
        let collector = Collector()
        self.collector = collector
        channel = try await Self.bootstrap(collector).connect(unixDomainSocketPath: path).get()
    }

    private static func bootstrap(
        _ collector: Collector, _ security: NIOSSLContext? = nil
    ) -> ClientBootstrap {
        ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let security {
                        try channel.pipeline.syncOperations.addHandler(
                            NIOSSLClientHandler(context: security, serverHostname: "localhost"))
                    }
                    try channel.pipeline.syncOperations.addHandler(collector)
                }
            }
    }

    func send(_ bytes: Bytes) async throws {
        try await channel.writeAndFlush(ByteBuffer(bytes: bytes)).get()
    }

    func send(_ text: String) async throws { try await send(Bytes(text.utf8)) }

    /// Stops reading, as a client does that hangs.
    func pauseReading() async throws {
        try await channel.setOption(.autoRead, value: false).get()
    }

    /// Lets the client go on sending when the server has closed for writing, as one does that reads
    /// only afterwards. It must then be closed.
    func keepSending() async throws {
        try await channel.setOption(.allowRemoteHalfClosure, value: true).get()
    }

    func resumeReading() async throws {
        try await channel.setOption(.autoRead, value: true).get()
    }

    var bytes: Bytes { collector.received.withLock { $0.bytes } }
    var text: String { String(decoding: bytes, as: UTF8.self) }
    var isClosed: Bool { collector.received.withLock { $0.isClosed } }

    /// Takes what was received once it fulfils the condition, or after five minutes.
    func receive(until condition: (Bytes) -> Bool) async throws -> Bytes {
        let end = ContinuousClock.now + .seconds(300)
        while !condition(bytes), !isClosed, .now < end {
            try await Task.sleep(for: .milliseconds(1))
        }
        return collector.received.withLock { received in
            defer { received.bytes = [] }
            return received.bytes
        }
    }

    func waitUntilClosed() async throws -> Bool {
        let end = ContinuousClock.now + .seconds(300)
        while !isClosed, .now < end { try await Task.sleep(for: .milliseconds(1)) }
        return isClosed
    }

    func close() async throws { try await channel.close() }

    // MARK: HTTP

    /// Reads one HTTP response of known length, or the answer without a body.
    func response() async throws -> HTTPAnswer {
        let bytes = try await receive { HTTPAnswer($0) != nil }
        return HTTPAnswer(bytes) ?? HTTPAnswer(status: 0, headers: [:], body: text, rest: [])
    }

    func post(
        _ body: String, headers: String = "Content-Type: application/json\r\n"
    ) async throws -> HTTPAnswer {
        try await send(
            "POST / HTTP/1.1\r\nHost: localhost\r\n\(headers)Content-Length: \(body.utf8.count)"
                + "\r\n\r\n\(body)")
        return try await response()
    }

    // MARK: WebSocket

    /// Upgrades the connection; nil if the server refuses.
    func upgrade(headers: String = "") async throws -> HTTPAnswer {
        try await send(
            "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                + "\(headers)\r\n")
        return try await response()
    }

    /// Sends a frame with any first byte: the final bit, three reserved bits and the opcode.
    func sendFrame(head: UInt8, _ payload: Bytes = []) async throws {
        try await send(Frame.masked(payload, head: head))
    }

    func sendFrame(_ text: String, opcode: UInt8 = 1, isFinal: Bool = true) async throws {
        try await send(Frame.masked(Bytes(text.utf8), opcode: opcode, isFinal: isFinal))
    }

    /// The next messages, at least so many; none if their frames are in disorder.
    func messages(_ count: Int) async throws -> [Frame] {
        let bytes = try await receive {
            Frame.messages(Frame.parse($0)).map { $0.count >= count } ?? true
        }
        return Frame.messages(Frame.parse(bytes)) ?? []
    }

    /// The next frames, at least so many.
    func frames(_ count: Int) async throws -> [Frame] {
        Frame.parse(try await receive { Frame.parse($0).count >= count })
    }
}

struct HTTPAnswer {
    let status: Int
    let headers: [String: String]
    let body: String
    let rest: Bytes

    init(status: Int, headers: [String: String], body: String, rest: Bytes) {
        self.status = status
        self.headers = headers
        self.body = body
        self.rest = rest
    }

    init?(_ bytes: Bytes) {
        guard let end = String(decoding: bytes, as: UTF8.self).range(of: "\r\n\r\n") else {
            return nil
        }
        let text = String(decoding: bytes, as: UTF8.self)
        let lines = text[..<end.lowerBound].components(separatedBy: "\r\n")
        let words = lines[0].split(separator: " ")
        guard words.count >= 2, let status = Int(words[1]) else { return nil }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces)
        }
        let body = Bytes(text[end.upperBound...].utf8)
        let length = headers["content-length"].flatMap { Int($0) } ?? 0
        guard body.count >= length else { return nil }
        self.init(
            status: status, headers: headers,
            body: String(decoding: body.prefix(length), as: UTF8.self),
            rest: Bytes(body.dropFirst(length)))
    }
}

/// A WebSocket frame (RFC 6455), made and read without any library.
struct Frame {
    let opcode: UInt8
    /// Whether a message ends with it.
    var isFinal = true
    /// Whether the first reserved bit is set: the message is compressed.
    var isCompressed = false
    var payload: Bytes
    var text: String { String(decoding: payload, as: UTF8.self) }

    static func masked(_ payload: Bytes, opcode: UInt8, isFinal: Bool = true) -> Bytes {
        masked(payload, head: (isFinal ? 0x80 : 0) | opcode)
    }

    static func masked(_ payload: Bytes, head: UInt8) -> Bytes {
        var frame: Bytes = [head]
        if payload.count < 126 {
            frame.append(0x80 | UInt8(payload.count))
        } else if payload.count < 65_536 {
            frame += [0x80 | 126, UInt8(payload.count >> 8), UInt8(payload.count & 255)]
        } else {
            frame.append(0x80 | 127)
            for shift in stride(from: 56, through: 0, by: -8) {
                frame.append(UInt8(payload.count >> shift & 255))
            }
        }
        let mask: Bytes = [1, 2, 3, 4]
        frame += mask
        for (index, byte) in payload.enumerated() { frame.append(byte ^ mask[index & 3]) }
        return frame
    }

    static func parse(_ bytes: Bytes) -> [Frame] {
        var frames: [Frame] = []
        var index = 0
        while index + 2 <= bytes.count {
            var length = Int(bytes[index + 1] & 0x7f)
            var start = index + 2
            let extra = length == 126 ? 2 : length == 127 ? 8 : 0
            guard start + extra <= bytes.count else { break }
            if extra > 0 {
                length = bytes[start..<start + extra].reduce(0) { $0 << 8 | Int($1) }
                start += extra
            }
            guard start + length <= bytes.count else { break }
            frames.append(
                Frame(
                    opcode: bytes[index] & 15, isFinal: bytes[index] & 0x80 != 0,
                    isCompressed: bytes[index] & 0x40 != 0,
                    payload: Bytes(bytes[start..<start + length])))
            index = start + length
        }
        return frames
    }

    /// The messages that are complete, each put together from its frames, without control frames. Nil if
    /// frames are not as RFC 6455, section 5.4, and RFC 7692, section 6, demand.
    static func messages(_ frames: [Frame]) -> [Frame]? {
        var messages: [Frame] = []
        for frame in frames where frame.opcode < 8 {
            let isOpen = messages.last?.isFinal == false
            guard isOpen == (frame.opcode == 0), !isOpen || !frame.isCompressed else { return nil }
            if isOpen {
                messages[messages.count - 1].payload += frame.payload
                messages[messages.count - 1].isFinal = frame.isFinal
            } else {
                messages.append(frame)
            }
        }
        return messages.filter(\.isFinal)
    }
}

/// An event loop for calls that are answered without one.
enum TestLoop {
    static let any: any EventLoop = MultiThreadedEventLoopGroup.singleton.any()
}

extension RPCLimits {
    /// The same with much time for a message, unless that is what is tested: all tests run at once, on
    /// a machine that may have other things to do.
    var patient: RPCLimits {
        var limits = self
        if messageSeconds == RPCLimits().messageSeconds { limits.messageSeconds = 600 }
        return limits
    }
}
