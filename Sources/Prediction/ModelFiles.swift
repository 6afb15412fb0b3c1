import Foundation
import PluginAPI

/// The folder that a node's models are kept in: `fees.json`, `activity.json` and
/// `change.json`, each perhaps missing.
public struct ModelFiles: Sendable {
    /// The base-fee model's file.
    public let fees: String
    /// The activity model's file.
    public let activity: String
    /// The file of the model of the operator's own table.
    public let change: String

    /// The files of a folder.
    public init(directory: String) {
        fees = directory + "/fees.json"
        activity = directory + "/activity.json"
        change = directory + "/change.json"
    }

    /// Reads a model.
    ///
    /// - Returns: `nil` if there is no such file.
    /// - Throws: `PluginError` if the file cannot be read or is no model of this version.
    static func read<Model: Decodable>(
        _ type: Model.Type, at path: String, isUsable: (Model) -> Bool
    ) throws(PluginError) -> Model? {
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        let model: Model
        do {
            model = try JSONDecoder().decode(
                type, from: Data(contentsOf: URL(fileURLWithPath: path)))
        } catch {
            throw PluginError("\(path) is no model: \(error)")
        }
        guard isUsable(model) else {
            throw PluginError("\(path) is a model of another version: train it anew")
        }
        return model
    }

    /// Writes a model: whole, or not at all.
    public static func write(_ model: some Encodable, to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        try FileManager.default.createDirectory(
            at: URL(fileURLWithPath: path).deletingLastPathComponent(),
            withIntermediateDirectories: true)
        try encoder.encode(model).write(to: URL(fileURLWithPath: path), options: .atomic)
    }
}
