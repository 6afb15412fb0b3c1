//  What came of a case, and how it is printed.

public import Primitives

/// What came of one case of a fixture.
public struct CaseResult: Sendable {
    /// The key of the test in its file.
    public let name: String
    /// The fork or network.
    public let fork: String
    /// The position among the cases of the test and fork.
    public let index: Int
    /// The state root that came out.
    public var stateRoot: Hash256?
    /// What is not as the fixture says; empty if the case passed.
    public var failures: [String] = []

    /// A result without failures.
    public init(name: String, fork: String, index: Int = 0) {
        self.name = name
        self.fork = fork
        self.index = index
    }

    /// Whether everything was as the fixture says.
    public var passed: Bool { failures.isEmpty }

    /// One JSON object, with the keys of geth's `evm statetest`.
    public var json: String {
        var writer = JSONWriter()
        writer.object { object in
            object.key("name")
            object.string(name)
            object.key("pass")
            object.bool(passed)
            object.key("fork")
            object.string(fork)
            object.key("index")
            object.number(index)
            if let stateRoot {
                object.key("stateRoot")
                object.string(stateRoot.description)
            }
            if !passed {
                object.key("error")
                object.string(failures.joined(separator: "; "))
            }
        }
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    /// One line for people.
    public var line: String {
        passed
            ? "ok   \(name) [\(fork)/\(index)]"
            : "FAIL \(name) [\(fork)/\(index)]: \(failures.joined(separator: "; "))"
    }
}

/// The sum over many cases.
public struct RunSummary: Sendable {
    /// Cases as their fixtures say.
    public var passed = 0
    /// Cases, and files, that were not.
    public var failed = 0

    /// Nothing yet.
    public init() {}

    /// Counts one result.
    public mutating func count(_ result: CaseResult) {
        if result.passed { passed += 1 } else { failed += 1 }
    }

    /// Adds another sum.
    public mutating func add(_ other: RunSummary) {
        passed += other.passed
        failed += other.failed
    }

    /// The last line of a run. None is ever skipped: a case that cannot be run has failed.
    public var line: String { "\(passed) passed, \(failed) failed, 0 skipped" }
}
