import Chain
import EVM
import EthereumTypes
import Execution
import Primitives
import Storage

/// How much gas the instructions of mined transactions took (anvil, reth).
extension TraceNamespace {
    var opcodeMethods: [RPCMethod] {
        [
            RPCMethod("trace_transactionOpcodeGas", ["hash"], execution: transactionOpcodeGas),
            RPCMethod("trace_blockOpcodeGas", ["block"], execution: blockOpcodeGas),
        ]
    }

    private func transactionOpcodeGas(
        context: RPCContext, _ hash: Hash256
    ) throws -> TransactionOpcodeGas? {
        guard let replay = try ChainAccess(services).replay(before: hash, in: context) else {
            return nil
        }
        let tracer = OpcodeGasTracer()
        try replay.run(tracer: tracer, in: context)
        return TransactionOpcodeGas(hash: hash, opcodes: tracer.totals)
    }

    private func blockOpcodeGas(
        context: RPCContext, _ reference: BlockReference
    ) throws -> BlockOpcodeGas? {
        let chain = ChainAccess(services)
        guard let block = try chain.block(reference) else { return nil }
        var transactions: [TransactionOpcodeGas] = []
        if !block.transactionHashes.isEmpty {
            let replay = try BlockReplay(block, chain)
            for hash in block.transactionHashes {
                let tracer = OpcodeGasTracer()
                try replay.run(tracer: tracer, in: context)
                transactions.append(TransactionOpcodeGas(hash: hash, opcodes: tracer.totals))
            }
        }
        return BlockOpcodeGas(hash: block.hash, number: block.number, transactions: transactions)
    }
}

/// Adds up the gas of each instruction. What a call hands to its callee is the callee's.
final class OpcodeGasTracer: Tracer {
    struct Total: Sendable {
        let opcode: Opcode
        var count = 0
        var gas: Gas = 0
    }

    private var counts = [Total?](repeating: nil, count: 256)
    private var current: Opcode?
    private var handedOn: Gas = 0

    /// The instructions that were executed, the dearest first.
    var totals: [Total] {
        counts.compactMap { $0 }
            .sorted { ($1.gas, $0.opcode.rawValue) < ($0.gas, $1.opcode.rawValue) }
    }

    func step(_ step: borrowing Step) {
        current = step.opcode
        handedOn = 0
    }

    func callEnter(_ entry: CallEntry) {
        switch entry.kind {
        case .call, .callCode:
            // The stipend is no gas of the caller's.
            let stipend: Gas = entry.value.isZero ? 0 : 2_300
            handedOn = entry.gas > stipend ? entry.gas - stipend : 0
        case .delegateCall, .staticCall, .create, .create2: handedOn = entry.gas
        case .selfDestruct: break
        }
    }

    func stepEnd(gasCost: Gas, refund: Int, halt: Halt?) {
        guard let opcode = current else { return }
        current = nil
        var total = counts[Int(opcode.rawValue)] ?? Total(opcode: opcode)
        total.count += 1
        total.gas += gasCost >= handedOn ? gasCost - handedOn : gasCost
        counts[Int(opcode.rawValue)] = total
    }
}

struct TransactionOpcodeGas: RPCResult {
    let hash: Hash256
    let opcodes: [OpcodeGasTracer.Total]

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("transactionHash")
            writer.hash(hash)
            writer.key("opcodeGas")
            writer.array { writer in
                for total in opcodes {
                    writer.object { writer in
                        writer.key("opcode")
                        writer.string(total.opcode.name ?? "INVALID")
                        writer.key("count")
                        writer.number(total.count)
                        writer.key("gasUsed")
                        writer.number(total.gas)
                    }
                }
            }
        }
    }

    static let schema: JSONValue = [
        "type": "object", "title": "TransactionOpcodeGas",
        "required": ["transactionHash", "opcodeGas"],
        "properties": [
            "transactionHash": Hash256.schema,
            "opcodeGas": [
                "type": "array",
                "items": [
                    "type": "object", "required": ["opcode", "count", "gasUsed"],
                    "properties": [
                        "opcode": ["type": "string"], "count": ["type": "integer"],
                        "gasUsed": ["type": "integer"],
                    ],
                ],
            ],
        ],
    ]
}

struct BlockOpcodeGas: RPCResult {
    let hash: Hash256
    let number: BlockNumber
    let transactions: [TransactionOpcodeGas]

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("blockHash")
            writer.hash(hash)
            writer.key("blockNumber")
            writer.hexQuantity(number)
            writer.key("transactions")
            transactions.write(to: &writer)
        }
    }

    static let schema: JSONValue = [
        "type": "object", "title": "BlockOpcodeGas",
        "required": ["blockHash", "blockNumber", "transactions"],
        "properties": [
            "blockHash": Hash256.schema, "blockNumber": UInt64.schema,
            "transactions": [TransactionOpcodeGas].schema,
        ],
    ]
}
