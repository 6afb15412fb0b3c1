public import PluginAPI
public import Primitives

/// The text format of Prometheus (exposition format 0.0.4).
public enum Prometheus {
    /// The media type.
    public static let mediaType = "text/plain; version=0.0.4; charset=utf-8"

    /// The figures as text.
    public static func text(_ families: [MetricFamily]) -> Bytes {
        var text = ""
        for family in families where !family.samples.isEmpty {
            text += "# HELP \(family.name) \(escaped(family.help, quotes: false))\n"
            text += "# TYPE \(family.name) \(family.kind.rawValue)\n"
            for sample in family.samples {
                text += family.name + sample.suffix
                if !sample.labels.isEmpty {
                    // The bound of a range comes last, as everybody writes it.
                    let labels = sample.labels.sorted {
                        ($0.key == "le" ? 1 : 0, $0.key) < ($1.key == "le" ? 1 : 0, $1.key)
                    }
                    text += "{"
                    text += labels.map { "\($0.key)=\"\(escaped($0.value, quotes: true))\"" }
                        .joined(separator: ",")
                    text += "}"
                }
                text += " \(number(sample.value))\n"
            }
        }
        return Bytes(text.utf8)
    }

    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if value == value.rounded(), abs(value) < 1e15 { return String(Int64(value)) }
        return "\(value)"
    }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        var result = ""
        for character in text {
            switch character {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"" where quotes: result += "\\\""
            default: result.append(character)
            }
        }
        return result
    }
}
