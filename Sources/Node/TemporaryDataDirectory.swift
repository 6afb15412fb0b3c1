import Foundation

/// The data folder of a devnet that was started without one: made in the system's temporary
/// folder, removed at exit.
///
/// Its name ends in the process's number, so that a later start can remove what a killed process
/// left behind.
struct TemporaryDataDirectory: Sendable {
    private static let prefix = "apus-dev-"

    let path: String

    init() throws {
        let base = FileManager.default.temporaryDirectory
        Self.removeAbandoned(in: base)
        let name = Self.prefix + String(ProcessInfo.processInfo.processIdentifier)
        let url = base.appendingPathComponent(name, isDirectory: true)
        try FileManager.default.createDirectory(
            at: url, withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700])
        path = url.path
    }

    /// Removes the folder. Threads of the database may still be writing to it: under another name
    /// they make no new file in it.
    func remove() {
        let aside = path + ".removed"
        try? FileManager.default.moveItem(atPath: path, toPath: aside)
        for _ in 0..<3 where FileManager.default.fileExists(atPath: aside) {
            try? FileManager.default.removeItem(atPath: aside)
        }
    }

    /// Removes the folders of processes that are gone.
    private static func removeAbandoned(in base: URL) {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: base.path)) ?? []
        for name in names where name.hasPrefix(prefix) {
            let number = name.dropFirst(prefix.count).prefix { $0 != "." }
            guard let process = Int32(number) else { continue }
            // Signal 0 only asks whether the process is there.
            if kill(process, 0) == -1, errno == ESRCH {
                try? FileManager.default.removeItem(at: base.appendingPathComponent(name))
            }
        }
    }
}
