/// A column family of a plugin: its own place in the database, beside the core schema.
///
/// A family is declared in ``DatabaseOptions``, which opens it, and made by the database if it is
/// new. It is named `plugin.<plugin>.<family>`. What a plugin that is no longer there has left
/// stays as it is until the plugin comes back.
public struct PluginFamily: Hashable, Sendable {
    /// How a family is read, which decides its filters.
    public enum Access: Hashable, Sendable {
        /// By whole keys.
        case point
        /// In the order of the keys, from the first entry at or after one.
        case ordered
    }

    /// The plugin: a few lower-case letters, digits and `_`.
    public let plugin: String
    /// The family's name within the plugin, of the same characters.
    public let family: String
    /// How it is read.
    public let access: Access

    /// A family of a plugin.
    public init(plugin: String, family: String, access: Access) {
        precondition(
            Self.isName(plugin) && Self.isName(family),
            "The name of a plugin's family has lower-case letters, digits and underscores.")
        self.plugin = plugin
        self.family = family
        self.access = access
    }

    /// The name on disk.
    public var name: String { Self.prefix + plugin + "." + family }

    static let prefix = "plugin."

    /// Whether a text can name a plugin or a family.
    public static func isName(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 32
            && text.utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || byte == UInt8(ascii: "_")
            }
    }
}

/// A plugin's family in an open database.
///
/// Only good for the database that gave it.
public struct PluginColumn: Hashable, Sendable {
    let index: Int
}
