//  Running many fixture files at once.

import EVM
public import EthereumTypes
public import Foundation
import Primitives
import Synchronization

/// The kinds of fixtures that the runner understands.
public enum FixtureFormat: Sendable {
    case stateTest
    /// The databases of the tests are made in `FixtureDatabases`.
    case blockTest(FixtureDatabases)
    /// The same through the HTTP port of the Engine API.
    case engineTest(FixtureDatabases)
}

/// Which cases of which files to run, and how.
public struct FixtureRun: Sendable {
    /// What the files are.
    public var format: FixtureFormat
    /// Files, and folders whose JSON files are run.
    public var paths: [String]
    /// Only cases whose name contains this.
    public var nameFilter: String?
    /// Only cases of this fork.
    public var fork: Fork?
    /// Only each n-th file, for a quick look; 1 runs all.
    public var stride: Int
    /// Which of each n files; any number, so that it can follow from a commit.
    public var offset = 0
    /// Files in work at the same time.
    public var jobs: Int
    /// When code of state tests is decoded: `never` and `always` test one interpreter alone.
    package var decoding = Decoding.whenHot

    /// A run of all cases in the files, unless told otherwise.
    public init(
        format: FixtureFormat, paths: [String], nameFilter: String? = nil, fork: Fork? = nil,
        stride: Int = 1, jobs: Int = ProcessInfo.processInfo.activeProcessorCount
    ) {
        self.format = format
        self.paths = paths
        self.nameFilter = nameFilter
        self.fork = fork
        self.stride = stride
        self.jobs = jobs
    }

    /// What a run tells while it goes on. Called from several threads, one at a time.
    public enum Event: Sendable {
        case result(CaseResult)
        /// A file was finished, or could not be read.
        case file(path: String, error: String?)
    }

    /// Runs everything. The order of results is that in which files are finished.
    ///
    /// - Returns: the sums; a file that cannot be read counts as one failure.
    public func execute(
        _ report: @escaping @Sendable (Event) -> Void
    ) async throws(FixtureError) -> RunSummary {
        let files = try files()
        let queue = FixtureQueue(files)
        await withTaskGroup { group in
            for _ in 0..<max(jobs, 1) {
                group.addTask {
                    while let path = queue.next() {
                        let (results, failure) = await run(path)
                        queue.finish(results, failure) {
                            for result in results { report(.result(result)) }
                            report(.file(path: path, error: failure))
                        }
                    }
                }
            }
        }
        return queue.summary
    }

    private func run(_ path: String) async -> (results: [CaseResult], failure: String?) {
        do {
            let data = try Data(contentsOf: URL(fileURLWithPath: path))
            let file = try JSONValue(parsing: Bytes(data))
            var results: [CaseResult] = []
            switch format {
            case .stateTest:
                for var test in try StateTestCase.cases(in: file)
                where matches(test.name, test.fork.name) {
                    test.decoding = decoding
                    results.append(test.run())
                }
            case .blockTest(let databases):
                for test in try BlockTestCase.cases(in: file)
                where matches(test.name, test.network) {
                    results.append(await test.run(in: databases))
                }
            case .engineTest(let databases):
                for test in try EngineTestCase.cases(in: file)
                where matches(test.name, test.network) {
                    results.append(await test.run(in: databases))
                }
            }
            return (results, nil)
        } catch {
            return ([], "\(error)")
        }
    }

    /// - Parameter network: a fork, or the transition from one to the next.
    private func matches(_ name: String, _ network: String) -> Bool {
        if let fork, Fork(name: network) != fork { return false }
        return nameFilter.map { name.contains($0) } ?? true
    }

    /// The files to run, the largest first, so that no core idles at the end.
    private func files() throws(FixtureError) -> [String] {
        var found: [(path: String, size: Int)] = []
        for path in paths {
            guard let facts = try? FileManager.default.attributesOfItem(atPath: path) else {
                throw FixtureError("There is no file or folder \(path).")
            }
            guard facts[.type] as? FileAttributeType == .typeDirectory else {
                found.append((path, Self.size(of: path)))
                continue
            }
            let inside = FileManager.default.enumerator(atPath: path)
            while let entry = inside?.nextObject() as? String {
                guard entry.hasSuffix(".json") else { continue }
                let whole = path + "/" + entry
                found.append((whole, Self.size(of: whole)))
            }
        }
        found.sort { ($1.size, $0.path) < ($0.size, $1.path) }
        let stride = max(stride, 1)
        let first = Int(offset.magnitude % UInt(stride))
        return found.enumerated().filter { $0.offset % stride == first }.map(\.element.path)
    }

    private static func size(of path: String) -> Int {
        let facts = try? FileManager.default.attributesOfItem(atPath: path)
        return facts?[.size] as? Int ?? 0
    }
}

/// The files that are still to be run, and the sum of those that are done.
private final class FixtureQueue: Sendable {
    private let files: [String]
    private let position = Atomic(0)
    private let sum = Mutex(RunSummary())

    init(_ files: [String]) { self.files = files }

    var summary: RunSummary { sum.withLock { $0 } }

    func next() -> String? {
        let place = position.add(1, ordering: .relaxed).oldValue
        return files.indices.contains(place) ? files[place] : nil
    }

    /// - Parameter report: called while no other file is reported.
    func finish(_ results: [CaseResult], _ failure: String?, report: () -> Void) {
        sum.withLock { summary in
            for result in results { summary.count(result) }
            if failure != nil { summary.failed += 1 }
            report()
        }
    }
}
