import Primitives
import Testing

import RPC

/// JSON-RPC 2.0 to the letter, whatever the transport.
@Suite struct FramingTests {
    private let dispatcher = TestMethods.dispatcher()

    private func answer(_ text: String, access: RPCAccess = .all) async -> String? {
        await dispatcher.answer(to: Bytes(text.utf8), access: access).map {
            String(decoding: $0, as: UTF8.self)
        }
    }

    @Test(arguments: [
        "1", "0", "-1", "1.5", "1e3", "null", #""a""#, #""""#, #""é\n""#, "12345678901234567890123",
    ]) func `an id of any allowed kind comes back as it was written`(id: String) async {
        let result = await answer(#"{"jsonrpc":"2.0","id":\#(id),"method":"test_none"}"#)
        #expect(result == #"{"jsonrpc":"2.0","id":\#(id),"result":null}"#)
    }

    @Test(arguments: ["{}", "[]", "true", "false", #"{"a":1}"#, "[1]"])
    func `an id of a forbidden kind makes the request invalid`(id: String) async {
        let result = await answer(#"{"jsonrpc":"2.0","id":\#(id),"method":"test_none"}"#)
        #expect(result == Self.invalid)
    }

    private static let invalid =
        #"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"invalid request"}}"#

    @Test(arguments: [
        "1", #""x""#, "null", "true", "{}", #"{"jsonrpc":"2.0"}"#, #"{"method":"test_none"}"#,
        #"{"jsonrpc":"1.0","method":"test_none"}"#, #"{"jsonrpc":2.0,"method":"test_none"}"#,
        #"{"jsonrpc":"2.0","method":1}"#, #"{"jsonrpc":"2.0","method":null}"#,
        #"{"jsonrpc":"2.0","result":1}"#,
    ]) func `what is no request object is an invalid request`(text: String) async {
        #expect(await answer(text) == Self.invalid)
    }

    @Test func `an invalid request with an id is answered with that id`() async {
        #expect(
            await answer(#"{"jsonrpc":"1.0","id":5,"method":"test_none"}"#)
                == #"{"jsonrpc":"2.0","id":5,"error":{"code":-32600,"message":"invalid request"}}"#)
    }

    @Test(arguments: [
        "", " ", "{", #"{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]"#, "[",
        #"[{"jsonrpc":"2.0","method":"test_none","id":1},{"jsonrpc":"2.0","method"]"#,
        #"{"jsonrpc":"2.0","method":"test_none","id":1} x"#, "\u{feff}{}",
    ]) func `what is no JSON is a parse error`(text: String) async {
        #expect(
            await answer(text)
                == #"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}"#)
    }

    @Test(arguments: [
        #"{"jsonrpc":"2.0","method":"test_none"}"#, #"{"jsonrpc":"2.0","method":"missing"}"#,
        #"{"jsonrpc":"2.0","method":"test_fail","params":[]}"#,
        #"{"jsonrpc":"2.0","method":"test_command","params":[1]}"#,
        #"{"jsonrpc":"2.0","method":"test_work","params":[0]}"#,
        #"[{"jsonrpc":"2.0","method":"test_none"},{"jsonrpc":"2.0","method":"test_fail"}]"#,
    ]) func `a notification gets no answer, not even an error`(text: String) async {
        #expect(await answer(text) == nil)
    }

    @Test func `an unknown method is named in the error`() async {
        #expect(
            await answer(#"{"jsonrpc":"2.0","id":1,"method":"eth_foo"}"#)
                == #"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"the method eth_foo"#
                + #" does not exist/is not available"}}"#)
    }

    @Test func `a method outside the allowed namespaces does not exist`() async {
        let text = #"{"jsonrpc":"2.0","id":1,"method":"test_none"}"#
        #expect(await answer(text, access: .namespaces(["eth"]))?.contains("-32601") == true)
        #expect(await answer(text, access: .namespaces(["test"]))?.contains("result") == true)
    }

    @Test func `an alias is answered if its own namespace is allowed`() async {
        let text = #"{"jsonrpc":"2.0","id":1,"method":"other_none"}"#
        #expect(await answer(text, access: .namespaces(["other"]))?.contains("result") == true)
        #expect(await answer(text, access: .namespaces(["test"]))?.contains("-32601") == true)
    }

    @Test(arguments: [
        ("[42, 23]", "19"), ("[23, 42]", "18446744073709551597"),
        (#"{"subtrahend": 23, "minuend": 42}"#, "19"),
        (#"{"minuend": 42, "subtrahend": 23}"#, "19"),
    ]) func `parameters go by position or by name`(params: String, result: String) async {
        #expect(
            await answer(
                #"{"jsonrpc":"2.0","method":"test_subtract","params":\#(params),"id":1}"#)
                == #"{"jsonrpc":"2.0","id":1,"result":\#(result)}"#)
    }

    @Test(arguments: [
        ("[]", "missing value for required argument 0"),
        ("[true,false,true]", "too many arguments, want at most 2"),
        ("[1]", "invalid argument 0: json: cannot unmarshal number into Go value of type bool"),
        (
            "[true,{}]",
            "invalid argument 1: json: cannot unmarshal object into Go value of type bool"
        ),
        (#"{"b":true}"#, "missing value for required argument 0"),
        (#"{"a":true,"c":1}"#, "unknown argument c"), ("3", "non-array args"),
    ]) func `bad arguments are named with geth's words`(params: String, message: String) async {
        #expect(
            await answer(#"{"jsonrpc":"2.0","id":1,"method":"test_optional","params":\#(params)}"#)
                == #"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"\#(message)"}}"#)
    }

    @Test(arguments: [
        ("[true]", "true none"), ("[true,null]", "true none"),
        ("[true,false]", "true false"),
    ]) func `an optional argument may be null or missing`(params: String, result: String) async {
        #expect(
            await answer(#"{"jsonrpc":"2.0","id":1,"method":"test_optional","params":\#(params)}"#)
                == #"{"jsonrpc":"2.0","id":1,"result":"\#(result)"}"#)
    }

    @Test(arguments: ["", #","params":null"#, #","params":[]"#, #","params":{}"#])
    func `parameters may be left out where none are needed`(params: String) async {
        #expect(
            await answer(#"{"jsonrpc":"2.0","id":1,"method":"test_none"\#(params)}"#)
                == #"{"jsonrpc":"2.0","id":1,"result":null}"#)
    }

    @Test func `an error has code, message and data`() async {
        #expect(
            await answer(#"{"jsonrpc":"2.0","id":1,"method":"test_fail"}"#)
                == #"{"jsonrpc":"2.0","id":1,"error":{"code":3,"message":"execution reverted","#
                + #""data":"0x1234"}}"#)
    }

    @Test func `an unexpected error tells nothing about the node`() async {
        #expect(
            await answer(#"{"jsonrpc":"2.0","id":1,"method":"test_crash"}"#)
                == #"{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"internal error"}}"#)
    }

    // MARK: Batches

    @Test func `an empty batch is one invalid request`() async {
        #expect(
            await answer("[ ]")
                == #"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"empty batch"}}"#)
    }

    @Test func `members of a batch that are no requests are answered one by one`() async {
        #expect(await answer("[1]") == "[\(Self.invalid)]")
        #expect(await answer("[1,[],3]") == "[\(Self.invalid),\(Self.invalid),\(Self.invalid)]")
    }

    @Test func `a batch of all kinds is answered in order without its notifications`() async {
        let result = await answer(
            """
            [{"jsonrpc":"2.0","id":1,"method":"test_command","params":["a"]},
             {"jsonrpc":"2.0","method":"test_none"},
             {"jsonrpc":"2.0","id":2,"method":"test_work","params":[5]},
             {"foo":"boo"},
             {"jsonrpc":"2.0","id":"3","method":"test_echo","params":["b"]},
             {"jsonrpc":"2.0","id":4,"method":"test_command","params":["c"]}]
            """)
        #expect(
            result
                == #"[{"jsonrpc":"2.0","id":1,"result":"a"},{"jsonrpc":"2.0","id":2,"#
                + #""result":"worked"},\#(Self.invalid),{"jsonrpc":"2.0","id":"3","result":"b"},"#
                + #"{"jsonrpc":"2.0","id":4,"result":"c"}]"#)
    }

    @Test func `a batch beyond the limit is refused as a whole with its first id`() async {
        var limits = RPCLimits()
        limits.batchCount = 2
        let dispatcher = TestMethods.dispatcher(limits: limits)
        let call = #"{"jsonrpc":"2.0","id":7,"method":"test_none"}"#
        let fits = await dispatcher.answer(to: Bytes("[\(call),\(call)]".utf8))
        #expect(fits.map { String(decoding: $0, as: UTF8.self) }?.contains("error") == false)
        let tooMany = await dispatcher.answer(to: Bytes("[{},\(call),\(call)]".utf8))
        #expect(
            tooMany.map { String(decoding: $0, as: UTF8.self) }
                == #"[{"jsonrpc":"2.0","id":7,"error":{"code":-32600,"message":"batch too large"}}]"#
        )
    }

    @Test func `the members that no longer fit an answer are refused`() async {
        var limits = RPCLimits()
        limits.batchResponseBytes = 1_000
        let dispatcher = TestMethods.dispatcher(limits: limits)
        let call = { (count: Int) in
            #"{"jsonrpc":"2.0","id":1,"method":"test_large","params":[\#(count)]}"#
        }
        let rest = #"[{"jsonrpc":"2.0","id":1,"result":""},{"jsonrpc":"2.0","id":1,"result":""}"#
        // The bytes of the first two answers, and whether there is a third.
        for (count, isFine) in [(1_000, true), (1_001, false), (1_000_000, false)] {
            let second = count - rest.utf8.count - 300
            let answer = await dispatcher.answer(
                to: Bytes("[\(call(300)),\(call(second)),\(call(1)),\(call(1))]".utf8))
            let value = answer.flatMap { try? JSONValue(parsing: $0) }
            #expect(value?[0]?["result"] != nil)
            #expect(value?[1]?["result"]?.stringValue?.utf8.count == second)
            #expect((value?[2]?["error"]?["code"] == -32_003) == !isFine, "\(count)")
            #expect(value?[3]?["error"]?["code"] == -32_003)
        }
    }

    @Test func `nesting beyond the limit is a parse error`() async {
        let deep = String(repeating: "[", count: 100) + String(repeating: "]", count: 100)
        let text = #"{"jsonrpc":"2.0","id":1,"method":"test_echo","params":[\#(deep)]}"#
        #expect(await answer(text)?.contains("-32700") == true)
    }

    @Test func `a call that is not begun in time is answered with a timeout`() async {
        var limits = RPCLimits()
        limits.messageSeconds = 0
        let dispatcher = TestMethods.dispatcher(limits: limits)
        let answer = await dispatcher.answer(
            to: Bytes(#"{"jsonrpc":"2.0","id":1,"method":"test_none"}"#.utf8))
        #expect(answer.map { String(decoding: $0, as: UTF8.self) }?.contains("-32002") == true)
    }

    @Test func `what a message has begun in its time is answered, and nothing after it`() async {
        var limits = RPCLimits()
        limits.messageSeconds = 2
        let dispatcher = TestMethods.dispatcher(limits: limits)
        let call = { (time: Int) in
            #"{"jsonrpc":"2.0","id":1,"method":"test_work","params":[\#(time)]}"#
        }
        let text = "[\(call(1)),\(call(2_001)),\(call(1)),\(call(1))]"
        let answer = await dispatcher.answer(to: Bytes(text.utf8))
        let value = answer.flatMap { try? JSONValue(parsing: $0) }
        #expect(value?.arrayValue?.map { $0["result"] } == ["worked", "worked", nil, nil])
        #expect(value?[2]?["error"]?["code"] == -32_002)
        #expect(value?[3]?["error"]?["code"] == -32_002)
    }

    @Test func `a full queue is answered busy at once`() async {
        let dispatcher = TestMethods.dispatcher(threads: 1, queue: 1)
        let call = Bytes(#"{"jsonrpc":"2.0","id":1,"method":"test_work","params":[200]}"#.utf8)
        let answers = await withTaskGroup(of: String.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    await String(decoding: dispatcher.answer(to: call) ?? [], as: UTF8.self)
                }
            }
            return await group.reduce(into: [String]()) { $0.append($1) }
        }
        #expect(answers.count { $0.contains("worked") } == 2)
        #expect(answers.count { $0.contains("-32005") } == 2)
    }

    // MARK: The table

    @Test func `rpc_modules lists the namespaces that the caller may use`() async {
        let text = #"{"jsonrpc":"2.0","id":1,"method":"rpc_modules"}"#
        #expect(
            await answer(text)
                == #"{"jsonrpc":"2.0","id":1,"result":{"other":"1.0","rpc":"1.0","test":"1.0"}}"#)
        #expect(
            await answer(text, access: .namespaces(["rpc", "test"]))
                == #"{"jsonrpc":"2.0","id":1,"result":{"rpc":"1.0","test":"1.0"}}"#)
    }

    @Test func `rpc_discover describes every method once by each of its names`() async throws {
        let text = try #require(await answer(#"{"jsonrpc":"2.0","id":1,"method":"rpc_discover"}"#))
        let document = try #require(try JSONValue(parsing: text)["result"])
        #expect(document["openrpc"] == "1.2.6")
        let methods = try #require(document["methods"]?.arrayValue)
        let names = methods.compactMap { $0["name"]?.stringValue }
        #expect(Set(names).count == names.count)
        #expect(names.contains("other_none"))
        let optional = try #require(methods.first { $0["name"] == "test_optional" })
        #expect(optional["params"]?[0]?["required"] == true)
        #expect(optional["params"]?[1]?["required"] == false)
        #expect(optional["params"]?[1]?["schema"]?["type"] == "boolean")
    }
}
