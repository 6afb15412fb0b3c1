import PluginAPI
public import Redis

/// Where copies of answers are that several gateways share, and how they are kept.
public struct SharedCacheOptions: Sendable, Hashable {
    /// The Redis server.
    public var address: RedisAddress
    /// A file with its password, which only its owner may read; nil for none.
    public var passwordFile: String?
    /// What is kept, and for how long.
    public var limits = SharedCache.Limits()
    /// What a look may take.
    public var redis = RedisLimits()

    /// A cache in a Redis server.
    public init(_ address: RedisAddress) {
        self.address = address
    }

    /// Reads the section `gateway` of the settings; `nil` if it names no server.
    ///
    /// - Throws: `PluginError` for a value that does not parse.
    init?(_ section: inout PluginConfiguration) throws(PluginError) {
        let text = section.text("redis")
        let password = section.text("redis-password-file")
        let seconds = try section.integer("redis-ttl", in: 1...86_400)
        let kibibytes = try section.integer("redis-max-value", in: 1...16_384)
        let milliseconds = try section.integer("redis-timeout", in: 1...10_000)
        guard let text else {
            guard password == nil else {
                throw PluginError("gateway.redis-password-file is of no use without gateway.redis")
            }
            return nil
        }
        do throws(RedisError) {
            address = try RedisAddress(text)
        } catch {
            throw PluginError("gateway.redis: \(error)")
        }
        passwordFile = password
        if let seconds { limits.seconds = seconds }
        if let kibibytes { limits.bytes = Int(kibibytes) << 10 }
        if let milliseconds { redis.commandMilliseconds = Int(milliseconds) }
    }
}
