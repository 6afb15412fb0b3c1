import Foundation
public import Logging
import Primitives
import Synchronization

/// One line for each call that was made with a token, and for each that was refused: who, what, from
/// where, with what outcome. Never a token, a body or a query.
public final class AuditLog: Sendable {
    /// Where the lines go.
    public enum Destination: Sendable, Hashable {
        /// Nowhere.
        case off
        /// Into the process's log, at the level `notice`.
        case log
        /// To the end of a file, as one JSON object each.
        case file(String)
    }

    /// A call.
    struct Entry {
        /// Under which the log knows more, if it may.
        var requestId: String?
        var client: String
        var service: String?
        var roles: [String] = []
        var keyId: String?
        var route: String
        var status: Int
        /// Of JSON-RPC, if it is an error.
        var code: Int?
        /// Why it was refused.
        var reason: String?
    }

    private let logger: Logger?
    private let file: AuditFile?

    /// - Throws: `GatewayError` if the file cannot be opened.
    public init(_ destination: Destination, logger: Logger) throws(GatewayError) {
        switch destination {
        case .off:
            self.logger = nil
            file = nil
        case .log:
            self.logger = logger
            file = nil
        case .file(let path):
            self.logger = nil
            // Each line goes to the end of the file as it then is: another process may write too.
            let descriptor = unsafe open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else {
                throw GatewayError("cannot write the audit log \(path)")
            }
            file = AuditFile(FileHandle(fileDescriptor: descriptor, closeOnDealloc: true))
        }
    }

    func record(_ entry: Entry) {
        if let logger {
            var facts: Logger.Metadata = [
                "client": "\(entry.client)", "route": "\(entry.route)",
                "status": "\(entry.status)",
            ]
            if let id = entry.requestId { facts["request.id"] = "\(id)" }
            if let code = entry.code { facts["code"] = "\(code)" }
            if let service = entry.service {
                facts["service"] = "\(service)"
                facts["roles"] = "\(entry.roles.joined(separator: ","))"
            }
            if let key = entry.keyId { facts["key.id"] = "\(key)" }
            if let reason = entry.reason { facts["reason"] = "\(reason)" }
            logger.notice(entry.reason == nil ? "call" : "call refused", metadata: facts)
        }
        guard let file else { return }
        var line: JSONObject = [
            "time": .string(Date.now.formatted(.iso8601)), "client": .string(entry.client),
            "route": .string(entry.route), "status": .number(String(entry.status)),
        ]
        if let id = entry.requestId { line["request_id"] = .string(id) }
        if let code = entry.code { line["code"] = .number(String(code)) }
        if let service = entry.service {
            line["service"] = .string(service)
            line["roles"] = .array(entry.roles.map { .string($0) })
        }
        if let key = entry.keyId { line["key_id"] = .string(key) }
        if let reason = entry.reason { line["reason"] = .string(reason) }
        let bytes = JSONValue.object(line).encoded() + [UInt8(ascii: "\n")]
        file.append(bytes)
    }

    /// Lines that could not be written.
    var lostLines: Double { file?.lostLines ?? 0 }
}

/// The file of an audit log.
private final class AuditFile: Sendable {
    private let state: Mutex<(handle: FileHandle, lost: Double)>

    init(_ handle: sending FileHandle) {
        state = Mutex((handle, 0))
    }

    /// A full disk must not end the service; the figures show that lines are missing.
    func append(_ line: Bytes) {
        state.withLock { state in
            if (try? state.handle.write(contentsOf: Data(line))) == nil { state.lost += 1 }
        }
    }

    var lostLines: Double { state.withLock { $0.lost } }
}

/// Why a gateway cannot do its work, for the operator.
public struct GatewayError: Error, CustomStringConvertible, Sendable {
    /// One sentence.
    public let description: String

    /// An error with its sentence.
    public init(_ description: String) {
        self.description = description
    }
}
