public import Chain
import Cryptography
import Foundation
public import Primitives

/// Exports tables of a range of blocks into a folder, a file for each table and stretch of blocks, with a
/// manifest of what is complete.
///
/// A file gets its name, and its line in the manifest, when all of it is on the disk. Whatever ends
/// the work before, the same call goes on with what is missing: there is no gap and no row twice. A file
/// whose last block is no longer in the chain, or that ended where the chain then did, is made anew.
public struct ExportFolder {
    /// What is exported.
    public struct Request: Sendable {
        /// The tables, in this order.
        public var tables: [ExportTable] = ExportTable.allCases
        /// How they are written.
        public var format = ExportFormat.parquet
        /// The first block.
        public var first: BlockNumber = 0
        /// The last block; `nil` for the head.
        public var last: BlockNumber?
        /// Blocks of a file: its first is a multiple of this.
        public var blocksPerFile: UInt64 = 10_000

        /// All of the chain.
        public init() {}
    }

    /// What was done.
    public struct Summary: Sendable {
        /// Files that were made.
        public internal(set) var made = 0
        /// Files that were there.
        public internal(set) var kept = 0
        /// Rows of the files that were made.
        public internal(set) var rows: UInt64 = 0
        /// The range.
        public internal(set) var blocks: ClosedRange<BlockNumber> = 0...0
    }

    private let folder: URL

    /// The folder; made if it does not exist.
    public init(_ path: String) {
        folder = URL(filePath: path, directoryHint: .isDirectory)
    }

    /// Does what is missing.
    ///
    /// - Parameter progress: told after each part: the table, its last block, and how much of all is
    ///   done, 0 to 1.
    /// - Throws: `ExportError`, `ChainError` (a state that is not retained, for contracts and traces)
    ///   or an error of the file system.
    public func write(
        _ request: Request, of view: ChainView,
        progress: (ExportTable, BlockNumber, Double) -> Void = { _, _, _ in }
    ) throws -> Summary {
        let last = request.last ?? view.number
        guard last <= view.number else {
            throw ExportError("block \(last) is above the head, \(view.number)")
        }
        guard request.first <= last else {
            throw ExportError("block \(request.first) is above the last, \(last)")
        }
        guard request.blocksPerFile > 0, !request.tables.isEmpty else {
            throw ExportError("there is nothing to export")
        }
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try removePartials()
        var manifest = try readManifest(of: view)
        var summary = Summary()
        summary.blocks = request.first...last
        let stretches = Self.stretches(request.first...last, every: request.blocksPerFile)
        let total = Double(request.tables.count) * Double(last - request.first + 1)
        for (index, table) in request.tables.enumerated() {
            let before = Double(index) * Double(last - request.first + 1)
            for blocks in stretches {
                let export = Export(table, request.format, blocks, in: view)
                guard let hash = try view.canonicalHash(blocks.upperBound) else {
                    throw ChainError.unknownBlock(blocks.upperBound)
                }
                if isThere(export, "\(hash)", manifest) {
                    summary.kept += 1
                } else {
                    let file = try write(export, lastHash: "\(hash)") { number in
                        progress(
                            table, number,
                            (before + Double(number - request.first)) / total)
                    }
                    let replaced = manifest.add(file)
                    try write(manifest)
                    for old in replaced {
                        try? FileManager.default.removeItem(at: folder.appending(path: old.name))
                    }
                    summary.made += 1
                    summary.rows += file.rows
                }
            }
        }
        return summary
    }

    /// The range in pieces that begin at multiples of a count.
    static func stretches(
        _ range: ClosedRange<BlockNumber>, every count: UInt64
    ) -> [ClosedRange<BlockNumber>] {
        var stretches: [ClosedRange<BlockNumber>] = []
        var first = range.lowerBound
        while first <= range.upperBound {
            let left = count - first % count
            let last = range.upperBound - first < left ? range.upperBound : first + left - 1
            stretches.append(first...last)
            guard last < .max else { break }
            first = last + 1
        }
        return stretches
    }

    private func isThere(_ export: Export, _ lastHash: String, _ manifest: ExportManifest) -> Bool {
        guard let file = manifest.files.first(where: { $0.name == export.fileName }),
            file.lastHash == lastHash
        else { return false }
        let attributes = try? FileManager.default.attributesOfItem(
            atPath: folder.appending(path: file.name).path)
        return (attributes?[.size] as? NSNumber)?.uint64Value == file.bytes
    }

    private func write(
        _ export: Export, lastHash: String, progress: (BlockNumber) -> Void
    ) throws -> ExportManifest.File {
        let partial = folder.appending(path: export.fileName + Self.partialSuffix)
        // Not `createFile`, which goes by a file of another name that nobody removes if it is killed.
        try Data().write(to: partial)
        let handle = try FileHandle(forWritingTo: partial)
        defer { try? handle.close() }
        let digest = SHA256Digest()
        var bytes: UInt64 = 0
        while let part = try export.nextPart() {
            try handle.write(contentsOf: Data(part))
            digest.update(part)
            bytes += UInt64(part.count)
            progress(export.next)
        }
        try handle.synchronize()
        try rename(partial, to: export.fileName)
        return ExportManifest.File(
            table: export.table, format: export.format, blocks: export.blocks,
            lastHash: lastHash, rows: export.rowCount, bytes: bytes,
            sha256: String(Hex.encode(digest.finish()).dropFirst(2)))
    }

    private func write(_ manifest: ExportManifest) throws {
        let name = ExportManifest.fileName
        let partial = folder.appending(path: name + Self.partialSuffix)
        try Data(manifest.json).write(to: partial)
        let handle = try FileHandle(forWritingTo: partial)
        defer { try? handle.close() }
        try handle.synchronize()
        try rename(partial, to: name)
    }

    /// In one step, also over a file of that name.
    private func rename(_ partial: URL, to name: String) throws {
        let path = folder.appending(path: name).path
        // SAFETY: both paths are texts that live as long as the call.
        guard unsafe Foundation.rename(partial.path, path) == 0 else {
            throw ExportError("cannot give \(path) its name: error \(errno)")
        }
    }

    private func readManifest(of view: ChainView) throws -> ExportManifest {
        let (chainId, genesisHash) = (view.config.chainId, "\(view.genesisHash)")
        let url = folder.appending(path: ExportManifest.fileName)
        guard let data = FileManager.default.contents(atPath: url.path) else {
            return ExportManifest(chainId: chainId, genesisHash: genesisHash)
        }
        let manifest = try ExportManifest(json: Bytes(data))
        guard manifest.chainId == chainId, manifest.genesisHash == genesisHash else {
            throw ExportError("\(folder.path) holds an export of another chain")
        }
        return manifest
    }

    private static let partialSuffix = ".partial"

    /// What an export that was killed has left.
    private func removePartials() throws {
        for name in try FileManager.default.contentsOfDirectory(atPath: folder.path)
        where Self.isPartial(name) {
            try FileManager.default.removeItem(at: folder.appending(path: name))
        }
    }

    private static func isPartial(_ name: String) -> Bool {
        guard name.hasSuffix(partialSuffix) else { return false }
        return name.dropLast(partialSuffix.count) == ExportManifest.fileName
            || ExportTable.allCases.contains { name.hasPrefix($0.rawValue + "_") }
    }
}
