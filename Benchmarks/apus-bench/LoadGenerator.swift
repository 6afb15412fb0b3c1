import Foundation
import NIOCore
import NIOPosix
import Primitives
import Synchronization

/// Asks an HTTP server over many connections, each as soon as it has its answer, and looks at each
/// answer: what wrk does, but a right answer to one connection is not taken for one to another.
///
/// Each line of the plan is a connection: a method and a target, a body (perhaps empty), and the
/// texts that every answer must have in its body, separated by tabs. An answer is right if its status
/// is 200 and its body has them all; it is compared byte for byte with the last right one of its
/// connection first.
///
///     apus-bench load PORT PLAN [SECONDS [HEADER…]]       prints one JSON object
func loadGenerator(_ arguments: [String]) async throws {
    guard arguments.count >= 2, let port = Int(arguments[0]) else {
        throw LoadFailure(reason: "load PORT PLAN [SECONDS [HEADER…]]")
    }
    let duration = arguments.dropFirst(2).first.flatMap { Double($0) } ?? 10
    let headers = arguments.dropFirst(3).map { $0 + "\r\n" }.joined()
    let plan = try String(contentsOfFile: arguments[1], encoding: .utf8)
        .split(separator: "\n")
        .map { $0.split(separator: "\t", omittingEmptySubsequences: false).map(String.init) }
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let run = LoadRun()
    var channels: [any Channel] = []
    for fields in plan {
        guard fields.count >= 2 else { throw LoadFailure(reason: "a line of the plan is short") }
        var request = "\(fields[0]) HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\n\(headers)"
        if !fields[1].isEmpty {
            request += "Content-Type: application/json\r\n"
            request += "Content-Length: \(fields[1].utf8.count)\r\n"
        }
        request += "\r\n" + fields[1]
        let expected = fields.dropFirst(2).map { Bytes($0.utf8) }
        let text = request
        let channel = try await ClientBootstrap(group: group)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        LoadConnection(text, expected, run))
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        channels.append(channel)
    }
    // The first second warms both sides up and does not count.
    let begin = NIODeadline.now() + .seconds(1)
    let end = begin + .nanoseconds(Int64(duration * 1e9))
    run.period.withLock { $0 = begin..<end }
    let processor = processorSeconds()
    for channel in channels {
        channel.eventLoop.execute { channel.pipeline.fireUserInboundEventTriggered(LoadBegins()) }
    }
    for channel in channels {
        // Whoever gets no answer at all is given up some time after the end.
        let late = channel.eventLoop.scheduleTask(
            deadline: end + .seconds(20)
        ) { channel.close(promise: nil) }
        try await channel.closeFuture.get()
        late.cancel()
    }
    let result = run.result.withLock { $0 }
    let sorted = result.microseconds.sorted()
    func percentile(_ share: Double) -> Double {
        guard !sorted.isEmpty else { return 0 }
        return Double(sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]) / 1000
    }
    let answers: JSONValue = [
        "connections": .number(String(plan.count)),
        "seconds": .number(String(duration)),
        "right": .number(String(sorted.count)),
        "wrong": .number(String(result.wrong)),
        "serverErrors": .number(String(result.serverErrors)),
        "otherStatus": .number(String(result.otherStatus)),
        "lost": .number(String(result.lost)),
        "rate": .number(String(Double(sorted.count) / duration)),
        "p50": .number(String(percentile(0.5))),
        "p99": .number(String(percentile(0.99))),
        "processorSeconds": .number(String(processorSeconds() - processor)),
        "example": .string(String(decoding: result.exampleOfWrong.prefix(400), as: UTF8.self)),
    ]
    print(answers)
}

struct LoadFailure: Error {
    let reason: String
}

private struct LoadBegins {}

/// What all connections share.
private final class LoadRun: Sendable {
    struct Result {
        var microseconds: [UInt32] = []
        var wrong = 0
        var serverErrors = 0
        var otherStatus = 0
        var lost = 0
        var exampleOfWrong: Bytes = []
    }

    let period = Mutex(NIODeadline.distantFuture..<NIODeadline.distantFuture)
    let result = Mutex(Result())
}

