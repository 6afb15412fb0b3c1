import Foundation
public import Logging

/// How log lines look: text for a terminal, JSON for a collector.
public enum LogFormat: String, CaseIterable, Sendable {
    case text
    case json
}

/// Writes each log event as one line to standard error: a constant sentence and facts with stable
/// keys (`block.number`, `tx.hash`).
///
/// A value is cut at `maximumValueBytes`, and control characters are escaped, so nothing that a
/// client sends can forge or flood a line.
public struct LineLogHandler: LogHandler {
    /// The longest value that a line carries; longer ones come from bad input, not from us.
    static let maximumValueBytes = 1024

    /// Events below it are dropped.
    public var logLevel: Logger.Level
    /// Facts of every line of this logger.
    public var metadata: Logger.Metadata = [:]
    /// Facts of the task in which an event happens; they win over `metadata`.
    public var metadataProvider: Logger.MetadataProvider?

    private let label: String
    private let format: LogFormat
    private let isColored: Bool

    /// - Parameters:
    ///   - label: the logger's name, shown in JSON.
    ///   - format: text or JSON.
    ///   - level: events below it are dropped.
    public init(label: String, format: LogFormat, level: Logger.Level) {
        self.label = label
        self.format = format
        self.logLevel = level
        self.isColored = format == .text && isatty(STDERR_FILENO) == 1
    }

    /// A fact of every line of this logger.
    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    /// Writes one line, with one system call. The event's own facts win over the logger's.
    public func log(event: LogEvent) {
        var facts = metadata
        if let provider = metadataProvider { facts.merge(provider.get()) { $1 } }
        if let own = event.metadata { facts.merge(own) { $1 } }
        let sorted = facts.sorted { $0.key < $1.key }
        var line: [UInt8] = []
        line.reserveCapacity(256)
        switch format {
        case .text: writeText(event, sorted, to: &line)
        case .json: writeJSON(event, sorted, to: &line)
        }
        line.append(UInt8(ascii: "\n"))
        // One write call a line, so that lines of several threads do not mix.
        _ = unsafe line.withUnsafeBytes { unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    private func writeText(
        _ event: LogEvent, _ facts: [(key: String, value: Logger.MetadataValue)],
        to line: inout [UInt8]
    ) {
        line += timestamp().utf8
        line += " ".utf8
        let name = event.level.rawValue.uppercased()
        let padded = name + String(repeating: " ", count: max(0, 7 - name.count))
        line += (isColored ? color(of: event.level) + padded + "\u{1B}[0m" : padded).utf8
        line += " ".utf8
        appendEscaped(event.message.description, to: &line)
        for (key, value) in facts {
            line += (isColored ? " \u{1B}[2m\(key)=\u{1B}[0m" : " \(key)=").utf8
            appendEscaped(value.description, to: &line)
        }
    }

    private func writeJSON(
        _ event: LogEvent, _ facts: [(key: String, value: Logger.MetadataValue)],
        to line: inout [UInt8]
    ) {
        line +=
            "{\"time\":\"\(timestamp())\",\"level\":\"\(event.level.rawValue)\",\"logger\":\"".utf8
        appendEscaped(label, to: &line)
        line += "\",\"message\":\"".utf8
        appendEscaped(event.message.description, to: &line)
        line += "\"".utf8
        for (key, value) in facts {
            line += ",\"".utf8
            appendEscaped(key, to: &line)
            line += "\":\"".utf8
            appendEscaped(value.description, to: &line)
            line += "\"".utf8
        }
        line += "}".utf8
    }

    /// Appends a text with JSON's escapes, cut at the longest value; both formats use it.
    private func appendEscaped(_ text: String, to line: inout [UInt8]) {
        let hexDigits = Array("0123456789abcdef".utf8)
        var count = 0
        // Cut at a scalar, not in the middle of one: half a scalar would not be valid UTF-8.
        for scalar in text.unicodeScalars {
            guard count < Self.maximumValueBytes else {
                line += "…".utf8
                return
            }
            count += 1
            switch scalar.value {
            case 0x22 where format == .json: line += "\\\"".utf8
            case 0x5C: line += "\\\\".utf8
            case 0x0A: line += "\\n".utf8
            case 0..<0x20, 0x7F..<0xA0:
                let byte = UInt8(truncatingIfNeeded: scalar.value)
                line += "\\u00".utf8
                line += [hexDigits[Int(byte >> 4)], hexDigits[Int(byte & 15)]]
            default: line += String(scalar).utf8
            }
        }
    }

    private func color(of level: Logger.Level) -> String {
        switch level {
        case .trace, .debug: "\u{1B}[2m"
        case .info, .notice: "\u{1B}[32m"
        case .warning: "\u{1B}[33m"
        case .error, .critical: "\u{1B}[31m"
        }
    }

    /// Now, as `2026-11-24T22:01:47.123Z`.
    private func timestamp() -> String {
        Date.now.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }
}
