import EthereumTypes
import Execution
import Primitives

/// The first parameter of `eth_simulateV1`: blocks to make on top of one that exists.
struct SimulationRequest: RPCParameter {
    /// One block with its calls.
    struct BlockCalls: RPCParameter {
        var block: SimulatedBlockOverrides
        let state: StateOverridesParameter?
        let calls: [TransactionRequest]

        init(block: SimulatedBlockOverrides) {
            self.block = block
            state = nil
            calls = []
        }

        static func decode(_ text: JSONText) throws(RPCParameterError) -> BlockCalls {
            let fields = try ObjectFields(text, type: "ethapi.simBlock", name: "simBlock")
            return BlockCalls(
                block: try fields.read("blockOverrides") ?? SimulatedBlockOverrides(),
                state: try fields.read("stateOverrides"),
                calls: try fields.read("calls", [TransactionRequest].self) ?? [])
        }

        private init(
            block: SimulatedBlockOverrides, state: StateOverridesParameter?,
            calls: [TransactionRequest]
        ) {
            self.block = block
            self.state = state
            self.calls = calls
        }

        static let schema: JSONValue = ["type": "object"]
    }

    let blocks: [BlockCalls]
    /// Whether moving ether is shown as a log (ERC-7528).
    let tracesTransfers: Bool
    /// Whether calls must pay and count like transactions.
    let validates: Bool
    let detail: TransactionDetail

    static func decode(_ text: JSONText) throws(RPCParameterError) -> SimulationRequest {
        let fields = try ObjectFields(text, type: "ethapi.simOpts", name: "simOpts")
        return SimulationRequest(
            blocks: try fields.read("blockStateCalls", [BlockCalls].self) ?? [],
            tracesTransfers: try fields.read("traceTransfers") ?? false,
            validates: try fields.read("validation") ?? false,
            detail: try fields.read("returnFullTransactions") ?? false ? .full : .hashes)
    }

    static let schema: JSONValue = [
        "type": "object",
        "properties": [
            "blockStateCalls": ["type": "array"], "traceTransfers": ["type": "boolean"],
            "validation": ["type": "boolean"], "returnFullTransactions": ["type": "boolean"],
        ],
    ]
}

/// What is different about a simulated block from what follows from its parent.
struct SimulatedBlockOverrides: RPCParameter {
    var number: UInt256?
    var timestamp: Timestamp?
    var gasLimit: Gas?
    var coinbase: Address?
    var prevRandao: Hash256?
    var difficulty: UInt256?
    var baseFeePerGas: Wei?
    var blobBaseFee: Wei?
    var parentBeaconBlockRoot: Hash256?
    var withdrawals: [Withdrawal]?

    static func decode(_ text: JSONText) throws(RPCParameterError) -> SimulatedBlockOverrides {
        let fields = try ObjectFields(text, type: "override.BlockOverrides", name: "BlockOverrides")
        var overrides = SimulatedBlockOverrides()
        overrides.number = try fields.read("number")
        overrides.timestamp = try fields.read("time")
        overrides.gasLimit = try fields.read("gasLimit")
        overrides.coinbase = try fields.read("feeRecipient")
        overrides.prevRandao = try fields.read("prevRandao")
        overrides.difficulty = try fields.read("difficulty")
        overrides.baseFeePerGas = try fields.read("baseFeePerGas")
        overrides.blobBaseFee = try fields.read("blobBaseFee")
        overrides.parentBeaconBlockRoot = try fields.read("beaconRoot")
        overrides.withdrawals = try fields.read("withdrawals", [Withdrawal].self)
        return overrides
    }

    static let schema: JSONValue = ["type": "object", "title": "BlockOverrides"]
}

extension Withdrawal: RPCParameter {
    /// Reads the checked text.
    public static func decode(_ text: JSONText) throws(RPCParameterError) -> Withdrawal {
        let fields = try ObjectFields(text, type: "types.Withdrawal", name: "Withdrawal")
        return Withdrawal(
            index: try fields.require("index"),
            validatorIndex: try fields.require("validatorIndex"),
            address: try fields.require("address"), amount: try fields.require("amount"))
    }

    /// The JSON schema, for `rpc_discover`.
    public static let schema: JSONValue = ["type": "object", "title": "Withdrawal"]
}
