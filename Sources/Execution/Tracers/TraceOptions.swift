//  What a trace of instructions contains.

/// The parts of a trace that cost much, each of which can be left out: geth's `logger.Config`.
public struct TraceOptions: Hashable, Sendable {
    /// The whole memory at each instruction (geth's `enableMemory`).
    public var includesMemory: Bool
    /// The whole stack at each instruction (`disableStack`).
    public var includesStack: Bool
    /// What SLOAD and SSTORE have shown of the account's storage (`disableStorage`).
    public var includesStorage: Bool
    /// What the last call returned (`enableReturnData`).
    public var includesReturnData: Bool
    /// Bytes of trace after which no more instructions are added (`limit`); nil for no limit.
    public var byteLimit: Int?

    /// What geth includes by default, unless said otherwise.
    public init(
        includesMemory: Bool = false, includesStack: Bool = true, includesStorage: Bool = true,
        includesReturnData: Bool = false, byteLimit: Int? = nil
    ) {
        self.includesMemory = includesMemory
        self.includesStack = includesStack
        self.includesStorage = includesStorage
        self.includesReturnData = includesReturnData
        self.byteLimit = byteLimit
    }
}
