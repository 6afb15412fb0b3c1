public import Logging
import PluginAPI
public import RPC

/// Lets callers in: tells whose token is good, limits what each may cost, and writes down who did
/// what.
///
/// A process has one for all that it serves, so that a service has one rate and one log for REST
/// and for JSON-RPC.
public final class Admission: Sendable {
    /// What roles are given.
    let policy: RolePolicy
    let audit: AuditLog
    let clients: ClientAddress
    private let anonymous: Set<RESTRole>
    private let verifier: TokenVerifier
    private let serviceLimiter: RateLimiter<String>?
    private let addressLimiter: RateLimiter<NetworkAddress?>?
    private let now: @Sendable () -> Double
    private let clock: @Sendable () -> ContinuousClock.Instant

    /// - Parameters:
    ///   - policy: what roles are given.
    ///   - verifier: tells which tokens are good.
    ///   - logger: where calls are written down, if not in a file.
    ///   - now: the wall clock, in seconds since 1970.
    ///   - clock: by which rates are measured.
    /// - Throws: `GatewayError` if the audit log cannot be opened.
    public init(
        _ options: GatewayOptions, policy: RolePolicy, verifier: TokenVerifier, logger: Logger,
        now: @escaping @Sendable () -> Double,
        clock: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) throws(GatewayError) {
        self.policy = policy
        self.verifier = verifier
        self.now = now
        self.clock = clock
        anonymous = options.anonymous
        audit = try AuditLog(options.audit, logger: logger)
        clients = ClientAddress(proxies: options.trustedProxies.compactMap { Network($0) })
        serviceLimiter = options.serviceRate == 0 ? nil : RateLimiter(rate: options.serviceRate)
        addressLimiter = options.addressRate == 0 ? nil : RateLimiter(rate: options.addressRate)
    }

    /// The claims of the one token in the values of `Authorization`.
    func verify(_ credentials: [String]) throws(TokenRefusal) -> TokenClaims {
        try verifier.verify(authorization: credentials, now: now())
    }

    /// Whether credentials let in still: there are none, or the token is good.
    func isAdmitted(_ credentials: [String]) -> Bool {
        credentials.isEmpty || (try? verify(credentials)) != nil
    }

    /// Takes the cost of a request out of what its service may cost, or its address if it comes
    /// without a good token.
    ///
    /// - Returns: the seconds after which to try again if it is too much.
    func take(_ cost: Double, of claims: TokenClaims?, at client: NetworkAddress?) -> Int? {
        guard let claims else {
            return addressLimiter?.take(cost, for: client?.customer, at: clock())
        }
        return serviceLimiter?.take(cost, for: claims.service, at: clock())
    }

    /// What a request takes out of a bucket.
    static func units(_ cost: RPCMethod.Cost) -> Double {
        switch cost {
        case .instant: 1
        case .execution, .command: 10
        }
    }

    // MARK: - JSON-RPC

    /// Has a listener of JSON-RPC let in who has a good token, and whom the settings let in without
    /// one. The latter get the methods that go with the routes which they may call, whatever tokens
    /// of the same names are given.
    public func admit(to listener: inout RPCListener) {
        let open = policy.methods(ofRoutes: anonymous)
        listener.authorize = { [self] credentials in
            guard let authorization = credentials.authorization else {
                guard open != .namespaces([]) else {
                    return .failure(RPCRefusal("\(TokenRefusal.missing)"))
                }
                return .success(caller(open, nil, credentials))
            }
            do throws(TokenRefusal) {
                let claims = try verify([authorization])
                return .success(caller(policy.methods(of: claims.roles), claims, credentials))
            } catch {
                return .failure(RPCRefusal("\(error)"))
            }
        }
        listener.refused = { [self] credentials, refusal in
            let client = client(of: credentials)
            // Who tries tokens is slowed down by where he is.
            let seconds = take(1, of: nil, at: client?.address)
            audit.record(
                AuditLog.Entry(
                    client: client?.text ?? "unknown", route: "JSON-RPC",
                    status: seconds == nil ? 401 : 429,
                    reason: seconds == nil ? refusal.reason : "too many requests"))
            return seconds
        }
    }

    private func client(
        of credentials: RPCCredentials
    ) -> (address: NetworkAddress, text: String)? {
        let peer = credentials.address.flatMap { NetworkAddress($0) }
        return clients.client(peer: peer, forwardedFor: credentials.forwardedFor)
            .map { ($0, $0.description) }
    }

    private func caller(
        _ access: RPCAccess, _ claims: TokenClaims?, _ credentials: RPCCredentials
    ) -> RPCCaller {
        let client = client(of: credentials)
        var caller = RPCCaller(access)
        caller.limit = { [self] costs in
            let cost = costs.reduce(0) { $0 + Self.units($1) }
            return take(max(1, cost), of: claims, at: client?.address)
        }
        caller.observe = { [self] method, error in
            let refusal = error.flatMap(Self.refusal)
            guard claims != nil || refusal != nil else { return }
            audit.record(
                AuditLog.Entry(
                    client: client?.text ?? "unknown", service: claims?.service,
                    roles: claims?.roles ?? [], keyId: claims?.keyId,
                    route: "JSON-RPC \(method ?? "unknown")", status: 200, code: error?.code,
                    reason: refusal))
        }
        if let authorization = credentials.authorization {
            caller.isAdmitted = { [self] in isAdmitted([authorization]) }
        }
        return caller
    }

    /// Why a call was refused, if its error says so. The name in the error is whatever somebody has
    /// sent.
    private static func refusal(_ error: RPCError) -> String? {
        switch error.code {
        case RPCErrorCode.methodNotFound: "there is no such method for this caller"
        case RPCErrorCode.limitExceeded: error.message
        default: nil
        }
    }
}
