/// The instructions of the EVM.
///
/// All 256 byte values are cases, in order, so that a byte of code *is* a value of this type and a
/// `switch` over it is one jump through a table. Which of them a fork has is in `GasSchedule`.
public enum Opcode: UInt8, CaseIterable, Sendable {
    case stop, add, mul, sub, div, sdiv, mod, smod, addmod, mulmod, exp, signextend, undefined0C
    case undefined0D, undefined0E, undefined0F
    case lt, gt, slt, sgt, eq, iszero, and, or, xor, not, byte, shl, shr, sar, clz, undefined1F
    case keccak256, undefined21, undefined22, undefined23, undefined24, undefined25, undefined26
    case undefined27, undefined28, undefined29, undefined2A, undefined2B, undefined2C, undefined2D
    case undefined2E, undefined2F
    case address, balance, origin, caller, callvalue, calldataload, calldatasize, calldatacopy
    case codesize, codecopy, gasprice, extcodesize, extcodecopy, returndatasize, returndatacopy
    case extcodehash
    case blockhash, coinbase, timestamp, number, prevrandao, gaslimit, chainid, selfbalance
    case basefee, blobhash, blobbasefee, undefined4B, undefined4C, undefined4D, undefined4E
    case undefined4F
    case pop, mload, mstore, mstore8, sload, sstore, jump, jumpi, pc, msize, gas, jumpdest, tload
    case tstore, mcopy, push0
    case push1, push2, push3, push4, push5, push6, push7, push8, push9, push10, push11, push12
    case push13, push14, push15, push16
    case push17, push18, push19, push20, push21, push22, push23, push24, push25, push26, push27
    case push28, push29, push30, push31, push32
    case dup1, dup2, dup3, dup4, dup5, dup6, dup7, dup8, dup9, dup10, dup11, dup12, dup13, dup14
    case dup15, dup16
    case swap1, swap2, swap3, swap4, swap5, swap6, swap7, swap8, swap9, swap10, swap11, swap12
    case swap13, swap14, swap15, swap16
    case log0, log1, log2, log3, log4, undefinedA5, undefinedA6, undefinedA7, undefinedA8
    case undefinedA9, undefinedAA, undefinedAB, undefinedAC, undefinedAD, undefinedAE, undefinedAF
    case undefinedB0, undefinedB1, undefinedB2, undefinedB3, undefinedB4, undefinedB5, undefinedB6
    case undefinedB7, undefinedB8, undefinedB9, undefinedBA, undefinedBB, undefinedBC, undefinedBD
    case undefinedBE, undefinedBF
    case undefinedC0, undefinedC1, undefinedC2, undefinedC3, undefinedC4, undefinedC5, undefinedC6
    case undefinedC7, undefinedC8, undefinedC9, undefinedCA, undefinedCB, undefinedCC, undefinedCD
    case undefinedCE, undefinedCF
    case undefinedD0, undefinedD1, undefinedD2, undefinedD3, undefinedD4, undefinedD5, undefinedD6
    case undefinedD7, undefinedD8, undefinedD9, undefinedDA, undefinedDB, undefinedDC, undefinedDD
    case undefinedDE, undefinedDF
    case undefinedE0, undefinedE1, undefinedE2, undefinedE3, undefinedE4, undefinedE5, undefinedE6
    case undefinedE7, undefinedE8, undefinedE9, undefinedEA, undefinedEB, undefinedEC, undefinedED
    case undefinedEE, undefinedEF
    case create, call, callcode, `return`, delegatecall, create2, undefinedF6, undefinedF7
    case undefinedF8, undefinedF9, staticcall, undefinedFB, undefinedFC, revert, invalid
    case selfdestruct

    /// The name as the specifications and tracers write it: `PUSH1`. Nil for a byte that no fork
    /// defines.
    public var name: String? { Self.names[Int(rawValue)] }

    private static let names: [String?] = allCases.map { opcode in
        let name = "\(opcode)"
        return name.hasPrefix("undefined") ? nil : name.uppercased()
    }

    /// The number of bytes that follow the opcode and belong to it.
    public var immediateSize: Int { Self.immediateSize(of: rawValue) }

    /// The same, of the instruction with a byte value.
    @inline(always)
    static func immediateSize(of byte: UInt8) -> Int {
        // PUSH1 … PUSH32 are the bytes that, as signed numbers, are at least 0x60.
        Int8(bitPattern: byte) >= Int8(bitPattern: Opcode.push1.rawValue)
            ? Int(byte &- Opcode.push0.rawValue) : 0
    }
}
