/// The forks as data: which instructions there are, what everything costs, which rules hold.
///
/// Each fork is the one before it plus its changes, so that this file reads as the history of the
/// protocol. Nothing else in `EVM` compares forks.

import EthereumTypes
import Primitives

/// What is checked before an instruction runs.
///
/// Heights of the stack are in bytes, 32 a word, because that is how the interpreter measures them.
package struct InstructionInfo: BitwiseCopyable {
    /// The part of the cost that does not depend on operands.
    var gas: Int32

    /// The least height. For an instruction that the fork lacks it is more than the stack can have.
    package var minHeight: UInt16

    /// The greatest height at which what it pushes still fits.
    package var maxHeight: UInt16

    static let undefined = InstructionInfo(gas: 0, minHeight: .max, maxHeight: 0)

    init(gas: Int32, minHeight: UInt16, maxHeight: UInt16) {
        self.gas = gas
        self.minHeight = minHeight
        self.maxHeight = maxHeight
    }

    init(gas: Int, pops: Int, pushes: Int) {
        self.gas = Int32(gas)
        minHeight = UInt16(pops * 32)
        maxHeight = UInt16((Machine.stackLimit - max(0, pushes - pops)) * 32)
    }

    package var isDefined: Bool { minHeight != .max }
}

/// Which of the rules for SSTORE holds.
enum StorageGasRule: BitwiseCopyable {
    /// By the value before and the new one.
    case simple

    /// By the original, the current and the new value (EIP-1283).
    case net

    /// The same, and it fails with 2300 gas or less (EIP-2200).
    case netWithSentry
}

/// When calling an account that is not there costs extra.
enum NewAccountRule: BitwiseCopyable {
    /// Whenever it does not exist.
    case missing

    /// When it is empty and value is transferred (EIP-161).
    case emptyWithValue
}

/// How the gas of MODEXP is counted.
enum ModexpPricing: BitwiseCopyable {
    case eip198, eip2565, eip7883
}