/// One connection: writes its request, reads the answer, and again.
private final class LoadConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let request: ByteBuffer
    private let expected: [Bytes]
    private let run: LoadRun
    private var period = NIODeadline.distantFuture..<NIODeadline.distantFuture
    private var received = ByteBuffer()
    private var verified = ByteBuffer()
    private var sent = NIODeadline.distantPast
    private var isWaiting = false
    private var result = LoadRun.Result()

    init(_ request: String, _ expected: [Bytes], _ run: LoadRun) {
        self.request = ByteBuffer(string: request)
        self.expected = expected
        self.run = run
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard event is LoadBegins else { return context.fireUserInboundEventTriggered(event) }
        period = run.period.withLock { $0 }
        result.microseconds.reserveCapacity(4096)
        send(context)
    }

    private func send(_ context: ChannelHandlerContext) {
        sent = .now()
        guard sent < period.upperBound else { return context.close(promise: nil) }
        isWaiting = true
        context.writeAndFlush(wrapOutboundOut(request), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var part = unwrapInboundIn(data)
        if received.readableBytes == 0 { received = part } else { received.writeBuffer(&part) }
        let parsed = Self.head(of: received.readableBytesUInt8Span)
        guard let (status, head, length) = parsed, received.readableBytes >= head + length else {
            return
        }
        isWaiting = false
        received.moveReaderIndex(forwardBy: head)
        let body = received.readSlice(length: length) ?? ByteBuffer()
        received.clear()
        let now = NIODeadline.now()
        if period.contains(sent) { count(status, body, (now - sent).nanoseconds / 1000) }
        send(context)
    }

    private func count(_ status: Int, _ body: ByteBuffer, _ microseconds: Int64) {
        switch status {
        case 200 where body == verified || isRight(body):
            verified = body
            result.microseconds.append(UInt32(clamping: microseconds))
            return
        case 200: result.wrong += 1
        case 500...: result.serverErrors += 1
        default: result.otherStatus += 1
        }
        if result.exampleOfWrong.isEmpty { result.exampleOfWrong = Bytes(body.readableBytesView) }
    }

    private func isRight(_ body: ByteBuffer) -> Bool {
        let view = body.readableBytesView
        return expected.allSatisfy { view.firstRange(of: $0) != nil }
    }

    /// The status, the length of the head and that of the body, once the head is there.
    private static func head(of text: Span<UInt8>) -> (status: Int, head: Int, body: Int)? {
        guard text.count > 12 else { return nil }
        let status = Int(text[9] & 0xf) * 100 + Int(text[10] & 0xf) * 10 + Int(text[11] & 0xf)
        var length = 0
        var position = 12
        while position + 3 < text.count {
            defer { position += 1 }
            guard text[position] == 13, text[position + 1] == 10 else { continue }
            if text[position + 2] == 13 { return (status, position + 4, length) }
            if let value = lengthOfBody(text, lineAt: position + 2) { length = value }
        }
        return nil
    }

    /// The number in the line that begins there, if it is that of the body's length.
    private static func lengthOfBody(_ text: Span<UInt8>, lineAt start: Int) -> Int? {
        guard start + contentLength.count < text.count else { return nil }
        for (offset, byte) in contentLength.enumerated() where text[start + offset] | 0x20 != byte {
            return nil
        }
        var value = 0
        var position = start + contentLength.count
        while position < text.count, text[position] != 13 {
            if text[position] != 32 { value = value * 10 + Int(text[position] & 0xf) }
            position += 1
        }
        return value
    }

    func channelInactive(context: ChannelHandlerContext) {
        if isWaiting, period.contains(sent) { result.lost += 1 }
        isWaiting = false
        run.result.withLock { total in
            total.microseconds += result.microseconds
            total.wrong += result.wrong
            total.serverErrors += result.serverErrors
            total.otherStatus += result.otherStatus
            total.lost += result.lost
            if total.exampleOfWrong.isEmpty { total.exampleOfWrong = result.exampleOfWrong }
        }
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    /// In small letters, all of which (and the colon) have the bit 0x20.
    private static let contentLength = Bytes("content-length:".utf8)
}
