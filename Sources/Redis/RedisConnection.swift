import CHiredis
import Glibc
import Primitives

/// One connection, used by one thread at a time; its calls block.
///
/// The owner of hiredis' context: nothing else in Apus touches the library.
final class RedisConnection: @unchecked Sendable {
    // SAFETY: `RedisClient` lends a connection to one call at a time and takes it back after that.
    private let context: UnsafeMutablePointer<redisContext>

    /// Connects, signs in and selects the database.
    init(
        _ address: RedisAddress, password: String?, limits: RedisLimits
    ) throws(RedisError) {
        let connected =
            switch address.endpoint {
            case .tcp(let host, let port):
                redisConnectWithTimeout(
                    host, Int32(port), Self.interval(limits.connectMilliseconds))
            case .unix(let path):
                redisConnectUnixWithTimeout(path, Self.interval(limits.connectMilliseconds))
            }
        guard let connected else { throw .unreachable("out of memory") }
        guard connected.pointee.err == 0 else {
            let reason = Self.reason(connected)
            redisFree(connected)
            throw .unreachable(reason)
        }
        context = connected
        guard redisSetTimeout(context, Self.interval(limits.commandMilliseconds)) == REDIS_OK else {
            throw .unreachable(Self.reason(context))
        }
        if let password { try signIn(address.user, password) }
        if address.database != 0 {
            _ = try run([Bytes("SELECT".utf8), Bytes(String(address.database).utf8)])
        }
    }

    deinit { redisFree(context) }

    /// What the server says to a refusal stays here: it may repeat what was sent, the password too.
    private func signIn(_ user: String?, _ password: String) throws(RedisError) {
        let user = user.map { [Bytes($0.utf8)] } ?? []
        do throws(RedisError) {
            _ = try run([Bytes("AUTH".utf8)] + user + [Bytes(password.utf8)])
        } catch {
            if case .refused = error { throw .refused("it does not take the user or password") }
            throw error
        }
    }

    /// Runs one command and waits for its answer.
    ///
    /// - Throws: `.refused` if the server says so, after which the connection is as good as before;
    ///   anything else, after which it must not be used again.
    func run(_ arguments: [Bytes]) throws(RedisError) -> RedisReply {
        // One buffer of all arguments, and where each begins: valid while hiredis copies them.
        var flat: Bytes = []
        var starts: [Int] = []
        for argument in arguments {
            starts.append(flat.count)
            flat += argument
        }
        flat.append(0)
        let lengths = arguments.map(\.count)
        let answer = flat.withUnsafeBytes { buffer in
            var pointers = starts.map { start in
                buffer.baseAddress.map { base in
                    UnsafePointer((base + start).assumingMemoryBound(to: CChar.self))
                }
            }
            return redisCommandArgv(context, Int32(arguments.count), &pointers, lengths)
        }
        guard let answer else {
            // Read before anything else can change it.
            let code = errno
            if context.pointee.err == REDIS_ERR_IO, code == EAGAIN { throw .timedOut }
            throw .lost(Self.reason(context))
        }
        defer { freeReplyObject(answer) }
        let reply = answer.assumingMemoryBound(to: redisReply.self)
        switch reply.pointee.type {
        case REDIS_REPLY_NIL: return .missing
        case REDIS_REPLY_INTEGER: return .integer(reply.pointee.integer)
        case REDIS_REPLY_STRING: return .bytes(Self.bytes(reply))
        case REDIS_REPLY_STATUS: return .status(String(decoding: Self.bytes(reply), as: UTF8.self))
        case REDIS_REPLY_ERROR:
            throw .refused(String(decoding: Self.bytes(reply).prefix(200), as: UTF8.self))
        default: throw .unexpectedReply
        }
    }

    private static func bytes(_ reply: UnsafeMutablePointer<redisReply>) -> Bytes {
        guard let text = reply.pointee.str else { return [] }
        return Bytes(UnsafeRawBufferPointer(start: text, count: Int(reply.pointee.len)))
    }

    private static func interval(_ milliseconds: Int) -> timeval {
        timeval(tv_sec: milliseconds / 1000, tv_usec: milliseconds % 1000 * 1000)
    }

    private static func reason(_ context: UnsafeMutablePointer<redisContext>) -> String {
        withUnsafeBytes(of: &context.pointee.errstr) { buffer in
            String(decoding: buffer.prefix { $0 != 0 }, as: UTF8.self)
        }
    }
}

/// What a command has brought. (None of those used here answers with a list.)
enum RedisReply: Hashable, Sendable {
    case missing
    case integer(Int64)
    case bytes(Bytes)
    case status(String)
}
