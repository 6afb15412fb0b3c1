import Execution
import Primitives

/// The options of a trace (geth's `TraceConfig` and `TraceCallConfig`).
struct TraceParameter: RPCParameter {
    /// Which trace is wanted; what is wrong with it is told when a transaction is to be traced.
    let kind: Result<TraceKind, RPCError>
    /// Go's spelling of a duration: the time for one transaction.
    let timeout: String?
    let stateOverrides: StateOverridesParameter?
    let blockOverrides: BlockOverridesParameter?
    /// A call runs before this transaction of the block instead of after the last.
    let transactionIndex: UInt64?

    static func decode(_ text: JSONText) throws(RPCParameterError) -> TraceParameter {
        let fields = try ObjectFields(text, type: "tracers.TraceConfig", name: "TraceConfig")
        // How far to go back for a state is geth's affair; here every retained state is at hand.
        _ = try fields.read("reexec", LenientQuantity.self)
        return TraceParameter(
            kind: try kind(
                named: try fields.read("tracer", String.self), config: fields.all["tracerConfig"],
                options: fields),
            timeout: try fields.read("timeout", String.self),
            stateOverrides: try fields.read("stateOverrides"),
            blockOverrides: try fields.read("blockOverrides"),
            transactionIndex: try fields.read("txIndex", UInt64.self))
    }

    /// The time that one transaction may take.
    func timeout(_ limits: RPCLimits) throws(RPCError) -> Duration {
        guard let timeout else { return limits.traceTime }
        guard let duration = Duration(goText: timeout) else {
            throw .server("time: invalid duration \"\(timeout)\"")
        }
        return duration
    }

    // MARK: Tracers

    private static func kind(
        named name: String?, config: JSONText?, options: ObjectFields
    ) throws(RPCParameterError) -> Result<TraceKind, RPCError> {
        guard let name, !name.isEmpty else {
            return .success(.structLogger(try structLogger(options)))
        }
        let text = config.flatMap { $0.isNull ? nil : $0 } ?? JSONText(.object(JSONObject()))
        if name == "muxTracer" { return try several(text) }
        let fields = try ObjectFields(text, type: "native.\(name)Config", name: "\(name)Config")
        func has(_ option: String) throws(RPCParameterError) -> Bool {
            try fields.read(option, Bool.self) ?? false
        }
        switch name {
        case "callTracer":
            return .success(
                .calls(
                    CallTracer.Options(
                        isTopCallOnly: try has("onlyTopCall"), includesLogs: try has("withLog"))))
        case "flatCallTracer":
            return .success(
                .flatCalls(
                    FlatCallTracer.Options(
                        hasParityErrors: try has("convertParityErrors"),
                        includesPrecompiles: try has("includePrecompiles"))))
        case "prestateTracer":
            let options = PrestateTracer.Options(
                isDifference: try has("diffMode"), includesCode: !(try has("disableCode")),
                includesStorage: !(try has("disableStorage")),
                includesEmpty: try has("includeEmpty"))
            guard !(options.isDifference && options.includesEmpty) else {
                return .failure(.server("cannot use diffMode with includeEmpty"))
            }
            return .success(.prestate(options))
        case "4byteTracer": return .success(.selectors)
        case "keccak256PreimageTracer": return .success(.keccak256Preimages)
        case "erc7562Tracer":
            // How much of the stack geth keeps for itself, `stackTopItemsSize`, changes no answer.
            let ignored = try fields.read("ignoredOpcodes", [UInt64].self)
            return .success(
                .userOperations(
                    UserOperationTracer.Options(
                        includesLogs: try has("withLog"),
                        ignored: ignored.map { Set($0.map { UInt8(truncatingIfNeeded: $0) }) }
                            ?? UserOperationTracer.Options.harmless)))
        case "noopTracer": return .success(.nothing)
        default: return .failure(unknown(name))
        }
    }

    /// The tracers of a `muxTracer`, by their names. They are not nested.
    private static func several(
        _ text: JSONText
    ) throws(RPCParameterError) -> Result<TraceKind, RPCError> {
        let fields = try ObjectFields(
            text, type: "map[string]json.RawMessage", name: "muxTracerConfig")
        var kinds: [String: TraceKind] = [:]
        for (name, config) in fields.all {
            guard name != "muxTracer" else { return .failure(.server("muxTracer in a muxTracer")) }
            switch try kind(named: name, config: config, options: fields) {
            case .success(let kind): kinds[name] = kind
            case .failure(let error): return .failure(error)
            }
        }
        return .success(.several(kinds))
    }

    private static func structLogger(
        _ fields: ObjectFields
    ) throws(RPCParameterError) -> TraceOptions {
        let limit = try fields.read("limit", LenientQuantity.self)?.value.asUInt64 ?? 0
        return TraceOptions(
            includesMemory: try fields.read("enableMemory", Bool.self) ?? false,
            includesStack: !(try fields.read("disableStack", Bool.self) ?? false),
            includesStorage: !(try fields.read("disableStorage", Bool.self) ?? false),
            includesReturnData: try fields.read("enableReturnData", Bool.self) ?? false,
            byteLimit: limit == 0 ? nil : Int(clamping: limit))
    }

    /// geth takes every other name for a JavaScript program.
    private static func unknown(_ name: String) -> RPCError {
        let isIdentifier = name.utf8.allSatisfy { byte in
            HexText.nibble(byte) != nil || (byte | 0x20) &- 0x61 < 26 || byte == 0x5f
        }
        return .server(
            isIdentifier && !name.utf8.allSatisfy { $0 &- 0x30 < 10 }
                ? "ReferenceError: \(name) is not defined at <eval>:1:2(0)"
                : "JavaScript tracers are not supported")
    }

    static let schema: JSONValue = ["type": "object", "title": "TraceConfig"]
}

extension Duration {
    /// A duration as Go spells it: `1m30s`, `1.5h`, `300ms`. Nil for anything else.
    init?(goText text: String) {
        var rest = text[...]
        var isNegative = false
        if let sign = rest.first, sign == "-" || sign == "+" {
            isNegative = sign == "-"
            rest = rest.dropFirst()
        }
        guard !rest.isEmpty else { return nil }
        if rest == "0" {
            self = .zero
            return
        }
        var seconds = 0.0
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && $0.isNumber || $0 == "." }
            rest = rest.dropFirst(digits.count)
            let unit = rest.prefix { !($0.isASCII && $0.isNumber) && $0 != "." }
            rest = rest.dropFirst(unit.count)
            guard let number = Double(digits), let scale = Self.goUnits[String(unit)] else {
                return nil
            }
            seconds += number * scale
        }
        // Go's durations end at 292 years.
        guard seconds.isFinite, seconds < 9.2e9 else { return nil }
        self = .seconds(isNegative ? -seconds : seconds)
    }

    private static let goUnits: [String: Double] = [
        "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3_600,
    ]
}
