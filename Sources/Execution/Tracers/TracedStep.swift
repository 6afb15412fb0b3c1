//  An instruction on its way into a trace: what the machine was like before it, kept until its price
//  is known.

import EVM
import Primitives

/// The machine right before an instruction, as far as the options ask for it.
struct TracedStep {
    let pc: Int
    let opcode: Opcode
    let gas: Gas
    /// 0 for the message from outside.
    let depth: Int
    let address: Address
    let memorySize: Int
    /// Bottom first; nil if it is left out.
    private(set) var stack: [UInt256]?
    /// Nil if it is left out or empty.
    let memory: Bytes?
    /// Nil if it is left out or empty.
    let returnData: Bytes?

    init(_ step: borrowing Step, _ options: TraceOptions) {
        pc = step.pc
        opcode = step.opcode
        gas = step.gas
        depth = step.depth
        address = step.address
        memorySize = step.memorySize
        stack = options.includesStack ? step.stack : nil
        let memory = options.includesMemory ? step.memory : []
        self.memory = memory.isEmpty ? nil : memory
        let returnData = options.includesReturnData ? step.returnData : []
        self.returnData = returnData.isEmpty ? nil : returnData
    }

    /// The instruction as it is when it has failed: without the words that it takes first.
    func withoutOperands(after halt: Halt) -> TracedStep {
        let count =
            switch halt {
            case .reverted: 2
            case .invalidJump: opcode == .jump ? 1 : 2
            case .returnDataOutOfBounds: 3
            case .outOfGas, .stackUnderflow, .stackOverflow, .invalidOpcode, .writeProtection,
                .callDepthExceeded, .insufficientBalance, .addressCollision, .nonceOverflow,
                .initCodeTooLarge, .codeTooLarge, .invalidCodePrefix, .codeStoreOutOfGas,
                .precompileFailed, .reentrancySentry, .cancelled:
                0
            }
        var step = self
        if let stack, stack.count >= count { step.stack = stack.dropLast(count) }
        return step
    }
}

extension Opcode {
    /// The name that geth prints: that of before the merge for PREVRANDAO, and a sentence for a byte
    /// that is no instruction.
    public var tracedName: String {
        if self == .prevrandao { return "DIFFICULTY" }
        return name ?? "opcode 0x\(String(rawValue, radix: 16)) not defined"
    }
}
