import BlockProduction
import Chain
import EthereumTypes
import Primitives

/// When blocks are made.
extension DevnetNamespace {
    var miningMethods: [RPCMethod] {
        [
            RPCMethod("evm_mine", ["options"], command: evmMine),
            RPCMethod("evm_setAutomine", ["enabled"], command: evmSetAutomine),
            RPCMethod("anvil_setAutomine", ["enabled"], command: anvilSetAutomine),
            RPCMethod(
                "anvil_getAutomine", aliases: ["hardhat_getAutomine"], instant: getAutomine),
            RPCMethod(
                "anvil_setIntervalMining", ["interval"], aliases: ["evm_setIntervalMining"],
                command: setIntervalMining),
            RPCMethod("anvil_getIntervalMining", instant: getIntervalMining),
            RPCMethod("anvil_mine", ["blocks", "interval"], command: anvilMine),
            RPCMethod("hardhat_mine", ["blocks", "interval"], command: hardhatMine),
        ]
    }

    /// Makes blocks, each so many seconds after what the clock showed before it.
    private func anvilMine(
        context: RPCContext, _ blocks: LenientQuantity?, _ interval: LenientQuantity?
    ) async throws -> NullResult {
        let spacing = try interval.map { BlockSpacing.beforeEach(try $0.uint64()) }
        try await mine(context, blocks, spacing ?? .clock)
        return NullResult()
    }

    /// Makes blocks, with so many seconds between their timestamps.
    private func hardhatMine(
        context: RPCContext, _ blocks: LenientQuantity?, _ interval: LenientQuantity?
    ) async throws -> Bool {
        let spacing = try interval.map { BlockSpacing.between(try $0.uint64()) }
        try await mine(context, blocks, spacing ?? .clock)
        return true
    }

    private func mine(
        _ context: RPCContext, _ blocks: LenientQuantity?, _ spacing: BlockSpacing
    ) async throws {
        let count = try blocks?.uint64() ?? 1
        guard count <= context.limits.minedBlocks else {
            throw RPCError.invalidParams("too many blocks (max \(context.limits.minedBlocks))")
        }
        if count > 0 { _ = try await devnet.mine(blocks: count, spacing: spacing) }
    }

    private func evmMine(context: RPCContext, _ options: MineOptions?) async throws -> String {
        if let timestamp = options?.timestamp { try devnet.setNextBlockTimestamp(timestamp) }
        let count = options?.blocks ?? 1
        guard count <= context.limits.minedBlocks else {
            throw RPCError.invalidParams("too many blocks (max \(context.limits.minedBlocks))")
        }
        if count > 0 { _ = try await devnet.mine(blocks: count) }
        return "0x0"
    }

    private func evmSetAutomine(_: RPCContext, _ isEnabled: Bool) async throws -> Bool {
        try await setAutomine(isEnabled)
        return true
    }

    private func anvilSetAutomine(_: RPCContext, _ isEnabled: Bool) async throws -> NullResult {
        try await setAutomine(isEnabled)
        return NullResult()
    }

    /// Turns automining on or off and leaves the interval alone.
    private func setAutomine(_ isEnabled: Bool) async throws {
        let mode: MiningMode =
            switch devnet.mode {
            case .interval(let interval), .mixed(let interval):
                isEnabled ? .mixed(interval) : .interval(interval)
            case .manual, .automine: isEnabled ? .automine : .manual
            }
        try await devnet.setMode(mode)
    }

    private func getAutomine(_: RPCContext) -> Bool {
        devnet.mode.isAutomining
    }

    /// Seconds as in anvil; a range, which only Hardhat knows, is in milliseconds as there, and its
    /// lower end counts. Zero ends interval mining.
    private func setIntervalMining(
        _: RPCContext, _ interval: IntervalParameter
    ) async throws -> NullResult {
        guard interval.milliseconds > 0 else {
            switch devnet.mode {
            case .mixed: try await devnet.setMode(.automine)
            case .interval: try await devnet.setMode(.manual)
            case .manual, .automine: break
            }
            return NullResult()
        }
        try await devnet.setMode(.interval(.milliseconds(interval.milliseconds)))
        return NullResult()
    }

    private func getIntervalMining(_: RPCContext) -> DecimalNumber? {
        devnet.mode.interval.map { DecimalNumber(UInt64(max(0, $0.components.seconds))) }
    }
}

/// The parameter of `evm_mine`: nothing, a timestamp, or an object with a timestamp and a number of
/// blocks.
struct MineOptions: RPCParameter {
    let timestamp: UInt64?
    let blocks: UInt64?

    static func decode(_ text: JSONText) throws(RPCParameterError) -> MineOptions {
        guard text.isObject else {
            return MineOptions(timestamp: try number(LenientQuantity.decode(text)), blocks: nil)
        }
        let fields = try ObjectFields(text, type: "MineOptions", name: "MineOptions")
        return MineOptions(
            timestamp: try fields.read("timestamp").map(number),
            blocks: try fields.read("blocks").map(number))
    }

    private static func number(_ quantity: LenientQuantity) throws(RPCParameterError) -> UInt64 {
        guard let value = quantity.value.asUInt64 else {
            throw RPCParameterError("number > 64 bits")
        }
        return value
    }

    static let schema: JSONValue = [
        "oneOf": [
            LenientQuantity.schema,
            [
                "type": "object",
                "properties": [
                    "timestamp": LenientQuantity.schema, "blocks": LenientQuantity.schema,
                ],
            ],
        ]
    ]
}

/// Seconds, or a range of milliseconds.
struct IntervalParameter: RPCParameter {
    let milliseconds: Int64

    static func decode(_ text: JSONText) throws(RPCParameterError) -> IntervalParameter {
        let quantity: LenientQuantity
        let scale: UInt64
        if text.isArray {
            let range = try [LenientQuantity].decode(text)
            guard range.count == 2, range[0].value <= range[1].value else {
                throw RPCParameterError("a range has a lower and an upper end")
            }
            quantity = range[0]
            scale = 1
        } else {
            quantity = try LenientQuantity.decode(text)
            scale = 1_000
        }
        guard let value = quantity.value.asUInt64, value <= 1 << 32 else {
            throw RPCParameterError("interval too long")
        }
        return IntervalParameter(milliseconds: Int64(value * scale))
    }

    static let schema: JSONValue = [
        "oneOf": [LenientQuantity.schema, ["type": "array", "items": LenientQuantity.schema]]
    ]
}
