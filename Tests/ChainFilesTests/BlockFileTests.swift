import ChainFiles
import Foundation
import Primitives
import TestSupport
import Testing

/// Files of blocks: what is written is read again, and what is no file of blocks is an error that
/// says so.
@Suite struct BlockFileTests {
    let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
    }

    private func path(_ name: String) -> String { directory.path + "/" + name }

    /// An RLP list with a payload of so many bytes.
    private func list(_ count: Int) -> Bytes {
        RLPEncoder.list { $0.appendRaw(Bytes(repeating: 0x41, count: count)) }
    }

    private func write(_ bytes: Bytes, _ name: String = "blocks.rlp") throws -> String {
        try Data(bytes).write(to: URL(fileURLWithPath: path(name)))
        return path(name)
    }

    private func blocks(_ path: String) throws -> [Bytes] {
        let reader = try BlockFileReader(path: path)
        var blocks: [Bytes] = []
        while let block = try reader.next() { blocks.append(block) }
        #expect(reader.offset == blocks.reduce(0) { $0 + UInt64($1.count) })
        #expect(reader.fraction == 1 || blocks.isEmpty)
        return blocks
    }

    @Test(arguments: ["chain.rlp", "chain.rlp.gz"])
    func `blocks of every length come back`(name: String) throws {
        let wanted = [0, 1, 55, 56, 255, 256, 65_535, 65_536, 700_000, 0].map { list($0) }
        let writer = try BlockFileWriter(path: path(name))
        for block in wanted { try writer.append(block) }
        #expect(!FileManager.default.fileExists(atPath: path(name)), "it is not complete yet")
        try writer.finish()
        #expect(try blocks(path(name)) == wanted)
        let magic = try Bytes(Data(contentsOf: URL(fileURLWithPath: path(name))).prefix(2))
        #expect((magic == [0x1f, 0x8b]) == name.hasSuffix(".gz"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == [name])
    }

    @Test func `a compressed file is known by its content, not by its name`() throws {
        let writer = try BlockFileWriter(path: path("a.gz"))
        try writer.append(list(100))
        try writer.finish()
        try FileManager.default.moveItem(atPath: path("a.gz"), toPath: path("a.rlp"))
        #expect(try blocks(path("a.rlp")) == [list(100)])
    }

    @Test func `a file that is there is not overwritten, an unfinished one leaves nothing`() throws
    {
        let path = try write([1], "mine.rlp")
        #expect(throws: ChainFileError.self) { try BlockFileWriter(path: path) }
        do {
            let writer = try BlockFileWriter(path: self.path("other.rlp"))
            try writer.append(list(10))
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == ["mine.rlp"])
        #expect(throws: ChainFileError.self) {
            try BlockFileWriter(path: self.path("no/such/folder.rlp"))
        }
    }

    @Test func `an empty file has no blocks`() throws {
        #expect(try blocks(write([])) == [])
    }

    @Test(arguments: [1, 2, 3, 56, 57, 58, 400_000])
    func `a file that ends within a block is truncated`(cut: Int) throws {
        let whole = list(60) + list(500_000)
        let path = try write(Bytes(whole.dropLast(cut)))
        let reader = try BlockFileReader(path: path)
        #expect(try reader.next() == list(60))
        #expect(throws: ChainFileError.truncated(path: path, offset: UInt64(list(60).count))) {
            try reader.next()
        }
    }

    @Test func `a compressed file that ends early is truncated`() throws {
        let writer = try BlockFileWriter(path: path("a.gz"))
        var random = SeededRandom(seed: 1)
        for _ in 0..<20 {
            let noise = (0..<50_000).map { _ in UInt8(random.index(below: 256)) }
            try writer.append(RLPEncoder.list { $0.append(noise) })
        }
        try writer.finish()
        let bytes = Bytes(try Data(contentsOf: URL(fileURLWithPath: path("a.gz"))))
        let cut = try write(Bytes(bytes.prefix(bytes.count / 2)), "cut.gz")
        #expect(throws: ChainFileError.self) { try blocks(cut) }
        var wrong = bytes
        wrong[bytes.count / 2] ^= 0xff
        let damaged = try write(wrong, "damaged.gz")
        #expect(throws: ChainFileError.self) { try blocks(damaged) }
    }

    @Test(
        arguments: [
            [0x00], [0x7f], [0x80], [0xbf], [0xf8, 0x01, 0x00], [0xf8, 0x37], [0xf9, 0x00, 0xff],
            Bytes("{\"a genesis\": 1}".utf8),
        ] as [Bytes])
    func `what is no list is no block`(bytes: Bytes) throws {
        let path = try write(list(3) + bytes)
        let reader = try BlockFileReader(path: path)
        #expect(try reader.next() == list(3))
        #expect(throws: ChainFileError.notABlock(path: path, offset: 4)) { try reader.next() }
    }

    @Test(
        arguments: [
            [0xfb, 0x04, 0x00, 0x00, 0x01], [0xff] + Bytes(repeating: 0xff, count: 8),
            [0xfc, 0x7f, 0xff, 0xff, 0xff, 0x7f],
        ] as [Bytes])
    func `a block that claims to be giant is refused before it is read`(bytes: Bytes) throws {
        let path = try write(bytes)
        let error = #expect(throws: ChainFileError.self) { try blocks(path) }
        guard case .blockTooLarge(_, 0, _, BlockFileReader.largestBlock) = error else {
            Issue.record("\(error as Any)")
            return
        }
    }

    @Test func `what cannot be opened says why`() {
        #expect(throws: ChainFileError.notFound(path: path("none"))) { try blocks(path("none")) }
        #expect(
            throws: ChainFileError.inputOutput(path: directory.path, reason: "it is a folder")
        ) { try blocks(directory.path) }
    }
}
