// Where the tests find the official test vectors. They are not part of the repository: the
// environment variable APUS_FIXTURES names a folder with one folder, or one packed archive
// (`<archive>.tar.zst`), for each of them. A suite that reads them carries the trait
// `.enabled(if: Fixtures.areAvailable, Fixtures.hint)`.

public import Foundation
public import Primitives
import Synchronization
public import Testing

/// The official test vectors.
public enum Fixtures {
    /// Whether APUS_FIXTURES names a folder.
    public static var areAvailable: Bool { root != nil }

    /// What to do when they are not available.
    public static let hint: Comment =
        "Set APUS_FIXTURES to the folder that holds the official test vectors or their archives."

    /// The folder of an archive, which is unpacked on first use if need be.
    public static func folder(_ archive: String) throws -> URL {
        guard let root else { throw FixtureError.notConfigured }
        let unpacked = root.appending(path: archive)
        if isFolder(unpacked) { return unpacked }
        let packed = root.appending(path: archive + ".tar.zst")
        guard FileManager.default.fileExists(atPath: packed.path) else {
            throw FixtureError.missing(archive)
        }
        return try unpacking.withLock { _ in try unpack(packed, archive) }
    }

    /// One file of an archive.
    public static func file(_ archive: String, _ path: String) throws -> URL {
        try folder(archive).appending(path: path)
    }

    /// The files of an archive with an extension, in the order of their paths.
    public static func files(
        _ archive: String, under subfolder: String? = nil, extension: String = "json"
    ) throws -> [URL] {
        var start = try folder(archive)
        if let subfolder { start = start.appending(path: subfolder) }
        guard let walk = FileManager.default.enumerator(at: start, includingPropertiesForKeys: nil)
        else { throw FixtureError.missing(start.path) }
        return walk.compactMap { $0 as? URL }
            .filter { $0.pathExtension == `extension` }
            .sorted { $0.path < $1.path }
    }

    /// The bytes of a file.
    public static func bytes(_ file: URL) throws -> Bytes {
        Bytes(try Data(contentsOf: file))
    }

    /// The JSON of a file.
    public static func json(_ file: URL) throws -> JSONValue {
        try JSONValue(parsing: try bytes(file))
    }

    /// The named members of a JSON file that holds one object.
    public static func cases(_ file: URL) throws -> [(key: String, value: JSONValue)] {
        guard let object = try json(file).objectValue else {
            throw FixtureError.notAnObject(file.path)
        }
        return Array(object)
    }

    /// How many cases an archive has, as the index beside it says; nil if that does not know this
    /// archive.
    public static func caseCount(of archive: String) throws -> Int? {
        guard let root else { throw FixtureError.notConfigured }
        let index = root.appending(path: "INDEX.json")
        guard FileManager.default.fileExists(atPath: index.path) else { return nil }
        let packed = root.appending(path: archive + ".tar.zst").path
        let facts = try? FileManager.default.attributesOfItem(atPath: packed)
        guard let entry = try json(index)[archive],
            let size = facts?[.size] as? UInt64, entry["packed_bytes"]?.uint64Value == size
        else { return nil }
        return entry["cases"]?.intValue
    }

    private static let root: URL? = {
        guard let path = ProcessInfo.processInfo.environment["APUS_FIXTURES"], !path.isEmpty else {
            return nil
        }
        let url = URL(fileURLWithPath: path, isDirectory: true)
        return isFolder(url) ? url : nil
    }()

    private static let unpacking = Mutex(())

    private static func isFolder(_ url: URL) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder)
            && isFolder.boolValue
    }

    /// Unpacks into a folder of its own and then renames it, so that a process that is interrupted
    /// or runs beside another one leaves no half an archive. The name holds the archive's size and
    /// date: a new archive is unpacked again.
    private static func unpack(_ packed: URL, _ archive: String) throws -> URL {
        let files = FileManager.default
        let facts = try files.attributesOfItem(atPath: packed.path)
        let size = facts[.size] as? Int ?? 0
        let date = Int((facts[.modificationDate] as? Date)?.timeIntervalSince1970 ?? 0)
        let cache = files.temporaryDirectory.appending(path: "apus-fixtures-\(getuid())")
        let target = cache.appending(path: "\(archive)-\(size)-\(date)")
        let result = target.appending(path: archive)
        if isFolder(result) { return result }

        let scratch = cache.appending(path: UUID().uuidString)
        try files.createDirectory(at: scratch, withIntermediateDirectories: true)
        defer { try? files.removeItem(at: scratch) }
        let shell = Process()
        shell.executableURL = URL(fileURLWithPath: "/bin/sh")
        shell.arguments = [
            "-c", "zstd -dc --long=27 \"$0\" | tar -x -C \"$1\"", packed.path, scratch.path,
        ]
        try shell.run()
        shell.waitUntilExit()
        guard shell.terminationStatus == 0, isFolder(scratch.appending(path: archive)) else {
            throw FixtureError.cannotUnpack(packed.path)
        }
        do {
            try files.moveItem(at: scratch, to: target)
        } catch {
            // Another process was faster.
            guard isFolder(result) else { throw error }
        }
        return result
    }
}

/// Why a test vector cannot be read.
public enum FixtureError: Error, Hashable, Sendable {
    /// APUS_FIXTURES does not name a folder.
    case notConfigured
    /// There is no such archive or folder.
    case missing(String)
    /// The archive is damaged, or `zstd` or `tar` is not installed.
    case cannotUnpack(String)
    /// The file does not hold an object of named cases.
    case notAnObject(String)
}
