import Chain
import PluginAPI
public import Primitives
import Storage

/// What must hold so that requests should be sent to a node, and what is said if it does not.
public struct ReadinessChecks: Sendable {
    /// The folder whose disk must have room; nil for none.
    public var folder: String?
    /// The room that there must be, in bytes.
    public var leastFreeBytes: UInt64 = 256 << 20
    /// The age that the head may have, in seconds; nil where blocks come when somebody wants one.
    public var oldestHead: UInt64?
    /// How far a node that replicates another one is behind it; nil where it does not.
    public var blocksBehind: (@Sendable () -> UInt64?)?
    /// The blocks that it may be behind.
    public var mostBlocksBehind: UInt64 = 16
    /// The wall clock.
    public var now: @Sendable () -> Timestamp

    /// Checks that ask for nothing of what depends on the way of the node.
    public init(now: @escaping @Sendable () -> Timestamp) {
        self.now = now
    }

    /// What does not hold, each a sentence.
    func reasons(_ blockchain: Blockchain, _ plugins: PluginHost) -> [String] {
        var reasons: [String] = []
        if blockchain.readOnlyReason != nil {
            reasons.append("the database takes no more writes")
        }
        if (try? blockchain.database.checkRoom()) == nil {
            reasons.append("the database waits for room on its disk")
        }
        if let oldestHead {
            let age = now().subtracting(blockchain.head.header.timestamp)
            if age > oldestHead {
                reasons.append("the head is \(age) s old, more than \(oldestHead) s")
            }
        }
        if let behind = blocksBehind?(), behind > mostBlocksBehind {
            reasons.append("the node is \(behind) blocks behind the one that it follows")
        }
        for (name, health) in plugins.health {
            if health.status == .failing {
                reasons.append("the plugin \(name) has failed")
            } else if let indexed = health.facts["indexed"].flatMap({ UInt64($0) }),
                let head = health.facts["head"].flatMap({ UInt64($0) }), head > indexed
            {
                reasons.append("the index of \(name) is \(head - indexed) blocks behind")
            }
        }
        if let folder, let free = freeBytes(onFileSystemOf: folder), free < leastFreeBytes {
            reasons.append(
                "the disk has \(free >> 20) MiB free, less than \(leastFreeBytes >> 20) MiB")
        }
        return reasons
    }
}

extension Timestamp {
    /// The seconds since an earlier time; none since a later one.
    fileprivate func subtracting(_ other: Timestamp) -> UInt64 {
        self > other ? UInt64(self - other) : 0
    }
}
