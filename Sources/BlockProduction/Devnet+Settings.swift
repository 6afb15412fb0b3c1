import EthereumTypes
public import Primitives
public import Storage

/// What a devnet's user may set: the time, the next block, the state and who signs.
extension Devnet {
    // MARK: - Time

    /// Moves the clock.
    ///
    /// - Returns: how many seconds it is then ahead of the wall clock.
    @discardableResult
    public func increaseTime(by seconds: Int64) throws(DevnetError) -> Int64 {
        try change { $0.clock.increase(by: seconds) }
        return timeOffset
    }

    /// Makes the clock show a time.
    ///
    /// - Returns: how many seconds it is then ahead of the wall clock.
    @discardableResult
    public func setTime(_ time: Timestamp) throws(DevnetError) -> Int64 {
        let now = now()
        try change { $0.clock.set(to: time, now: now) }
        return timeOffset
    }

    /// Sets the timestamp of the next block; the clock then goes on from it.
    public func setNextBlockTimestamp(_ timestamp: Timestamp) throws(DevnetError) {
        let head = chain.head.header.timestamp
        let isLater =
            switch options.timestampRepetition {
            case .never: timestamp > head
            case .allowed: timestamp >= head
            }
        guard isLater else { throw .timestampNotAfterHead(given: timestamp, head: head) }
        try change { $0.clock.nextTimestamp = timestamp }
    }

    /// Sets the seconds between the timestamps of blocks, or lets them follow the clock again.
    ///
    /// - Returns: whether there was an interval before.
    @discardableResult
    public func setBlockTimestampInterval(_ seconds: UInt64?) throws(DevnetError) -> Bool {
        let before = state.withLock { $0.settings.clock.interval }
        try change { $0.clock.interval = seconds }
        return before != nil
    }

    /// Seconds that the clock is ahead of the wall clock.
    public var timeOffset: Int64 { state.withLock { $0.settings.clock.offset } }

    /// The timestamp that the next block would get now.
    public var nextTimestamp: Timestamp {
        let clock = state.withLock { $0.settings.clock }
        return clock.timestamp(
            after: chain.head.header.timestamp, now: now(), repeats: options.timestampRepetition)
    }

    // MARK: - The next block

    /// Sets the base fee of the next block.
    public func setNextBaseFee(_ baseFee: Wei) throws(DevnetError) {
        try change { $0.nextBaseFee = baseFee }
    }

    /// Sets the randomness of the next block.
    public func setNextPrevRandao(_ prevRandao: Hash256) throws(DevnetError) {
        try change { $0.nextPrevRandao = prevRandao }
    }

    /// Sets the gas limit of all blocks from now on.
    public func setGasLimit(_ gasLimit: Gas) throws(DevnetError) {
        try change { $0.gasLimit = gasLimit }
    }

    /// The gas limit of the next block.
    public var gasLimit: Gas { pool.head.gasLimit }

    /// The base fee of the next block; `nil` before London.
    public var nextBaseFee: Wei? { pool.head.baseFee }

    /// Sets who gets the fees of all blocks from now on.
    public func setCoinbase(_ coinbase: Address) throws(DevnetError) {
        try change { $0.coinbase = coinbase }
    }

    /// Sets what the headers of all blocks from now on carry.
    ///
    /// - Precondition: at most 32 bytes: no node would take a header with more.
    public func setExtraData(_ extraData: Bytes) throws(DevnetError) {
        precondition(extraData.count <= 32, "a header carries at most 32 bytes of extra data")
        try change { $0.extraData = extraData }
    }

    /// Who gets the fees.
    public var coinbase: Address { state.withLock { $0.settings.coinbase } }

    // MARK: - The state

    /// Changes the state outside any transaction. The change is visible at once, and part of the
    /// next block (decision D9).
    public func override(_ overrides: [PreBlockOverride]) async throws(DevnetError) {
        await turnstile.enter()
        defer { turnstile.leave() }
        do { _ = try await chain.setOverrides(overrides) } catch { throw .chain(error) }
        updatePool()
    }

    // MARK: - Impersonation

    /// Lets transactions of an account pass without its signature.
    public func impersonate(_ address: Address) throws(DevnetError) {
        let fits = state.withLock { state in
            guard state.impersonated.count < DevnetLimits.impersonatedAccounts else { return false }
            state.impersonated.insert(address)
            return true
        }
        guard fits else { throw .tooManyImpersonations(limit: DevnetLimits.impersonatedAccounts) }
    }

    /// Asks for the account's signature again.
    ///
    /// - Returns: whether it was impersonated.
    @discardableResult
    public func stopImpersonating(_ address: Address) -> Bool {
        state.withLock { $0.impersonated.remove(address) != nil }
    }

    /// Whether every account is impersonated.
    public var impersonatesEveryone: Bool {
        get { state.withLock { $0.impersonatesEveryone } }
        set { state.withLock { $0.impersonatesEveryone = newValue } }
    }

    /// Whether an account's transactions need no signature.
    public func isImpersonated(_ address: Address) -> Bool {
        state.withLock { $0.impersonatesEveryone || $0.impersonated.contains(address) }
    }

    /// The accounts that are impersonated one by one.
    public var impersonated: Set<Address> { state.withLock { $0.impersonated } }
}
