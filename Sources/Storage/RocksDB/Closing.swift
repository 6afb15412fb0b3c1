import Glibc

/// Keeps threads from closing a database while the process exits.
///
/// `exit` destroys RocksDB's statics while other threads still run. A database whose last owner is
/// such a thread would be closed with parts of the library gone, and crash. What was acknowledged
/// is in the log, so a database that stays open at the end of the process loses nothing.
enum Closing {
    // SAFETY: allocated once and never freed; a lock may be used by all threads at once.
    private nonisolated(unsafe) static let lock: UnsafeMutablePointer<pthread_rwlock_t> = {
        let lock = UnsafeMutablePointer<pthread_rwlock_t>.allocate(capacity: 1)
        pthread_rwlock_init(lock, nil)
        return lock
    }()

    private static let registered: Void = {
        // Handlers run in reverse order of registration: this one before the destructors of
        // statics that exist when the first database has been opened. The lock is never released.
        atexit { pthread_rwlock_wrlock(Closing.lock) }
    }()

    /// From here on, `exit` waits for databases that are being closed, and lets no other begin.
    static func stopAtExit() {
        registered
    }

    /// Runs `close`, unless the process has begun to exit: then the calling thread sleeps till the end.
    static func whileProcessLives(_ close: () -> Void) {
        pthread_rwlock_rdlock(lock)
        close()
        pthread_rwlock_unlock(lock)
    }
}
