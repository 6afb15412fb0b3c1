import BlockProduction
import Chain
import EthereumTypes
import Primitives

/// The `engine` namespace: how a consensus client drives the node (execution-apis, `src/engine`),
/// Paris to Osaka.
///
/// The consensus client gives blocks (`newPayload`), says which one is the head
/// (`forkchoiceUpdated`) and may ask in the same breath for a block to propose, which it fetches a
/// little later (`getPayload`). Served on a port of its own to whoever holds the shared secret.
struct EngineNamespace: Sendable {
    let services: RPCServices
    let options: EngineOptions
    let state: EngineState

    var methods: [RPCMethod] {
        let methods =
            payloadMethods + forkchoiceMethods + buildingMethods + bodyMethods
            + blobMethods + [
                RPCMethod(
                    "engine_getClientVersionV1", ["clientVersion"], instant: getClientVersion)
            ]
        // Without its own name, as the specification has it.
        let names = methods.map(\.name)
        return methods + [
            RPCMethod(
                "engine_exchangeCapabilities", ["capabilities"],
                instant: { (_, _: [String]) in names })
        ]
    }

    var blockchain: Blockchain { services.blockchain }

    /// The fork whose rules a block with proof of stake follows at a time.
    func fork(number: BlockNumber = .max, timestamp: Timestamp) -> Fork {
        blockchain.config.fork(number: number, timestamp: timestamp, isPostMerge: true)
    }

    private func getClientVersion(_: RPCContext, _: ClientVersion) -> [ClientVersion] {
        let parts = services.clientVersion.split(separator: "/")
        return [
            ClientVersion(
                code: "AP", name: parts.first.map(String.init) ?? "apus",
                version: parts.count > 1 ? String(parts[1]) : "", commit: "0x00000000")
        ]
    }
}

/// How a node that a consensus client drives makes blocks.
public struct EngineOptions: Hashable, Sendable {
    /// The gas limit towards which the chain moves, in steps that every node accepts; `nil` keeps
    /// the parent's.
    public var gasLimit: Gas?
    /// What the header of a block from here carries, 32 bytes at most.
    public var extraData: Bytes

    /// Options.
    ///
    /// - Precondition: `extraData` has at most 32 bytes.
    public init(gasLimit: Gas? = nil, extraData: Bytes = []) {
        precondition(extraData.count <= 32, "a header carries at most 32 bytes of extra data")
        self.gasLimit = gasLimit
        self.extraData = extraData
    }
}

/// Every limit of the Engine API, with its reason.
enum EngineLimits {
    /// Bodies of one answer, as in geth: the specification asks for 32 at least.
    static let bodies: UInt64 = 1_024
    /// Blobs of one answer, as in geth and as much as the specification asks for.
    static let blobs = 128
    /// Blocks that wait for their parents. A consensus client that is ahead gives one every few
    /// seconds, and once more the ones that were forgotten.
    static let waitingBlocks = 96
    /// Bytes of the blocks that wait.
    static let waitingBytes = 64 << 20
    /// Blocks under construction that can still be fetched, as in geth.
    static let jobs = 10
    /// How long a block is improved: what it is asked for ahead, at most a slot of the main
    /// network, and that slot.
    static let improvement: Duration = .seconds(24)
    /// The least time between two versions of a block under construction: arrivals come in
    /// bursts, and each version executes the whole block.
    static let improvementPause: Duration = .milliseconds(200)
}

/// Errors that only the Engine API has (execution-apis, `engine/common.md`). As in geth, `data`
/// says what exactly is wrong.
extension RPCError {
    static let unknownPayload = RPCError(code: -38_001, message: "Unknown payload")
    static let tooLargeRequest = RPCError(code: -38_004, message: "Too large request")
    static let tooDeepReorg = RPCError(code: -38_006, message: "Too deep reorg")

    static func invalidForkchoiceState(_ reason: String) -> RPCError {
        RPCError(
            code: -38_002, message: "Invalid forkchoice state", data: ["err": .string(reason)])
    }

    static func invalidPayloadAttributes(_ reason: String) -> RPCError {
        RPCError(
            code: -38_003, message: "Invalid payload attributes", data: ["err": .string(reason)])
    }

    static func unsupportedFork(_ reason: String) -> RPCError {
        RPCError(code: -38_005, message: "Unsupported fork", data: ["err": .string(reason)])
    }
}

/// Who a client is, in the words of `engine_getClientVersionV1`.
struct ClientVersion: RPCParameter, RPCResult {
    var code: String
    var name: String
    var version: String
    var commit: String

    static func decode(_ text: JSONText) throws(RPCParameterError) -> ClientVersion {
        let fields = try ObjectFields(
            text, type: "engine.ClientVersionV1", name: "ClientVersionV1")
        return ClientVersion(
            code: try fields.require("code"), name: try fields.require("name"),
            version: try fields.require("version"), commit: try fields.require("commit"))
    }

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            for (key, value) in [
                ("code", code), ("name", name), ("version", version), ("commit", commit),
            ] {
                writer.key(key)
                writer.string(value)
            }
        }
    }

    static let schema: JSONValue = ["type": "object", "title": "ClientVersionV1"]
}
