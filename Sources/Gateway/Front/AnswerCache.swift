public import Primitives
import Synchronization

/// What an answer is kept under: what was asked for, and the state that it follows from.
public struct CacheKey: Hashable, Sendable {
    /// The path and the query in their one form.
    public let target: String
    /// The entity tag.
    public let entityTag: String

    /// A key.
    public init(target: String, entityTag: String) {
        self.target = target
        self.entityTag = entityTag
    }
}

/// A copy of an answer.
public struct CachedAnswer: Hashable, Sendable {
    /// The media type.
    public let mediaType: String
    /// The body.
    public let body: Bytes
    /// The state that it speaks of.
    public let state: StateTag

    /// A copy.
    public init(mediaType: String, body: Bytes, state: StateTag) {
        self.mediaType = mediaType
        self.body = body
        self.state = state
    }
}

/// Copies of answers in memory, the least recently used of which go when they are too many bytes.
///
/// Nothing is ever invalidated: an answer is found under the state that it follows from, so with
/// another head (also after a reorganisation back to the same block) it is not found any more.
/// For each target there is one copy, the last.
public final class AnswerCache: Sendable {
    private struct Entry {
        var entityTag: String
        var answer: CachedAnswer
        var before: String?
        var after: String?
    }

    private struct State {
        var entries: [String: Entry] = [:]
        /// The entry that was used last, and the one that was not used for the longest time.
        var newest: String?
        var oldest: String?
        var bytes = 0
        var hits = 0.0
        var misses = 0.0
    }

    private let limit: Int
    private let state = Mutex(State())

    /// An empty cache.
    ///
    /// - Parameter limit: bytes; 0 keeps nothing.
    public init(limit: Int) {
        self.limit = limit
    }

    /// How much there is, and how often it was of use.
    public var figures: (entries: Int, bytes: Int, hits: Double, misses: Double) {
        state.withLock { ($0.entries.count, $0.bytes, $0.hits, $0.misses) }
    }

    /// The copy under a key.
    public func find(_ key: CacheKey) -> CachedAnswer? {
        find(key.target, entityTags: [key.entityTag])?.answer
    }

    /// The copy of the answer to a target, if it follows from one of these states.
    public func find(
        _ target: String, entityTags: [String]
    ) -> (entityTag: String, answer: CachedAnswer)? {
        state.withLock { state in
            guard let entry = state.entries[target], entityTags.contains(entry.entityTag) else {
                state.misses += 1
                return nil
            }
            state.hits += 1
            Self.unlink(target, &state)
            Self.link(target, &state)
            return (entry.entityTag, entry.answer)
        }
    }

    /// Keeps a copy, unless it alone would take a large part of the room.
    public func store(_ answer: CachedAnswer, under key: CacheKey) {
        let size = Self.size(key, answer)
        guard size <= limit / 8 else { return }
        state.withLock { state in
            if state.entries[key.target] != nil { Self.remove(key.target, &state) }
            state.entries[key.target] = Entry(entityTag: key.entityTag, answer: answer)
            state.bytes += size
            Self.link(key.target, &state)
            while state.bytes > limit, let oldest = state.oldest { Self.remove(oldest, &state) }
        }
    }

    /// The bytes of an entry with what it takes beside them.
    private static func size(_ key: CacheKey, _ answer: CachedAnswer) -> Int {
        answer.body.count + 3 * key.target.utf8.count + key.entityTag.utf8.count + 256
    }

    private static func remove(_ target: String, _ state: inout State) {
        unlink(target, &state)
        guard let entry = state.entries.removeValue(forKey: target) else { return }
        state.bytes -= size(CacheKey(target: target, entityTag: entry.entityTag), entry.answer)
    }

    private static func link(_ target: String, _ state: inout State) {
        state.entries[target]?.before = nil
        state.entries[target]?.after = state.newest
        if let newest = state.newest { state.entries[newest]?.before = target }
        state.newest = target
        if state.oldest == nil { state.oldest = target }
    }

    private static func unlink(_ target: String, _ state: inout State) {
        guard let entry = state.entries[target] else { return }
        if let before = entry.before {
            state.entries[before]?.after = entry.after
        } else if state.newest == target {
            state.newest = entry.after
        }
        if let after = entry.after {
            state.entries[after]?.before = entry.before
        } else if state.oldest == target {
            state.oldest = entry.before
        }
    }
}
