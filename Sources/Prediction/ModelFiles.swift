import Foundation
import PluginAPI

/// The folder that a node's models are kept in: `fees.json`, `activity.json` and
/// `change.json`, each perhaps missing.
public struct ModelFiles: Sendable {
    /// The folder.
    private let directory: String
    /// The base-fee model's file.
    public let fees: String
    /// The activity model's file.
    public let activity: String
    /// The file of the model of the operator's own table.
    public let change: String

    /// The files of a folder.
    public init(directory: String) {
        self.directory = directory
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

    /// Makes the folder if it is not there, and a file in it for a moment.
    ///
    /// - Throws: `PluginError` if a model could not be written.
    func checkWritable() throws(PluginError) {
        let folder = URL(fileURLWithPath: directory)
        let probe = folder.appendingPathComponent(".\(UUID().uuidString)")
        do {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            try Data().write(to: probe)
            try FileManager.default.removeItem(at: probe)
        } catch {
            throw PluginError(
                "prediction.train-every keeps its models in \(directory), where nothing can be "
                    + "written")
        }
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
