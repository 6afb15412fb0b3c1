/// What goes into the virtual machine and what comes out of it.

public import Primitives

/// What code can learn about the block it runs in (Yellow Paper 9.3, H).
public struct BlockEnvironment: Hashable, Sendable {
    /// Who is paid for the block.
    public var coinbase: Address
    /// The block's own number.
    public var number: BlockNumber
    /// Its time in seconds.
    public var timestamp: Timestamp
    /// The gas that all its transactions may use.
    public var gasLimit: Gas

    /// Zero before London.
    public var baseFeePerGas: Wei

    /// Proof-of-work difficulty; zero since the merge.
    public var difficulty: UInt256

    /// The beacon chain's randomness, which DIFFICULTY gives since the merge (EIP-4399).
    public var prevRandao: Hash256

    /// The price of a unit of blob gas (EIP-7516).
    public var blobBaseFee: Wei
    /// What CHAINID gives (EIP-1344).
    public var chainId: UInt256

    /// An environment of all its values.
    public init(
        coinbase: Address, number: BlockNumber, timestamp: Timestamp, gasLimit: Gas,
        baseFeePerGas: Wei, difficulty: UInt256, prevRandao: Hash256, blobBaseFee: Wei,
        chainId: UInt256
    ) {
        self.coinbase = coinbase
        self.number = number
        self.timestamp = timestamp
        self.gasLimit = gasLimit
        self.baseFeePerGas = baseFeePerGas
        self.difficulty = difficulty
        self.prevRandao = prevRandao
        self.blobBaseFee = blobBaseFee
        self.chainId = chainId
    }
}

/// What code can learn about the transaction it runs in.
public struct TransactionEnvironment: Hashable, Sendable {
    /// Who signed it.
    public var origin: Address

    /// The effective price.
    public var gasPrice: Wei
    /// The hashes of its blobs, for BLOBHASH.
    public var blobVersionedHashes: [Hash256]

    /// An environment of all its values.
    public init(origin: Address, gasPrice: Wei, blobVersionedHashes: [Hash256] = []) {
        self.origin = origin
        self.gasPrice = gasPrice
        self.blobVersionedHashes = blobVersionedHashes
    }
}

/// A message call from outside: of a transaction, a system call or a simulation.
public struct Message: Hashable, Sendable {
    /// What a message does.
    public enum Kind: Hashable, Sendable {
        /// Runs the code of `codeAddress` on the state of `recipient`.
        case call

        /// Runs `data` as initialisation code and puts its output at `recipient`, the address that the
        /// caller has computed.
        case create
    }

    /// Call or creation.
    public var kind: Kind
    /// Who sends it.
    public var caller: Address

    /// Whose storage and balance it is: the called or created account.
    public var recipient: Address

    /// Whose code runs. If that is a delegation, the delegate's code does (EIP-7702).
    public var codeAddress: Address
    /// How much is transferred.
    public var value: Wei

    /// The call data, or the initialisation code.
    public var data: Bytes
    /// How much gas it may use.
    public var gas: Gas

    /// The state must not change (EIP-214).
    public var isStatic: Bool

    /// A message of all its parts.
    public init(
        kind: Kind, caller: Address, recipient: Address, codeAddress: Address, value: Wei,
        data: Bytes, gas: Gas, isStatic: Bool = false
    ) {
        self.kind = kind
        self.caller = caller
        self.recipient = recipient
        self.codeAddress = codeAddress
        self.value = value
        self.data = data
        self.gas = gas
        self.isStatic = isStatic
    }

    /// A call of an account.
    public static func call(
        from caller: Address, to recipient: Address, value: Wei, data: Bytes, gas: Gas
    ) -> Message {
        Message(
            kind: .call, caller: caller, recipient: recipient, codeAddress: recipient, value: value,
            data: data, gas: gas)
    }

    /// The creation of a contract at an address; see `contractAddress`.
    public static func create(
        from caller: Address, at address: Address, value: Wei, initCode: Bytes, gas: Gas
    ) -> Message {
        Message(
            kind: .create, caller: caller, recipient: address, codeAddress: address, value: value,
            data: initCode, gas: gas)
    }
}

/// Why a frame ended other than by STOP, RETURN or SELFDESTRUCT.
///
/// All but `reverted` take all gas of the frame; all take back its changes.
public enum Halt: Error, Hashable, Sendable {
    /// REVERT: the rest of the gas is given back, and there is output.
    case reverted
    case outOfGas

    /// Fewer words on the stack than the instruction takes.
    case stackUnderflow(have: UInt16, needed: UInt16)

    /// More words on the stack than leave room for what the instruction puts there.
    case stackOverflow(have: UInt16, limit: UInt16)

    /// JUMP or JUMPI to what is not a JUMPDEST.
    case invalidJump

    /// INVALID, or a byte that is no instruction of the fork.
    case invalidOpcode(UInt8)

    /// A change of state inside of STATICCALL.
    case writeProtection

    /// RETURNDATACOPY beyond the end of the return data.
    case returnDataOutOfBounds

    /// More than 1024 frames.
    case callDepthExceeded
    case insufficientBalance

    /// The address of a new contract is in use.
    case addressCollision

    /// The creator's nonce is at its maximum (EIP-2681).
    case nonceOverflow

    /// Initialisation code above the limit (EIP-3860).
    case initCodeTooLarge

    /// Code above the limit (EIP-170).
    case codeTooLarge

    /// Code that begins with 0xEF (EIP-3541).
    case invalidCodePrefix

    /// The gas does not suffice to store the code.
    case codeStoreOutOfGas

    /// A precompile refused its input.
    case precompileFailed

    /// SSTORE with no more gas than a stipend (EIP-2200).
    case reentrancySentry

    /// The run was ended from outside: nothing is said about the code.
    case cancelled
}

/// How a message call ended. Logs and refund are in the state.
public struct MessageResult: Hashable, Sendable {
    /// Nil if it succeeded.
    public var halt: Halt?
    /// What was not used; zero after an exceptional halt.
    public var gasLeft: Gas

    /// What was returned; of a creation the code.
    public var output: Bytes

    /// A result of all its parts.
    public init(halt: Halt?, gasLeft: Gas, output: Bytes) {
        self.halt = halt
        self.gasLeft = gasLeft
        self.output = output
    }
}
