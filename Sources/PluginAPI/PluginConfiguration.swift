/// A plugin's section of the settings.
///
/// The setting `days` of the plugin `analytics` is `days = 30` under `[analytics]` in the file,
/// `APUS_ANALYTICS_DAYS=30` in the environment, and `--set analytics.days=30` on the command line.
/// Every section also has `enabled`. A key that nobody reads is an error.
public struct PluginConfiguration: Sendable {
    private let section: String
    private let values: [String: String]
    private var known: Set<String> = ["enabled"]

    /// A section with its settings as text, by the names of the file.
    public init(section: String, values: [String: String]) {
        self.section = section
        self.values = values
    }

    /// Whether the plugin runs.
    public func isEnabled(byDefault fallback: Bool) throws(PluginError) -> Bool {
        guard let text = values["enabled"] else { return fallback }
        guard let isEnabled = Bool(text) else {
            throw PluginError("\(section).enabled: '\(text)' is not true or false")
        }
        return isEnabled
    }

    /// A setting as text; `nil` where nobody sets it.
    public mutating func text(_ name: String) -> String? {
        known.insert(name)
        return values[name]
    }

    /// A setting, parsed; `nil` where nobody sets it.
    public mutating func value<Value>(
        _ name: String, expecting what: String, _ parse: (String) -> Value?
    ) throws(PluginError) -> Value? {
        guard let text = text(name) else { return nil }
        guard let value = parse(text) else {
            throw PluginError("\(section).\(name): '\(text)' is not \(what)")
        }
        return value
    }

    /// A whole number in a range.
    public mutating func integer(
        _ name: String, in range: ClosedRange<UInt64>
    ) throws(PluginError) -> UInt64? {
        try value(
            name, expecting: "a whole number from \(range.lowerBound) to \(range.upperBound)"
        ) { text in UInt64(text).flatMap { range.contains($0) ? $0 : nil } }
    }

    /// Every setting of the section, by name, for whoever takes names of the operator's choice.
    public func names(beginningWith prefix: String) -> [String] {
        values.keys.filter { $0.hasPrefix(prefix) }.sorted()
    }

    /// A list, separated by commas; `nil` where nobody sets it.
    public mutating func list(_ name: String) -> [String]? {
        text(name)?.split(separator: ",").map { part in
            String(part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
        }.filter { !$0.isEmpty }
    }

    /// Called after all settings were read.
    ///
    /// - Throws: for a setting that nobody has read.
    public func refuseUnknown() throws(PluginError) {
        for name in values.keys.sorted() where !known.contains(name) {
            throw PluginError("unknown setting '\(section).\(name)'")
        }
    }
}
