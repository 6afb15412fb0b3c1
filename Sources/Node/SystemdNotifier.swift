import Glibc
import ServiceLifecycle

/// Tells systemd how the daemon is doing: `sd_notify(3)` without libsystemd, one datagram to the
/// socket that `$NOTIFY_SOCKET` names. Without that variable it does nothing.
public enum SystemdNotifier {
    /// Sends a state such as `READY=1`, `STATUS=…` or `STOPPING=1`.
    ///
    /// - Returns: whether there was somebody to tell and the datagram left whole.
    @discardableResult
    public static func notify(_ state: String) -> Bool {
        guard let path = environmentValue("NOTIFY_SOCKET"), let first = path.utf8.first,
            first == UInt8(ascii: "/") || first == UInt8(ascii: "@")
        else { return false }
        var name = Array(path.utf8)
        // "@" stands for the abstract name space, whose names begin with a zero byte.
        let isAbstract = first == UInt8(ascii: "@")
        if isAbstract { name[0] = 0 }

        let descriptor = socket(
            AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard name.count < MemoryLayout.size(ofValue: address.sun_path) else { return false }
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: name) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count + (isAbstract ? 0 : 1))
        let message = Array(state.utf8)
        return unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { socketAddress in
                unsafe sendto(descriptor, message, message.count, 0, socketAddress, length)
                    == message.count
            }
        }
    }

    /// Seconds within which systemd wants to hear `WATCHDOG=1`; nil where it does not watch this
    /// process.
    public static var watchdogSeconds: Double? {
        guard let text = environmentValue("WATCHDOG_USEC"), let microseconds = Double(text),
            microseconds > 0
        else { return nil }
        if let owner = environmentValue("WATCHDOG_PID"), owner != String(getpid()) { return nil }
        return microseconds / 1e6
    }

    private static func environmentValue(_ name: String) -> String? {
        unsafe getenv(name).map { unsafe String(cString: $0) }
    }
}

/// Readiness, watchdog and stopping, for the service group: ready once every service before it in
/// the group serves.
///
/// The watchdog is fed only while `isAlive` says that the chain's writer answers, so a wedged
/// writer gets the daemon restarted.
struct SystemdService: Service {
    let status: String
    let isAlive: @Sendable () async -> Bool

    func run() async throws {
        SystemdNotifier.notify("READY=1\nSTATUS=\(status)")
        await cancelWhenGracefulShutdown {
            guard let interval = SystemdNotifier.watchdogSeconds else {
                try? await gracefulShutdown()
                return
            }
            while !Task.isCancelled {
                if await isAlive() { SystemdNotifier.notify("WATCHDOG=1") }
                try? await Task.sleep(for: .seconds(interval / 2))
            }
        }
        SystemdNotifier.notify("STOPPING=1")
    }
}
