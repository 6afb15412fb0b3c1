import Foundation
import Testing

/// The architecture as code: what the compiler does not hold, these tests do.
@Suite struct ArchitectureTests {
    static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// A Swift source file: its path below the root, its module, its lines.
    struct SourceFile {
        let path: String
        let lines: [Substring]

        var module: String {
            String(path.split(separator: "/")[1])
        }

        /// Line numbers (from 1) of code lines that match, comments left out.
        func lines(matching pattern: Regex<Substring>) -> [String] {
            lines.enumerated().compactMap { index, line in
                let code = line.firstRange(of: "//").map { line[..<$0.lowerBound] } ?? line
                return code.firstMatch(of: pattern) == nil ? nil : "\(path):\(index + 1)"
            }
        }
    }

    static func files(below folder: String, extension suffix: String = "swift") -> [SourceFile] {
        let base = root.appendingPathComponent(folder)
        guard let walker = FileManager.default.enumerator(atPath: base.path) else { return [] }
        return walker.compactMap { $0 as? String }
            .filter { $0.hasSuffix("." + suffix) }
            .sorted()
            .compactMap { name in
                let url = base.appendingPathComponent(name)
                guard let text = try? String(contentsOf: url, encoding: .utf8) else { return nil }
                return SourceFile(
                    path: folder + "/" + name,
                    lines: text.split(separator: "\n", omittingEmptySubsequences: false))
            }
    }

    static let sources = files(below: "Sources")

    /// The targets of Package.swift in their order, with the targets that each names.
    static func targets() throws -> [(name: String, dependencies: [String])] {
        let text = try String(
            contentsOf: root.appendingPathComponent("Package.swift"), encoding: .utf8)
        let list = text.components(separatedBy: "let targets: [Target] = [").last ?? ""
        var result: [(name: String, dependencies: [String])] = []
        for part in list.components(separatedBy: "arget(").dropFirst() {
            let body = part.components(separatedBy: "swiftSettings").first ?? part
            let names = body.matches(of: /"([A-Za-z0-9]+)"/).map { String($0.output.1) }
            guard let name = names.first else { continue }
            result.append((name, Array(names.dropFirst())))
        }
        return result
    }

    @Test func `a target depends only on targets above it`() throws {
        let targets = try Self.targets()
        #expect(targets.count > 10, "the list of targets was not understood")
        let names = Set(targets.map(\.name))
        var above: Set<String> = []
        for target in targets {
            for dependency in target.dependencies where names.contains(dependency) {
                #expect(
                    above.contains(dependency),
                    "\(target.name) depends on \(dependency), which stands below it")
            }
            above.insert(target.name)
        }
    }

    @Test func `no file of the pure and storage layers imports Foundation`() {
        let upper: Set<String> = [
            "RPC", "Sync", "Analytics", "Prediction", "Gateway", "Node", "apus", "SpecRunner",
        ]
        for file in Self.sources where !upper.contains(file.module) {
            let found = file.lines(
                matching: /^\s*(?:public |internal |@preconcurrency )*import Foundation/)
            #expect(found.isEmpty, "Foundation below RPC: \(found)")
        }
    }

    @Test func `each C library is imported by one module`() {
        var importers: [String: Set<String>] = [:]
        for file in Self.sources {
            for line in file.lines {
                if let match = line.firstMatch(of: /^\s*(?:\w+ )*import (C[A-Z]\w+)/) {
                    importers[String(match.output.1), default: []].insert(file.module)
                }
            }
        }
        for (library, modules) in importers {
            #expect(modules.count == 1, "\(library) is imported by \(modules.sorted())")
        }
    }

    @Test func `nothing in Sources can trap by a forced try, cast or unwrap`() {
        for file in Self.sources {
            let forced = file.lines(matching: /\btry!|\bas!/)
            #expect(forced.isEmpty, "forced: \(forced)")
        }
    }

    @Test func `raw memory is touched only by the modules that own it`() {
        let owners: Set<String> = [
            "Cryptography", "State", "EVM", "Storage", "Compression", "Redis",
        ]
        for file in Self.sources where !owners.contains(file.module) {
            let found = file.lines(matching: /Unsafe\w*Pointer|unsafeBitCast|Unmanaged/)
                .filter { line in !Self.systemCallFiles.contains(where: line.hasPrefix) }
            #expect(found.isEmpty, "raw memory outside its owners: \(found)")
        }
    }

    /// Files of upper modules that talk to the operating system through raw structures.
    static let systemCallFiles = [
        "Sources/Node/SystemdNotifier.swift", "Sources/Chain/",
        // The one file that calls the training library.
        "Sources/Prediction/Learning/TreeTraining.swift",
    ]

    @Test func `names say what a thing is`() {
        let banned = ["Manager", "Helper", "Util", "Common", "Misc", "Impl", "Service2"]
        for file in Self.sources {
            let name = file.path.split(separator: "/").last ?? ""
            for word in banned {
                #expect(!name.contains(word), "\(file.path): \(word) says nothing")
            }
        }
    }

    @Test func `links between documents lead somewhere`() {
        var documents = Self.files(below: "docs", extension: "md")
        for name in ["README.md", "CONTRIBUTING.md"] {
            if let text = try? String(
                contentsOf: Self.root.appendingPathComponent(name), encoding: .utf8)
            {
                documents.append(SourceFile(path: name, lines: text.split(separator: "\n")))
            }
        }
        #expect(!documents.isEmpty)
        for document in documents {
            let folder = Self.root.appendingPathComponent(document.path).deletingLastPathComponent()
            for line in document.lines {
                for match in line.matches(of: /\]\(([^)#\s]+)(?:#[^)]*)?\)/) {
                    let target = String(match.output.1)
                    if target.contains("://") || target.hasPrefix("mailto:") { continue }
                    let path = folder.appendingPathComponent(target).path
                    #expect(
                        FileManager.default.fileExists(atPath: path),
                        "\(document.path) links to \(target), which is not there")
                }
            }
        }
    }
}
