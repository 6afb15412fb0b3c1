import NIOCore
import NIOHTTP1

/// Who may talk to a listener over HTTP, decided from the head of a request alone.
///
/// - The `Host` header must name this machine, so that a page on a foreign name that resolves to
///   127.0.0.1 (DNS rebinding) gets nowhere. A literal address cannot be rebound and is let through,
///   as in geth.
/// - A request with an `Origin` as browsers send it needs that origin to be allowed. What no browser
///   sends is not one: titanoboa, for one, puts its name there.
/// - A listener may ask for credentials; what they are worth is decided by its owner.
struct HTTPAccess: Sendable {
    enum Decision: Sendable {
        /// The caller is let in; the origin is to be confirmed to the browser.
        case granted(RPCCaller, origin: String?)
        case refused(HTTPResponseStatus, reason: String)
        /// The credentials are worth nothing.
        case unauthorized(RPCCredentials, RPCRefusal)
    }

    private let web: WebAccess
    private let access: RPCAccess
    private let authorize: (@Sendable (RPCCredentials) -> Result<RPCCaller, RPCRefusal>)?

    init(listener: RPCListener, access: RPCAccess) {
        web = WebAccess(
            host: listener.host, virtualHosts: listener.virtualHosts,
            origins: listener.allowedOrigins)
        self.access = access
        authorize = listener.authorize
    }

    func decide(
        _ head: HTTPRequestHead, from address: @autoclosure () -> SocketAddress?
    ) -> Decision {
        var trustedHost: String?
        return decide(head, from: address(), trusting: &trustedHost)
    }

    /// The same for one of many requests of a connection.
    ///
    /// - Parameters:
    ///   - address: asked of the kernel, and only where credentials are looked at.
    ///   - trustedHost: the `Host` header that was let through last; a client repeats it with each
    ///     request, and taking it apart costs more than the rest of the decision.
    func decide(
        _ head: HTTPRequestHead, from address: @autoclosure () -> SocketAddress?,
        trusting trustedHost: inout String?
    ) -> Decision {
        let named = head.headers["host"]
        let host = named.first ?? ""
        if named.count > 1 || host.isEmpty && head.version != .http1_0 {
            return .refused(.badRequest, reason: "missing or repeated host header")
        }
        if !host.isEmpty, host != trustedHost {
            guard web.permits(host: host) else {
                return .refused(.forbidden, reason: "invalid host specified")
            }
            trustedHost = host
        }
        let origin = head.headers.first(name: "origin")
        if let origin, !web.permits(origin: origin) {
            return .refused(.forbidden, reason: "origin not allowed")
        }
        guard let authorize, head.method != .OPTIONS else {
            return .granted(RPCCaller(access), origin: origin)
        }
        let values = head.headers["authorization"]
        let credentials = RPCCredentials(
            authorization: values.first, address: address()?.ipAddress,
            forwardedFor: head.headers["x-forwarded-for"])
        guard values.count <= 1 else {
            return .unauthorized(credentials, RPCRefusal("the token is given twice"))
        }
        switch authorize(credentials) {
        case .success(let caller): return .granted(caller.restricted(to: access), origin: origin)
        case .failure(let refusal): return .unauthorized(credentials, refusal)
        }
    }
}

/// Which names of this machine requests may use, and which web pages may send them.
public struct WebAccess: Sendable {
    private let hosts: Set<String>
    private let origins: Set<String>

    /// - Parameters:
    ///   - host: the address that is bound, which always may be named.
    ///   - virtualHosts: other names; `*` for any.
    ///   - origins: of web pages; `*` for any.
    public init(host: String, virtualHosts: [String], origins: [String]) {
        hosts = Set(
            ["localhost", host.lowercased()] + virtualHosts.map { $0.lowercased() })
        self.origins = Set(origins.map { $0.lowercased() })
    }

    /// Whether a `Host` header names this machine. A literal address cannot be rebound to another.
    public func permits(host header: String) -> Bool {
        let host = Self.hostname(header)
        if hosts.contains("*") || hosts.contains(host) { return true }
        return (try? SocketAddress(ipAddress: host, port: 0)) != nil
    }

    /// Whether a web page of an origin may call.
    public func permits(origin: String) -> Bool {
        if origins.contains("*") || origins.contains(origin.lowercased()) { return true }
        // A page has a scheme and a host, or is "null" (RFC 6454, section 7.1).
        return !origin.contains(":") && origin.lowercased() != "null" && !origin.isEmpty
    }

    /// The name of a `Host` header without the port, and without the brackets of an IPv6 address.
    private static func hostname(_ header: String) -> String {
        let lowercased = header.lowercased()
        if lowercased.hasPrefix("[") {
            return String(lowercased.dropFirst().prefix { $0 != "]" })
        }
        let name = lowercased.prefix { $0 != ":" }
        // More than one colon is an IPv6 address without brackets.
        return lowercased.dropFirst(name.count + 1).contains(":") ? lowercased : String(name)
    }
}
