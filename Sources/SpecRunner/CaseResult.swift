//  What came of a case, and how it is printed.

public import Primitives

/// What came of one case of a fixture.
public struct CaseResult: Sendable {
    public let name: String
    public let fork: String
    public let index: Int
    public var stateRoot: Hash256?
    /// What is not as the fixture says; empty if the case passed.
    public var failures: [String] = []

    public init(name: String, fork: String, index: Int = 0) {
        self.name = name
        self.fork = fork
        self.index = index
    }

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
    public var passed = 0
    public var failed = 0
    public var skipped = 0

    public init() {}

    public mutating func count(_ result: CaseResult) {
        if result.passed { passed += 1 } else { failed += 1 }
    }

    public mutating func add(_ other: RunSummary) {
        passed += other.passed
        failed += other.failed
        skipped += other.skipped
    }

    public var line: String { "\(passed) passed, \(failed) failed, \(skipped) skipped" }
}
