import Analytics
import EthereumTypes
import Foundation
import PluginAPI
import Primitives
import TestSupport
import Testing

/// The rows are compared with JSON-RPC by Tests/Exports/test_exports.py; here is how the files come about.
@Suite struct ExportTests {
    private let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
    }

    private var folder: String { directory.path + "/tables" }

    private func names(_ table: String = "") throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder)
            .filter { $0.hasPrefix(table) }.sorted()
    }

    private func request(_ tables: [ExportTable] = [.blocks, .traces]) -> ExportFolder.Request {
        var request = ExportFolder.Request()
        request.tables = tables
        request.blocksPerFile = 5
        return request
    }

    private func fixture(_ blocks: Int, seed: UInt64 = 41) async throws -> AnalyticsFixture {
        var random = SeededRandom(seed: seed)
        let test = try AnalyticsFixture()
        for _ in 0..<blocks { try await test.produce(AnalyticsFixture.steps(4, &random)) }
        return test
    }

    @Test func `an export goes on with the blocks that have come since`() async throws {
        let test = try await fixture(12)
        let first = try ExportFolder(folder).write(request(), of: test.chain.head.view)
        #expect(first.made == 6 && first.kept == 0)
        #expect(
            try names("blocks") == [
                "blocks_0_4.parquet", "blocks_10_12.parquet", "blocks_5_9.parquet",
            ])
        let second = try ExportFolder(folder).write(request(), of: test.chain.head.view)
        #expect(second.made == 0 && second.kept == 6)
        for _ in 0..<3 { try await test.produce([]) }
        let third = try ExportFolder(folder).write(request(), of: test.chain.head.view)
        #expect(third.made == 4 && third.kept == 4)
        #expect(
            try names("blocks") == [
                "blocks_0_4.parquet", "blocks_10_14.parquet", "blocks_15_15.parquet",
                "blocks_5_9.parquet",
            ])
    }

    @Test func `blocks that left the chain are exported anew, and what is lost or cut short`()
        async throws
    {
        let test = try await fixture(12)
        _ = try ExportFolder(folder).write(request([.blocks]), of: test.chain.head.view)
        try await test.chain.rollback(to: 8)
        for _ in 0..<4 {
            try await test.produce([
                AnalyticsFixture.Step(deed: .transfer, sender: 0, recipient: 1, amount: 1)
            ])
        }
        let after = try ExportFolder(folder).write(request([.blocks]), of: test.chain.head.view)
        #expect(after.made == 2 && after.kept == 1)
        try FileManager.default.removeItem(atPath: folder + "/blocks_0_4.parquet")
        try Data([1]).write(to: URL(filePath: folder + "/blocks_5_9.parquet"))
        try Data([1]).write(to: URL(filePath: folder + "/blocks_10_12.parquet.partial"))
        let mended = try ExportFolder(folder).write(request([.blocks]), of: test.chain.head.view)
        #expect(mended.made == 2 && mended.kept == 1)
        #expect(try names().allSatisfy { !$0.hasSuffix(".partial") })
    }

    @Test func `files of other sizes replace those whose blocks they have`() async throws {
        let test = try await fixture(9)
        _ = try ExportFolder(folder).write(request([.blocks]), of: test.chain.head.view)
        var other = request([.blocks])
        other.blocksPerFile = 100
        other.first = 2
        _ = try ExportFolder(folder).write(other, of: test.chain.head.view)
        #expect(try names("blocks") == ["blocks_2_9.parquet"])
    }

    @Test func `a folder of another chain is left alone`() async throws {
        let test = try await fixture(1)
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true)
        let manifest = #"{"version":1,"chain_id":1,"genesis_hash":"0x00","files":[]}"#
        try manifest.write(toFile: folder + "/manifest.json", atomically: true, encoding: .utf8)
        #expect(throws: ExportError.self) {
            try ExportFolder(folder).write(request(), of: test.chain.head.view)
        }
        #expect(try names() == ["manifest.json"])
        var beyond = request()
        beyond.last = 2
        #expect(throws: ExportError.self) {
            try ExportFolder(directory.path + "/new").write(beyond, of: test.chain.head.view)
        }
    }

    @Test(arguments: [
        "../notes", "notes", "manifest.json", "traces_0_4.parquet", "blocks_0_4.csv",
        "blocks_0_3.parquet",
    ])
    func `a manifest that lists a file of another name is refused, and the file left alone`(
        name: String
    ) async throws {
        let test = try await fixture(9)
        _ = try ExportFolder(folder).write(request([.blocks]), of: test.chain.head.view)
        let path = folder + "/manifest.json"
        let manifest = try String(contentsOfFile: path, encoding: .utf8)
            .replacingOccurrences(of: "blocks_0_4.parquet", with: name)
        try "mine".write(toFile: "\(folder)/\(name)", atomically: true, encoding: .utf8)
        try manifest.write(toFile: path, atomically: true, encoding: .utf8)
        // Its file would have the blocks of all that are listed.
        var other = request([.blocks])
        other.blocksPerFile = 100
        #expect(throws: ExportError.self) {
            try ExportFolder(folder).write(other, of: test.chain.head.view)
        }
        let kept = try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)
        #expect(kept == (name == "manifest.json" ? manifest : "mine"))
        #expect(try names("blocks_0_9") == [])
    }

    @Test func `only what an export has left unfinished is removed`() async throws {
        let test = try await fixture(1)
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true)
        for name in ["blocks_0_4.csv.partial", "manifest.json.partial", "film.partial"] {
            try Data([1]).write(to: URL(filePath: "\(folder)/\(name)"))
        }
        _ = try ExportFolder(folder).write(request([.blocks]), of: test.chain.head.view)
        #expect(try names() == ["blocks_0_1.parquet", "film.partial", "manifest.json"])
    }

    @Test func `calls that would take too much memory are an error that names their block`()
        async throws
    {
        let test = try AnalyticsFixture(withPlugin: false)
        try await test.produce([
            AnalyticsFixture.Step(deed: .forward, sender: 0, recipient: 1, amount: 1)
        ])
        // Calls nobody with a mebibyte of its memory, again and again until its gas is used up.
        let code = try #require(Hex.decode("0x5b60006000621000006000600061dead6000f150600056"))
        let key = AnalyticsFixture.keys[1]
        let transaction = Transaction.legacy(
            chainId: 1337, nonce: 0, gasPrice: 10_000_000_000, gasLimit: 2_400_000, to: nil,
            value: .zero, data: code
        ).signed(with: key)
        try await test.produce(
            transactions: [RecoveredTransaction(transaction, sender: key.address)])
        let error = #expect(throws: ExportError.self) {
            try ExportFolder(folder).write(request([.traces]), of: test.chain.head.view)
        }
        #expect(error?.description.contains("block 2") == true)
        var before = request([.traces])
        before.last = 1
        #expect(try ExportFolder(folder).write(before, of: test.chain.head.view).made == 1)
    }

    @Test(arguments: ExportTable.allCases, ExportFormat.allCases)
    func `the route answers with the bytes of the file`(
        table: ExportTable, format: ExportFormat
    ) async throws {
        let test = try await fixture(6)
        var request = request([table])
        request.format = format
        _ = try ExportFolder(folder).write(request, of: test.chain.head.view)
        let answer = try test.answer(
            "/api/analytics/export/\(table.rawValue)",
            ["from": "0", "to": "4", "format": format.rawValue])
        let name = try #require(answer.fileName)
        let file = try #require(FileManager.default.contents(atPath: "\(folder)/\(name)"))
        let bytes = try AnalyticsFixture.bytes(of: answer)
        #expect(bytes == Bytes(file))
        guard format == .parquet else { return }
        #expect(bytes.starts(with: Bytes("PAR1".utf8)))
        #expect(bytes.suffix(4).elementsEqual(Bytes("PAR1".utf8)))
        let length = bytes.suffix(8).prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
        #expect(length < bytes.count - 12)
    }
}
