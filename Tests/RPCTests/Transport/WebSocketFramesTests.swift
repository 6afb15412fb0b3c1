import Compression
import NIOCore
import NIOWebSocket
import Primitives
import Testing

import RPC

/// What a client may and may not send (RFC 6455, RFC 7692).
@Suite struct WebSocketFramesTests {
    private let none = Bytes(#"{"jsonrpc":"2.0","id":1,"method":"test_none"}"#.utf8)
    private let noneAnswer = #"{"jsonrpc":"2.0","id":1,"result":null}"#
    private let deflate = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
    private let codec = MessageCompression(windowBits: 15)

    private func withWebSocket(
        limits: RPCLimits = RPCLimits(), headers: String = "",
        _ body: (RawClient, HTTPAnswer) async throws -> Void
    ) async throws {
        try await withServer(limits: limits) { _, port in
            let client = try await RawClient(port: port)
            let answer = try await client.upgrade(headers: headers)
            #expect(answer.status == 101)
            try await body(client, answer)
        }
    }

    private func expectClose(
        _ client: RawClient, _ code: Int, _ comment: Comment? = nil,
        at location: SourceLocation = #_sourceLocation
    ) async throws {
        let frame = try await client.frames(1).first
        #expect(frame?.opcode == 8, comment, sourceLocation: location)
        #expect(
            frame.map { $0.payload.prefix(2).reduce(0) { $0 << 8 | Int($1) } } == code, comment,
            sourceLocation: location)
    }

    // MARK: Frames

    @Test(arguments: [
        // Reserved bits without an extension that gives them a meaning.
        [0xc1], [0xa1], [0x91], [0x89 | 0x40],
        // Reserved opcodes.
        [0x83], [0x84], [0x87], [0x8b], [0x8f], [0x03],
        // A continuation of nothing; a message within a message; a fragmented ping.
        [0x80], [0x00], [0x01, 0x81], [0x01, 0x82], [0x01, 0x80, 0x80], [0x09], [0x08],
    ])
    func `frames that break the protocol close the connection with 1002`(
        heads: [UInt8]
    ) async throws {
        try await withWebSocket { client, _ in
            for head in heads { try await client.sendFrame(head: head, Bytes(" ".utf8)) }
            let frames = try await client.frames(heads == [0x01, 0x80, 0x80] ? 2 : 1)
            // The message that was complete before is answered, being no JSON.
            #expect(frames.last?.opcode == 8)
            #expect(frames.last?.payload == [0x03, 0xea])
        }
    }

    @Test func `a control frame has 125 bytes and no more`() async throws {
        for (count, isFine) in [(125, true), (126, false), (70_000, false)] {
            try await withWebSocket { client, _ in
                try await client.sendFrame(head: 0x89, Bytes(repeating: 0x41, count: count))
                if isFine {
                    let frame = try #require(try await client.frames(1).first)
                    #expect(frame.opcode == 10 && frame.payload.count == count)
                } else {
                    try await expectClose(client, 1002, "\(count)")
                }
            }
        }
    }

