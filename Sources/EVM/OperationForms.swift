/// From instructions of byte code to decoded ones, with the forms for operands from elsewhere than the
/// top of the stack: a table, so that decoding is look-ups.

/// What decoding knows of an instruction: its plain operation, and those that do it together with
/// what brings its operands, by where these come from. `none` where there is no such form.
struct Forms: BitwiseCopyable {
    var plain: Operation
    /// The top is a constant.
    var constant = Operation.none
    /// The top is a copy of a word further down.
    var copy = Operation.none
    /// Top and second are copies.
    var copies = Operation.none
    /// The top is a constant, the second a copy; and the other way round.
    var constantAndCopy = Operation.none
    var copyAndConstant = Operation.none
    /// SWAP1 goes before it.
    var swapped = Operation.none
    var traits: Traits = []
    /// Behind so many pushes its result is known when decoding.
    var foldedPushes = UInt8.max

    struct Traits: OptionSet, BitwiseCopyable {
        let rawValue: UInt8

        /// It has all forms with constants and copies.
        static let isBinary = Traits(rawValue: 1)
        /// `copies` stands for the instruction with its operands the other way round.
        static let isReversedOnCopies = Traits(rawValue: 2)
        /// Of a constant it needs no more than the low 64 bits, or that they do not suffice.
        static let takesSmallConstant = Traits(rawValue: 4)
        /// With a constant before it, it makes a pattern.
        static let takesConstant = Traits(rawValue: 8)
        /// What it pushes is known when decoding, and is no short push.
        static let isConstant = Traits(rawValue: 16)
        /// It is the last of its block; and then, whether nothing goes on behind it.
        static let endsBlock = Traits(rawValue: 32)
        static let isTerminal = Traits(rawValue: 64)
    }

    /// The forms of all instructions.
    ///
    /// SAFETY: written once before anybody can read it, never freed.
    nonisolated(unsafe) static let table: UnsafePointer<Forms> = {
        let table = UnsafeMutablePointer<Forms>.allocate(capacity: Opcode.allCases.count)
        for opcode in Opcode.allCases {
            (table + Int(opcode.rawValue)).initialize(to: Forms(opcode))
        }
        return UnsafePointer(table)
    }()

    private init(_ opcode: Opcode) {
        plain = opcode.plainOperation
        setOperandForms(opcode)
        switch opcode {
        case .stop, .return, .revert, .selfdestruct, .jump:
            traits.formUnion([.endsBlock, .isTerminal])
        case .jumpi, .gas, .sstore, .call, .callcode, .delegatecall, .staticcall, .create, .create2:
            traits.insert(.endsBlock)
        case .pc, .codesize: traits.insert(.isConstant)
        case .add, .sub, .mul, .div, .and, .or, .xor, .eq, .lt, .gt, .shl, .shr: foldedPushes = 2
        case .not, .iszero, .dup1: foldedPushes = 1
        default: break
        }
        if constant != .none || opcode == .jump || opcode == .jumpi || opcode == .swap1 {
            traits.insert(.takesConstant)
        }
    }

    private mutating func setOperandForms(_ opcode: Opcode) {
        switch opcode {
        case .add:
            setBinary(.addConstant, .addCopy, .addCopies, .addConstantAndCopy, swapped: .add)
        case .mul:
            setBinary(
                .multiplyConstant, .multiplyCopy, .multiplyCopies, .multiplyConstantAndCopy,
                swapped: .multiply)
        case .and:
            setBinary(.andConstant, .andCopy, .andCopies, .andConstantAndCopy, swapped: .and)
        case .or: setBinary(.orConstant, .orCopy, .orCopies, .orConstantAndCopy, swapped: .or)
        case .xor:
            setBinary(.xorConstant, .xorCopy, .xorCopies, .xorConstantAndCopy, swapped: .xor)
        case .eq:
            setBinary(
                .equalConstant, .equalCopy, .equalCopies, .equalConstantAndCopy, swapped: .equal)
        case .sub:
            setBinary(
                .subtractConstant, .subtractCopy, .subtractCopies, .subtractConstantAndCopy,
                .subtractCopyAndConstant, swapped: .subtractSwapped)
        case .lt:
            setBinary(
                .lessConstant, .lessCopy, .lessCopies, .lessConstantAndCopy, .lessCopyAndConstant,
                swapped: .greater)
        case .gt:
            setBinary(
                .greaterConstant, .greaterCopy, .lessCopies, .lessCopyAndConstant,
                .lessConstantAndCopy, swapped: .less)
            traits.insert(.isReversedOnCopies)
        case .slt:
            setBinary(
                .signedLessConstant, .signedLessCopy, .signedLessCopies,
                .signedLessConstantAndCopy, .signedLessCopyAndConstant, swapped: .signedGreater)
        case .sgt:
            setBinary(
                .signedGreaterConstant, .signedGreaterCopy, .signedLessCopies,
                .signedLessCopyAndConstant, .signedLessConstantAndCopy, swapped: .signedLess)
            traits.insert(.isReversedOnCopies)
        case .shl: setShift(.shiftLeftConstant, .shiftLeftCopyByConstant, .shiftLeftSwapped)
        case .shr: setShift(.shiftRightConstant, .shiftRightCopyByConstant, .shiftRightSwapped)
        case .sar:
            setShift(
                .shiftRightSignedConstant, .shiftRightSignedCopyByConstant,
                .shiftRightSignedSwapped)
        case .byte:
            constant = .byteConstant
            traits.insert(.takesSmallConstant)
        case .signextend:
            constant = .signExtendConstant
            traits.insert(.takesSmallConstant)
        case .mload:
            constant = .loadAtConstant
            copy = .loadAtCopy
        case .mstore:
            constant = .storeAtConstant
            copy = .storeAtCopy
            copies = .storeCopyAtCopy
            copyAndConstant = .storeConstantAtCopy
            swapped = .storeSwapped
            traits.insert(.isReversedOnCopies)
        case .iszero: copy = .isZeroCopy
        default: break
        }
    }

    private mutating func setBinary(
        _ constant: Operation, _ copy: Operation, _ copies: Operation,
        _ constantAndCopy: Operation, _ copyAndConstant: Operation? = nil, swapped: Operation
    ) {
        self.constant = constant
        self.copy = copy
        self.copies = copies
        self.constantAndCopy = constantAndCopy
        // Without an operation of its own it makes no difference which is the top.
        self.copyAndConstant = copyAndConstant ?? constantAndCopy
        self.swapped = swapped
        traits.insert(.isBinary)
    }

    private mutating func setShift(
        _ constant: Operation, _ copyByConstant: Operation, _ swapped: Operation
    ) {
        self.constant = constant
        constantAndCopy = copyByConstant
        self.swapped = swapped
        traits.insert(.takesSmallConstant)
    }
}

extension Operation {
    /// No form: an operation that no instruction has as one.
    static var none: Operation { .next }
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
