import Foundation
import TOMLKit

/// Where a daemon's settings come from: flags win over the environment, which wins over the file.
///
/// A setting has one name in all three: `--block-time 2` on the command line, `APUS_BLOCK_TIME=2`
/// in the environment, `block-time = 2` in the file. A key of the file that no setting has is an
/// error, as is a value that does not parse; nothing is silently ignored.
public struct Settings {
    private let flags: [String: String]
    private let environment: [String: String]
    private let file: [String: String]
    private let fileName: String
    private var known: Set<String> = []

    /// - Parameters:
    ///   - flags: the flags that were given, by name without dashes.
    ///   - environment: the process's environment.
    ///   - file: the path of a TOML file, or nil.
    /// - Throws: `StartupError` if the file cannot be read or is not TOML, flat but for the sections of plugins.
    public init(flags: [String: String], environment: [String: String], file path: String?)
        throws(StartupError)
    {
        self.flags = flags
        self.environment = environment
        self.fileName = path ?? ""
        self.file = try path.map { path throws(StartupError) in try Self.read(path) } ?? [:]
    }

    /// The value of a setting as text, nil where nobody sets it.
    public mutating func text(_ name: String) -> String? {
        known.insert(name)
        return flags[name] ?? environment[Self.variable(name)] ?? file[name]
    }

    /// The value of a setting, parsed; nil where nobody sets it.
    ///
    /// - Throws: `StartupError` naming the setting, its value, where it stands and what it takes.
    public mutating func value<Value>(
        _ name: String, expecting what: String, parse: (String) -> Value?
    ) throws(StartupError) -> Value? {
        guard let text = text(name) else { return nil }
        guard let value = parse(text) else {
            throw StartupError(
                .configuration, "\(origin(of: name)): '\(text)' is not \(what)")
        }
        return value
    }

    /// A whole number in a range.
    public mutating func integer(_ name: String, in range: ClosedRange<UInt64>)
        throws(StartupError) -> UInt64?
    {
        try value(name, expecting: "a whole number from \(range.lowerBound) to \(range.upperBound)")
        { text in UInt64(text).flatMap { range.contains($0) ? $0 : nil } }
    }

    /// A switch: `true`, or the bare flag, turns it on.
    public mutating func flag(_ name: String) throws(StartupError) -> Bool {
        try value(name, expecting: "true or false") { Bool($0) } ?? false
    }

    /// A list, separated by commas; empty where nobody sets it.
    public mutating func list(_ name: String) -> [String] {
        (text(name) ?? "").split(separator: ",").map {
            $0.trimmingCharacters(in: .whitespaces)
        }.filter { !$0.isEmpty }
    }

    /// The settings of a section of its own, by their names in it: what stands under `[analytics]` in
    /// the file, variables that begin with `APUS_ANALYTICS_`, and `--set analytics.key=value`. Whoever
    /// owns the section checks its names.
    public mutating func section(_ section: String) -> [String: String] {
        let prefix = section + "."
        let variables = Self.variable(prefix)
        var values: [String: String] = [:]
        for (name, value) in file where name.hasPrefix(prefix) {
            values[String(name.dropFirst(prefix.count))] = value
        }
        for (name, value) in environment where name.hasPrefix(variables) {
            let key = name.dropFirst(variables.count).lowercased()
            values[key.replacingOccurrences(of: "_", with: "-")] = value
        }
        for (name, value) in flags where name.hasPrefix(prefix) {
            values[String(name.dropFirst(prefix.count))] = value
        }
        for key in values.keys { known.insert(prefix + key) }
        return values
    }

    /// Call when every setting has been read.
    ///
    /// - Throws: `StartupError` for a key of the file, or a variable that begins with `APUS_`,
    ///   that no setting has.
    public func refuseUnknown() throws(StartupError) {
        for key in file.keys.sorted() where !known.contains(key) {
            throw StartupError(
                .configuration, "\(fileName): unknown key '\(key)'\(suggestion(for: key))")
        }
        for key in flags.keys.sorted() where key.contains(".") && !known.contains(key) {
            throw StartupError(.usage, "--set: there is no plugin for '\(key)'")
        }
        let variables = Set(known.map(Self.variable)).union(Self.reservedVariables)
        for name in environment.keys.sorted()
        where name.hasPrefix("APUS_") && !variables.contains(name) {
            throw StartupError(
                .configuration, "environment: unknown variable '\(name)'; see apus --help")
        }
    }

    /// Variables that other parts of the project read.
    private static let reservedVariables: Set<String> = [
        "APUS_FIXTURES", "APUS_FIXTURE_STRIDE", "APUS_FIXTURE_OFFSET",
    ]

    private func origin(of name: String) -> String {
        if flags[name] != nil { return "--\(name)" }
        if environment[Self.variable(name)] != nil { return Self.variable(name) }
        return "\(fileName): \(name)"
    }

    private func suggestion(for key: String) -> String {
        let normal = key.replacingOccurrences(of: "_", with: "-").lowercased()
        return known.contains(normal) ? "; did you mean '\(normal)'?" : ""
    }

    private static func variable(_ name: String) -> String {
        "APUS_" + String(name.uppercased().map { $0 == "-" || $0 == "." ? "_" : $0 })
    }

    private static func read(_ path: String) throws(StartupError) -> [String: String] {
        let text: String
        do {
            text = try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            throw StartupError(.noInput, "cannot read the configuration file \(path)")
        }
        // The parser takes C strings, and would silently read only what stands before a zero.
        guard !text.utf8.contains(0) else {
            throw StartupError(.configuration, "\(path) is not valid TOML: it holds a zero byte")
        }
        let table: TOMLTable
        do {
            table = try TOMLTable(string: text)
        } catch {
            throw StartupError(.configuration, "\(path) is not valid TOML: \(error)")
        }
        var values: [String: String] = [:]
        for (key, value) in table {
            guard let section = value.table else {
                values[key] = try flatText(value, of: key, in: path)
                continue
            }
            for (name, value) in section {
                values[key + "." + name] = try flatText(value, of: key + "." + name, in: path)
            }
        }
        return values
    }

    private static func flatText(
        _ value: any TOMLValueConvertible, of key: String, in path: String
    ) throws(StartupError) -> String {
        guard let text = flatText(value) else {
            throw StartupError(
                .configuration,
                "\(path): '\(key)' must be a text, a number, true or false, or a list of texts")
        }
        return text
    }

    private static func flatText(_ value: any TOMLValueConvertible) -> String? {
        if let text = value.string { return text }
        if let flag = value.bool { return String(flag) }
        if let number = value.int { return String(number) }
        if let number = value.double { return String(number) }
        if let list = value.array {
            let texts = list.compactMap(\.string)
            return texts.count == list.count ? texts.joined(separator: ",") : nil
        }
        return nil
    }
}