    @Test func `a close is answered as it deserves`() async throws {
        // The whole payload, and the code that comes back; nil for a close without one.
        var cases: [(Bytes, Int?)] = [([], nil), ([0x03], 1002)]
        for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 1014, 3000, 3999, 4999] {
            cases.append(([UInt8(code >> 8), UInt8(code & 255), 0x6f, 0x6b], code))
        }
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
            cases.append(([UInt8(code >> 8), UInt8(code & 255)], 1002))
        }
        cases.append(([0x03, 0xe8, 0xff], 1007))
        try await withServer { _, port in
            for (payload, code) in cases {
                let client = try await RawClient(port: port)
                #expect(try await client.upgrade().status == 101)
                try await client.sendFrame(head: 0x88, payload)
                if let code {
                    try await expectClose(client, code, "\(payload)")
                } else {
                    #expect(try await client.frames(1).first?.payload == [])
                }
            }
        }
    }

    @Test func `text must be UTF-8, also across fragments, and binary need not`() async throws {
        let smile = Bytes("😀".utf8)
        try await withWebSocket { client, _ in
            let start = Bytes(#"{"jsonrpc":"2.0","id":1,"method":"test_echo","params":[""#.utf8)
            try await client.sendFrame(head: 0x01, start + smile.prefix(2))
            try await client.sendFrame(head: 0x00, Bytes(smile.dropFirst(2)))
            try await client.sendFrame(head: 0x80, Bytes(#""]}"#.utf8))
            #expect(try await client.frames(1).first?.text.contains("😀") == true)
        }
        for bytes: Bytes in [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80]] {
            try await withWebSocket { client, _ in
                try await client.sendFrame(head: 0x81, bytes)
                try await expectClose(client, 1007, "\(bytes)")
            }
            try await withWebSocket { client, _ in
                try await client.sendFrame(head: 0x82, bytes)
                #expect(try await client.frames(1).first?.text.contains("-32700") == true)
            }
        }
    }

    @Test func `a message has so many fragments and no more`() async throws {
        var limits = RPCLimits()
        limits.messageFragments = 8
        for (count, isFine) in [(8, true), (9, false), (200, false)] {
            try await withWebSocket(limits: limits) { client, _ in
                // In one piece: a server that has closed takes no more, and what comes after resets
                // the connection.
                var frames = Frame.masked(none, head: 0x01)
                for _ in 0..<count - 2 { frames += Frame.masked([], head: 0x00) }
                try await client.send(frames + Frame.masked([], head: 0x80))
                if isFine {
                    #expect(try await client.frames(1).first?.text == noneAnswer)
                } else {
                    try await expectClose(client, 1009, "\(count)")
                }
            }
        }
    }

    @Test func `a message has so many bytes and no more, in one piece or in several`()
        async throws
    {
        var limits = RPCLimits()
        limits.messageBytes = 1_000
        for (count, isFine) in [(1_000, true), (1_001, false), (100_000, false)] {
            let text = none + Bytes(repeating: 0x20, count: count - none.count)
            for pieces in [1, 2] {
                try await withWebSocket(limits: limits) { client, _ in
                    if pieces == 1 {
                        try await client.sendFrame(head: 0x81, text)
                    } else {
                        try await client.sendFrame(head: 0x01, Bytes(text.prefix(500)))
                        try await client.sendFrame(head: 0x80, Bytes(text.dropFirst(500)))
                    }
                    if isFine {
                        #expect(try await client.frames(1).first?.text == noneAnswer)
                    } else {
                        try await expectClose(client, 1009, "\(count) in \(pieces)")
                    }
                }
            }
        }
    }

    // MARK: Compression

    @Test(arguments: [
        ("permessage-deflate", ""),
        ("permessage-deflate; client_max_window_bits", ""),
        ("permessage-deflate; client_max_window_bits=8", ""),
        ("x-webkit-deflate-frame, permessage-deflate", ""),
        ("permessage-deflate; server_max_window_bits=10", "; server_max_window_bits=10"),
        ("permessage-deflate;server_max_window_bits=\"9\"", "; server_max_window_bits=9"),
        (
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover", ""
        ),
        // The first offer cannot be taken, the second can.
        ("permessage-deflate; server_max_window_bits=8, permessage-deflate", ""),
        // None can.
        ("permessage-deflate; server_max_window_bits=8", nil),
        ("permessage-deflate; server_max_window_bits", nil),
        ("permessage-deflate; server_max_window_bits=16", nil),
        ("permessage-deflate; server_max_window_bits=09", nil),
        ("permessage-deflate; client_max_window_bits=7", nil),
        ("permessage-deflate; client_max_window_bits=", nil),
        ("permessage-deflate; server_no_context_takeover=1", nil),
        ("permessage-deflate; server_no_context_takeover; server_no_context_takeover", nil),
        ("permessage-deflate; weather=fine", nil),
        ("permessage-bzip2", nil), (",;=,", nil),
    ])
    func `compression is agreed on as offered`(offer: String, answer: String?) async throws {
        try await withWebSocket(
            headers: "Sec-WebSocket-Extensions: \(offer)\r\n"
        ) { _, response in
            let start = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
            #expect(response.headers["sec-websocket-extensions"] == answer.map { start + $0 })
        }
    }

    @Test func `messages are compressed both ways where that was agreed and helps`() async throws {
        try await withWebSocket(headers: deflate) { client, _ in
            let text = #"{"jsonrpc":"2.0","id":1,"method":"test_large","params":[100000]}"#
            let packed = try #require(codec.compress(Bytes(text.utf8)))
            // In two fragments, of which the first says that the message is compressed.
            try await client.sendFrame(head: 0x41, Bytes(packed.prefix(10)))
            try await client.sendFrame(head: 0x80, Bytes(packed.dropFirst(10)))
            let answer = try #require(try await client.frames(1).first)
            #expect(answer.isCompressed && answer.payload.count < 1_000)
            let message = try codec.decompress(answer.payload, limit: 200_000)
            #expect(message.count > 100_000)
            // A short answer is not worth it, and messages may come as they are.
            try await client.sendFrame(head: 0x81, none)
            let short = try #require(try await client.frames(1).first)
            #expect(!short.isCompressed && short.text == noneAnswer)
        }
    }

    @Test func `answers are compressed from a length on, and however long they are`() async throws {
        var limits = RPCLimits()
        limits.compressedBytes = 1_000
        let rest = #"{"jsonrpc":"2.0","id":1,"result":""}"#.utf8.count
        try await withWebSocket(limits: limits, headers: deflate) { client, _ in
            for (count, isCompressed) in [
                (500, false), (999, false), (1_000, true), (262_144, true), (262_145, true),
                (3_000_000, true),
            ] {
                try await client.sendFrame(
                    #"{"jsonrpc":"2.0","id":1,"method":"test_large","params":[\#(count - rest)]}"#)
                let answer = try #require(try await client.messages(1).first)
                #expect(answer.isCompressed == isCompressed, "\(count)")
                let text =
                    isCompressed
                    ? try codec.decompress(answer.payload, limit: count) : answer.payload
                #expect(text.count == count && answer.payload.count <= count)
            }
        }
    }

    @Test func `a compressed message unpacks to so many bytes and no more`() async throws {
        var limits = RPCLimits()
        limits.inflatedBytes = 10_000
        for (count, isFine) in [(10_000, true), (10_001, false), (5_000_000, false)] {
            try await withWebSocket(limits: limits, headers: deflate) { client, _ in
                let text = none + Bytes(repeating: 0x20, count: count - none.count)
                try await client.sendFrame(head: 0xc1, try #require(codec.compress(text)))
                if isFine {
                    #expect(try await client.frames(1).first?.text == noneAnswer)
                } else {
                    try await expectClose(client, 1009, "\(count)")
                }
            }
        }
    }

    @Test func `compressed nonsense, and text that is none, close the connection with 1007`()
        async throws
    {
        for payload: Bytes in [[0x06, 0x00], try #require(codec.compress([0xff, 0xfe]))] {
            try await withWebSocket(headers: deflate) { client, _ in
                try await client.sendFrame(head: 0xc1, payload)
                try await expectClose(client, 1007, "\(payload)")
            }
        }
    }

    @Test(arguments: [
        // A compressed control frame, a second fragment that says so, other reserved bits.
        [0xc9], [0x41, 0xc0], [0xe1], [0xd1],
    ])
    func `the bit of compression stands on the first frame of a message only`(
        heads: [UInt8]
    ) async throws {
        try await withWebSocket(headers: deflate) { client, _ in
            for head in heads { try await client.sendFrame(head: head, [0x00]) }
            try await expectClose(client, 1002)
        }
    }
}
