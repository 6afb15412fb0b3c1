/// From instructions of byte code to decoded ones, with the forms for operands from elsewhere than the
/// top of the stack.

/// The forms of an instruction with two operands, by where the operands come from.
struct Binary {
    let plain: Operation
    /// The top is a constant.
    let constant: Operation
    /// The top is a copy of a word further down.
    let copy: Operation
    /// Top and second are copies.
    let copies: Operation
    /// The top is a constant, the second a copy; and the other way round.
    let constantAndCopy: Operation
    let copyAndConstant: Operation

    /// `copies` stands for the instruction with its operands the other way round.
    var isReversedOnCopies = false

    init?(_ opcode: Opcode) {
        switch opcode {
        case .add:
            self.init(
                .add, .addConstant, .addCopy, .addCopies, .addConstantAndCopy, .addConstantAndCopy)
        case .mul:
            self.init(
                .multiply, .multiplyConstant, .multiplyCopy, .multiplyCopies,
                .multiplyConstantAndCopy, .multiplyConstantAndCopy)
        case .and:
            self.init(
                .and, .andConstant, .andCopy, .andCopies, .andConstantAndCopy, .andConstantAndCopy)
        case .or:
            self.init(.or, .orConstant, .orCopy, .orCopies, .orConstantAndCopy, .orConstantAndCopy)
        case .xor:
            self.init(
                .xor, .xorConstant, .xorCopy, .xorCopies, .xorConstantAndCopy, .xorConstantAndCopy)
        case .eq:
            self.init(
                .equal, .equalConstant, .equalCopy, .equalCopies, .equalConstantAndCopy,
                .equalConstantAndCopy)
        case .sub:
            self.init(
                .subtract, .subtractConstant, .subtractCopy, .subtractCopies,
                .subtractConstantAndCopy, .subtractCopyAndConstant)
        case .lt:
            self.init(
                .less, .lessConstant, .lessCopy, .lessCopies, .lessConstantAndCopy,
                .lessCopyAndConstant)
        case .gt:
            self.init(
                .greater, .greaterConstant, .greaterCopy, .lessCopies, .lessCopyAndConstant,
                .lessConstantAndCopy)
            isReversedOnCopies = true
        case .slt:
            self.init(
                .signedLess, .signedLessConstant, .signedLessCopy, .signedLessCopies,
                .signedLessConstantAndCopy, .signedLessCopyAndConstant)
        case .sgt:
            self.init(
                .signedGreater, .signedGreaterConstant, .signedGreaterCopy, .signedLessCopies,
                .signedLessCopyAndConstant, .signedLessConstantAndCopy)
            isReversedOnCopies = true
        default: return nil
        }
    }

    private init(
        _ plain: Operation, _ constant: Operation, _ copy: Operation, _ copies: Operation,
        _ constantAndCopy: Operation, _ copyAndConstant: Operation
    ) {
        self.plain = plain
        self.constant = constant
        self.copy = copy
        self.copies = copies
        self.constantAndCopy = constantAndCopy
        self.copyAndConstant = copyAndConstant
    }
}

/// A comparison that a jump depends on.
struct Comparison {
    private enum Kind { case less, greater, signedLess, signedGreater, equal }

    private let kind: Kind

    /// It is true if the comparison is not: SUB and XOR as tests for inequality.
    let isInverted: Bool

    /// `jumpOnCopies` has no form of its own for it, but one with the operands the other way round.
    var isReversed: Bool { kind == .greater || kind == .signedGreater }

    init?(_ opcode: Opcode) {
        switch opcode {
        case .lt: kind = .less
        case .gt: kind = .greater
        case .slt: kind = .signedLess
        case .sgt: kind = .signedGreater
        case .eq, .sub, .xor: kind = .equal
        default: return nil
        }
        isInverted = opcode == .sub || opcode == .xor
    }

    func jump(_ isNegated: Bool) -> Operation {
        switch kind {
        case .less: isNegated ? .jumpToUnlessLess : .jumpToIfLess
        case .greater: isNegated ? .jumpToUnlessGreater : .jumpToIfGreater
        case .signedLess: isNegated ? .jumpToUnlessSignedLess : .jumpToIfSignedLess
        case .signedGreater: isNegated ? .jumpToUnlessSignedGreater : .jumpToIfSignedGreater
        case .equal: isNegated ? .jumpToUnlessEqual : .jumpToIfEqual
        }
    }

