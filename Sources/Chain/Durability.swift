import Storage
import Synchronization

/// How batches get to the disk, and what happens when they do not.
///
/// After a failed write nothing is written any more: what was lost is not known, and a chain that
/// goes on without it would be another one. Reads go on.
final class Durability: Sendable {
    private struct State {
        /// Whether there are batches that a power failure would lose.
        var isUnsynced = false
        var failure: String?
    }

    private let database: Database
    private let mode: SyncMode
    private let state = Mutex(State())

    init(_ database: Database, _ mode: SyncMode) {
        self.database = database
        self.mode = mode
    }

    /// How often ``syncIfNeeded()`` wants to be called.
    var interval: Duration? {
        switch mode {
        case .everyBlock: nil
        case .interval(let milliseconds): .milliseconds(milliseconds)
        }
    }

    /// Why nothing is written any more.
    var failure: String? {
        state.withLock { $0.failure }
    }

    /// Writes what moves the head.
    ///
    /// - Throws: `readOnly` after a failed write; `storage(.lowDisk)` before the disk is full, which
    ///   leaves everything as it is.
    func write(_ batch: borrowing WriteBatch) throws(ChainError) {
        try check()
        do {
            switch mode {
            case .everyBlock:
                try database.write(batch, durability: .synced)
            case .interval:
                try database.write(batch, durability: .buffered)
                state.withLock { $0.isUnsynced = true }
            }
        } catch {
            fail(error.description)
            throw ChainError(error)
        }
    }

    /// Writes what may be lost at a power failure in every mode: it is only repeated then.
    func writeBuffered(_ batch: borrowing WriteBatch) throws(ChainError) {
        try check()
        do {
            try database.write(batch, durability: .buffered)
            state.withLock { $0.isUnsynced = true }
        } catch {
            fail(error.description)
            throw ChainError(error)
        }
    }

    /// Brings to the disk what is not there yet.
    func syncIfNeeded() {
        let isNeeded = state.withLock { state in
            defer { state.isUnsynced = false }
            return state.isUnsynced && state.failure == nil
        }
        guard isNeeded else { return }
        do {
            try database.sync()
        } catch {
            fail(error.description)
        }
    }

    func shutDown() throws(StorageError) {
        guard failure == nil else { return }
        fail("it was shut down")
        try database.sync()
    }

    private func check() throws(ChainError) {
        if let failure { throw .readOnly(reason: failure) }
        try storing { () throws(StorageError) in try database.checkRoom() }
    }

    private func fail(_ reason: String) {
        state.withLock { state in
            if state.failure == nil { state.failure = reason }
        }
    }
}