package struct GasSchedule: BitwiseCopyable {
    package var instructions: InlineArray<256, InstructionInfo>

    /// By how many words each instruction changes the height of the stack.
    package var stackChanges = InlineArray<256, Int8>(repeating: 0)

    // Storage.
    var storageRule = StorageGasRule.simple
    var storageSet = 20000
    var storageReset = 5000
    /// What SSTORE costs at least, and what a slot already written costs.
    var storageDirty = 5000
    var storageClearRefund = 15000

    // Warm and cold (EIP-2929); nothing is cold before Berlin.
    var hasAccessLists = false
    /// Added to the warm price in the table.
    var coldAccountSurcharge = 0
    var coldSlotSurcharge = 0
    var warmAccess = 0
    var coldAccountAccess = 0

    // Calls.
    var callValue = 9000
    var callStipend = 2300
    var newAccount = 25000
    var newAccountRule = NewAccountRule.missing
    /// A call gets at most all but one 64th of the gas (EIP-150), else what it asks for.
    var keepsOne64th = false
    /// Code may be a delegation (EIP-7702).
    var hasDelegations = false

    // Creation.
    var codeDepositByte = 200
    var initCodeWord = 0
    var maxInitCodeSize = Int.max
    var maxCodeSize = Int.max
    /// Creation fails if the gas does not suffice to store the code (EIP-2); in Frontier the code is empty.
    var failsWithoutDepositGas = false
    /// A new contract has nonce 1 (EIP-161).
    var newContractNonce: UInt64 = 0
    /// Code must not begin with 0xEF (EIP-3541).
    var reservesCodePrefix = false

    // SELFDESTRUCT.
    var selfDestructRefund = 24000
    /// It costs `newAccount` if the beneficiary is not there (EIP-150).
    var selfDestructChargesNewAccount = false
    /// It deletes only what the same transaction created (EIP-6780).
    var selfDestructOnlyNew = false

    // Other instructions.
    var expByte = 10
    /// DIFFICULTY is PREVRANDAO (EIP-4399).
    var hasPrevRandao = false

    // Precompiles: 0x01 up to this one, and perhaps P256VERIFY at 0x100.
    var lastPrecompile: UInt8 = 4
    var hasP256Verify = false
    var modexpPricing = ModexpPricing.eip198
    var bn254Add = 500
    var bn254Multiply = 40000
    var bn254PairingBase = 100_000
    var bn254PairingPair = 80000
    var p256Verify = 6900
    /// Where they stand in a simulation that moves some; nil in every fork.
    var moved: Unmanaged<MovedPrecompiles>?

    /// Accounts that are empty when touched are deleted (EIP-161).
    var deletesEmptyAccounts = false

    /// The tables by opcode of a schedule, where they are: reading one entry copies no table.
    static func instructions(
        of schedule: UnsafePointer<GasSchedule>
    ) -> UnsafePointer<InstructionInfo> {
        UnsafeRawPointer(schedule).advanced(
            by: MemoryLayout<GasSchedule>.offset(of: \.instructions) ?? 0
        ).assumingMemoryBound(to: InstructionInfo.self)
    }

    static func stackChanges(of schedule: UnsafePointer<GasSchedule>) -> UnsafePointer<Int8> {
        UnsafeRawPointer(schedule).advanced(
            by: MemoryLayout<GasSchedule>.offset(of: \.stackChanges) ?? 0
        ).assumingMemoryBound(to: Int8.self)
    }

    /// The schedule of a fork, at an address that stays. Forks without a difference share it, and with
    /// it decoded code.
    package static func of(_ fork: Fork) -> UnsafePointer<GasSchedule> {
        var fork = fork
        while !fork.changesInstructions, let before = Fork(rawValue: fork.rawValue - 1) {
            fork = before
        }
        return table.base + Int(fork.rawValue)
    }

    /// SAFETY: one schedule for each fork, written once before anybody can read it, never freed.
    private struct Table: @unchecked Sendable {
        let base: UnsafePointer<GasSchedule>

        init() {
            let base = UnsafeMutablePointer<GasSchedule>.allocate(capacity: Fork.allCases.count)
            var schedule = GasSchedule()
            for fork in Fork.allCases {
                schedule.apply(fork)
                (base + Int(fork.rawValue)).initialize(to: schedule)
            }
            self.base = UnsafePointer(base)
        }
    }

    private static let table = Table()

    // MARK: The history

    private mutating func apply(_ fork: Fork) {
        switch fork {
        case .frontier: break  // As `init` makes it.
        case .homestead: homestead()
        case .tangerineWhistle: tangerineWhistle()
        case .spuriousDragon: spuriousDragon()
        case .byzantium: byzantium()
        case .constantinople: constantinople()
        case .petersburg: petersburg()
        case .istanbul: istanbul()
        case .berlin: berlin()
        case .london: london()
        case .paris: paris()
        case .shanghai: shanghai()
        case .cancun: cancun()
        case .prague: prague()
        case .osaka: osaka()
        case .dao, .muirGlacier, .arrowGlacier, .grayGlacier, .bpo1, .bpo2, .bpo3, .bpo4, .bpo5:
            break  // `changesInstructions` is false.
        }
    }

    /// Frontier: Yellow Paper, appendices G and H, at the launch.
    private init() {
        instructions = InlineArray(repeating: .undefined)
        define(.stop, 0, 0, 0)
        for opcode in [Opcode.add, .sub, .lt, .gt, .slt, .sgt, .eq, .and, .or, .xor, .byte] {
            define(opcode, 3, 2, 1)
        }
        for opcode in [Opcode.iszero, .not, .calldataload, .mload] { define(opcode, 3, 1, 1) }
        for opcode in [Opcode.mul, .div, .sdiv, .mod, .smod, .signextend] {
            define(opcode, 5, 2, 1)
        }
        for opcode in [Opcode.addmod, .mulmod] { define(opcode, 8, 3, 1) }
        define(.exp, 10, 2, 1)
        define(.keccak256, 30, 2, 1)
        for opcode in [
            Opcode.address, .origin, .caller, .callvalue, .calldatasize, .codesize, .gasprice,
            .coinbase, .timestamp, .number, .prevrandao, .gaslimit, .pc, .msize, .gas,
        ] {
            define(opcode, 2, 0, 1)
        }
        for opcode in [Opcode.calldatacopy, .codecopy] { define(opcode, 3, 3, 0) }
        for opcode in [Opcode.balance, .extcodesize, .blockhash] { define(opcode, 20, 1, 1) }
        define(.extcodecopy, 20, 4, 0)
        define(.pop, 2, 1, 0)
        for opcode in [Opcode.mstore, .mstore8] { define(opcode, 3, 2, 0) }
        define(.sload, 50, 1, 1)
        define(.sstore, 0, 2, 0)
        define(.jump, 8, 1, 0)
        define(.jumpi, 10, 2, 0)
        define(.jumpdest, 1, 0, 0)
        for size in 1...32 { define(Opcode.push0.rawValue + UInt8(size), 3, 0, 1) }
        for depth in 1...16 {
            define(Opcode.dup1.rawValue + UInt8(depth - 1), 3, depth, depth + 1)
            define(Opcode.swap1.rawValue + UInt8(depth - 1), 3, depth + 1, depth + 1)
        }
        for topics in 0...4 {
            define(Opcode.log0.rawValue + UInt8(topics), 375 + 375 * topics, 2 + topics, 0)
        }
        define(.create, 32000, 3, 1)
        define(.call, 40, 7, 1)
        define(.callcode, 40, 7, 1)
        define(.return, 0, 2, 0)
        define(.selfdestruct, 0, 1, 0)
    }

    private mutating func homestead() {
        define(.delegatecall, 40, 6, 1)  // EIP-7
        failsWithoutDepositGas = true  // EIP-2
    }

    /// EIP-150: gas costs of input and output.
    private mutating func tangerineWhistle() {
        for opcode in [Opcode.extcodesize, .extcodecopy] { reprice(opcode, 700) }
        reprice(.balance, 400)
        reprice(.sload, 200)
        for opcode in [Opcode.call, .callcode, .delegatecall] { reprice(opcode, 700) }
        reprice(.selfdestruct, 5000)
        selfDestructChargesNewAccount = true
        keepsOne64th = true
    }

    private mutating func spuriousDragon() {
        expByte = 50  // EIP-160
        newAccountRule = .emptyWithValue  // EIP-161
        newContractNonce = 1
        deletesEmptyAccounts = true
        maxCodeSize = 24576  // EIP-170
    }

    private mutating func byzantium() {
        define(.revert, 0, 2, 0)  // EIP-140
        define(.returndatasize, 2, 0, 1)  // EIP-211
        define(.returndatacopy, 3, 3, 0)
        define(.staticcall, 700, 6, 1)  // EIP-214
        lastPrecompile = 8  // EIP-196, 197, 198
    }

    private mutating func constantinople() {
        for opcode in [Opcode.shl, .shr, .sar] { define(opcode, 3, 2, 1) }  // EIP-145
        define(.create2, 32000, 4, 1)  // EIP-1014
        define(.extcodehash, 400, 1, 1)  // EIP-1052
        storageRule = .net  // EIP-1283
        storageDirty = 200
    }

    /// EIP-1716: without EIP-1283.
    private mutating func petersburg() {
        storageRule = .simple
        storageDirty = 5000
    }

    private mutating func istanbul() {
        lastPrecompile = 9  // EIP-152
        bn254Add = 150  // EIP-1108
        bn254Multiply = 6000
        bn254PairingBase = 45000
        bn254PairingPair = 34000
        define(.chainid, 2, 0, 1)  // EIP-1344
        define(.selfbalance, 5, 0, 1)  // EIP-1884
        reprice(.sload, 800)
        reprice(.balance, 700)
        reprice(.extcodehash, 700)
        storageRule = .netWithSentry  // EIP-2200
        storageDirty = 800
    }

    private mutating func berlin() {
        modexpPricing = .eip2565
        hasAccessLists = true  // EIP-2929
        warmAccess = 100
        coldAccountAccess = 2600
        coldAccountSurcharge = 2500
        coldSlotSurcharge = 2000
        for opcode in [
            Opcode.sload, .balance, .extcodesize, .extcodecopy, .extcodehash, .call, .callcode,
            .delegatecall, .staticcall,
        ] {
            reprice(opcode, warmAccess)
        }
        storageDirty = 100
        storageReset = 5000 - 2100
    }

    private mutating func london() {
        define(.basefee, 2, 0, 1)  // EIP-3198
        storageClearRefund = 4800  // EIP-3529
        selfDestructRefund = 0
        reservesCodePrefix = true  // EIP-3541
    }

    private mutating func paris() {
        hasPrevRandao = true  // EIP-4399
    }

    private mutating func shanghai() {
        define(.push0, 2, 0, 1)  // EIP-3855
        initCodeWord = 2  // EIP-3860
        maxInitCodeSize = 49152
    }

    private mutating func cancun() {
        define(.tload, 100, 1, 1)  // EIP-1153
        define(.tstore, 100, 2, 0)
        define(.mcopy, 3, 3, 0)  // EIP-5656
        define(.blobhash, 3, 1, 1)  // EIP-4844
        define(.blobbasefee, 2, 0, 1)  // EIP-7516
        selfDestructOnlyNew = true  // EIP-6780
        lastPrecompile = 10
    }

    private mutating func prague() {
        hasDelegations = true  // EIP-7702
        lastPrecompile = 17  // EIP-2537
    }

    private mutating func osaka() {
        define(.clz, 5, 1, 1)  // EIP-7939
        modexpPricing = .eip7883  // and EIP-7823
        hasP256Verify = true  // EIP-7951
    }

    // MARK: How a change is written

    private mutating func define(_ opcode: Opcode, _ gas: Int, _ pops: Int, _ pushes: Int) {
        define(opcode.rawValue, gas, pops, pushes)
    }

    private mutating func define(_ opcode: UInt8, _ gas: Int, _ pops: Int, _ pushes: Int) {
        instructions[Int(opcode)] = InstructionInfo(gas: gas, pops: pops, pushes: pushes)
        stackChanges[Int(opcode)] = Int8(pushes - pops)
    }

    private mutating func reprice(_ opcode: Opcode, _ gas: Int) {
        instructions[Int(opcode.rawValue)].gas = Int32(gas)
    }
}

extension Fork {
    /// Whether the fork changes anything here.
    fileprivate var changesInstructions: Bool {
        switch self {
        case .dao, .muirGlacier, .arrowGlacier, .grayGlacier, .bpo1, .bpo2, .bpo3, .bpo4, .bpo5:
            false
        case .frontier, .homestead, .tangerineWhistle, .spuriousDragon, .byzantium,
            .constantinople, .petersburg, .istanbul, .berlin, .london, .paris, .shanghai, .cancun,
            .prague, .osaka:
            true
        }
    }
}
