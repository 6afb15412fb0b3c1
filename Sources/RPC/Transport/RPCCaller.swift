/// Who calls a listener, as the head of a request says it.
public struct RPCCredentials: Sendable {
    /// The value of `Authorization`; nil if there is none. Never to be logged.
    public var authorization: String?
    /// The address of the peer.
    public var address: String?
    /// The values of `X-Forwarded-For`, which a proxy sends.
    public var forwardedFor: [String]

    /// What the head of a request says.
    public init(authorization: String?, address: String? = nil, forwardedFor: [String] = []) {
        self.authorization = authorization
        self.address = address
        self.forwardedFor = forwardedFor
    }
}

/// Why a listener does not let a caller in.
public struct RPCRefusal: Error, Sendable {
    /// For whoever watches the node; the caller learns no more than that he is not let in.
    public let reason: String

    /// A refusal with its reason.
    public init(_ reason: String) {
        self.reason = reason
    }
}

/// A caller that a listener has let in, and what becomes of its calls.
public struct RPCCaller: Sendable {
    /// What it may call.
    public var access: RPCAccess
    /// Takes what the methods of a message cost out of what the caller may cost.
    ///
    /// - Returns: the seconds after which to try again if it is too much; the message is then refused.
    public var limit: (@Sendable ([RPCMethod.Cost]) -> Int?)?
    /// Told of each call that was answered: under which name its method is declared, nil for one
    /// that is not there, and what the caller was told if it failed.
    public var observe: (@Sendable (_ method: String?, _ error: RPCError?) -> Void)?
    /// Whether what let it in still does. A connection that stays asks every
    /// `RPCLimits.credentialSeconds`, and ends with it.
    public var isAdmitted: (@Sendable () -> Bool)?

    /// A caller that may call these, of whom nothing else is wanted.
    public init(_ access: RPCAccess) {
        self.access = access
    }

    /// The same with no more access than this.
    func restricted(to access: RPCAccess) -> RPCCaller {
        var caller = self
        caller.access = self.access.intersection(access)
        return caller
    }
}