    func jumpOnCopies(_ isNegated: Bool) -> Operation {
        switch kind {
        case .less, .greater: isNegated ? .jumpToUnlessCopiesLess : .jumpToIfCopiesLess
        case .signedLess, .signedGreater:
            isNegated ? .jumpToUnlessCopiesSignedLess : .jumpToIfCopiesSignedLess
        case .equal: isNegated ? .jumpToUnlessCopiesEqual : .jumpToIfCopiesEqual
        }
    }

    /// On a copy with a constant above it: the constant is the first operand.
    func jumpOnConstant(_ isNegated: Bool) -> Operation? {
        switch kind {
        case .less:
            isNegated ? .jumpToUnlessCopyGreaterThanConstant : .jumpToIfCopyGreaterThanConstant
        case .greater:
            isNegated ? .jumpToUnlessCopyLessThanConstant : .jumpToIfCopyLessThanConstant
        case .equal: isNegated ? .jumpToUnlessCopyEqualConstant : .jumpToIfCopyEqualConstant
        case .signedLess, .signedGreater: nil
        }
    }
}

extension Opcode {
    /// n of DUPn.
    var copiedDepth: Int? {
        rawValue >= Opcode.dup1.rawValue && rawValue <= Opcode.dup16.rawValue
            ? Int(rawValue - Opcode.dup1.rawValue) + 1 : nil
    }

    /// n of SWAPn.
    var swappedDepth: Int? {
        rawValue >= Opcode.swap1.rawValue && rawValue <= Opcode.swap16.rawValue
            ? Int(rawValue - Opcode.swap1.rawValue) + 1 : nil
    }

    /// n of LOGn.
    var topicCount: Int? {
        rawValue >= Opcode.log0.rawValue && rawValue <= Opcode.log4.rawValue
            ? Int(rawValue - Opcode.log0.rawValue) : nil
    }

    /// The decoded instruction that does the same, for those without operands in the code.
    var plainOperation: Operation {
        switch self {
        case .stop: .stop
        case .add: .add
        case .mul: .multiply
        case .sub: .subtract
        case .div: .divide
        case .sdiv: .signedDivide
        case .mod: .modulo
        case .smod: .signedModulo
        case .addmod: .addModulo
        case .mulmod: .multiplyModulo
        case .exp: .exponentiate
        case .signextend: .signExtend
        case .lt: .less
        case .gt: .greater
        case .slt: .signedLess
        case .sgt: .signedGreater
        case .eq: .equal
        case .iszero: .isZero
        case .and: .and
        case .or: .or
        case .xor: .xor
        case .not: .not
        case .byte: .byte
        case .shl: .shiftLeft
        case .shr: .shiftRight
        case .sar: .shiftRightSigned
        case .clz: .countLeadingZeros
        case .keccak256: .hash
        case .address: .address
        case .balance: .balance
        case .origin: .origin
        case .caller: .caller
        case .callvalue: .callValue
        case .calldataload: .callDataLoad
        case .calldatasize: .callDataSize
        case .calldatacopy: .callDataCopy
        case .codecopy: .codeCopy
        case .gasprice: .gasPrice
        case .extcodesize: .externalCodeSize
        case .extcodecopy: .externalCodeCopy
        case .returndatasize: .returnDataSize
        case .returndatacopy: .returnDataCopy
        case .extcodehash: .externalCodeHash
        case .blockhash: .blockHash
        case .coinbase: .coinbase
        case .timestamp: .timestamp
        case .number: .number
        case .prevrandao: .difficulty
        case .gaslimit: .gasLimit
        case .chainid: .chainId
        case .selfbalance: .selfBalance
        case .basefee: .baseFee
        case .blobhash: .blobHash
        case .blobbasefee: .blobBaseFee
        case .mload: .load
        case .mstore: .store
        case .mstore8: .storeByte
        case .sload: .storageLoad
        case .sstore: .storageStore
        case .jump: .jump
        case .jumpi: .jumpIf
        case .msize: .memorySize
        case .gas: .gas
        case .tload: .transientLoad
        case .tstore: .transientStore
        case .mcopy: .memoryCopy
        case .create: .create
        case .call: .call
        case .callcode: .callCode
        case .return: .return
        case .delegatecall: .delegateCall
        case .create2: .create2
        case .staticcall: .staticCall
        case .revert: .revert
        case .selfdestruct: .selfDestruct
        default: .leave
        }
    }
}
