import BlockProduction
import Primitives

/// The clock that blocks take their timestamps from, and going back in the chain.
extension DevnetNamespace {
    var clockMethods: [RPCMethod] {
        [
            RPCMethod(
                "evm_increaseTime", ["seconds"], aliases: ["anvil_increaseTime"],
                command: increaseTime),
            RPCMethod("evm_setTime", ["time"], aliases: ["anvil_setTime"], command: setTime),
            RPCMethod(
                "evm_setNextBlockTimestamp", ["timestamp"],
                aliases: ["anvil_setNextBlockTimestamp"],
                command: setNextBlockTimestamp),
            RPCMethod(
                "anvil_setBlockTimestampInterval", ["seconds"],
                command: setBlockTimestampInterval),
            RPCMethod(
                "anvil_removeBlockTimestampInterval", command: removeBlockTimestampInterval),
        ]
    }

    var snapshotMethods: [RPCMethod] {
        [
            RPCMethod("evm_snapshot", aliases: ["anvil_snapshot"], command: snapshot),
            RPCMethod("evm_revert", ["id"], aliases: ["anvil_revert"], command: revert),
            RPCMethod("anvil_rollback", ["depth"], command: rollback),
        ]
    }

    /// - Returns: by how much the clock differs from the wall clock now.
    private func increaseTime(_: RPCContext, _ seconds: LenientQuantity) async throws -> ClockOffset
    {
        guard let narrow = Int64(exactly: try seconds.uint64()), narrow <= Self.furthestSeconds
        else {
            throw RPCError.invalidParams("the time lies too far ahead")
        }
        return ClockOffset(seconds: try devnet.increaseTime(by: narrow))
    }

    /// Seconds, or milliseconds if the number is too large for seconds.
    private func setTime(_: RPCContext, _ time: LenientQuantity) async throws -> ClockOffset {
        let value = try time.uint64()
        let seconds = value > Self.firstMilliseconds ? value / 1_000 : value
        guard seconds <= UInt64(Self.furthestSeconds) else {
            throw RPCError.invalidParams("the time lies too far ahead")
        }
        return ClockOffset(seconds: try devnet.setTime(seconds))
    }

    /// From this number on a time is in milliseconds, as in anvil.
    private static let firstMilliseconds: UInt64 = 1_000_000_000_000
    /// No clock is set further: sums of two such times fit easily.
    private static let furthestSeconds: Int64 = 1 << 52

    private func setNextBlockTimestamp(
        _: RPCContext, _ timestamp: LenientQuantity
    ) async throws -> NullResult {
        let value = try timestamp.uint64()
        guard value <= UInt64(Self.furthestSeconds) else {
            throw RPCError.invalidParams("the time lies too far ahead")
        }
        try devnet.setNextBlockTimestamp(value)
        return NullResult()
    }

    private func setBlockTimestampInterval(
        _: RPCContext, _ seconds: LenientQuantity
    ) async throws -> NullResult {
        let value = try seconds.uint64()
        guard value <= UInt64(Self.furthestSeconds) else {
            throw RPCError.invalidParams("the time lies too far ahead")
        }
        _ = try devnet.setBlockTimestampInterval(value)
        return NullResult()
    }

    /// - Returns: whether there was an interval.
    private func removeBlockTimestampInterval(_: RPCContext) async throws -> Bool {
        try devnet.setBlockTimestampInterval(nil)
    }

    private func snapshot(_: RPCContext) async throws -> UInt64 { try await devnet.snapshot() }

    private func revert(_: RPCContext, _ id: LenientQuantity) async throws -> Bool {
        guard let id = id.value.asUInt64 else { return false }
        return try await devnet.revert(to: id)
    }

    /// Discards the latest blocks, one if not told how many.
    private func rollback(_: RPCContext, _ depth: LenientQuantity?) async throws -> NullResult {
        let depth = try depth?.uint64() ?? 1
        let head = services.blockchain.head.number
        guard depth <= head else {
            throw RPCError.invalidParams("the chain has only \(head) blocks to discard")
        }
        _ = try await devnet.rollback(to: head - depth)
        return NullResult()
    }
}

/// Seconds between the devnet's clock and the wall clock, as a JSON number.
struct ClockOffset: RPCResult {
    let seconds: Int64

    func write(to writer: inout JSONWriter) { writer.number(Int(seconds)) }
    static let schema: JSONValue = ["type": "integer"]
}
