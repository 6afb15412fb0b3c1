import Glibc

/// The thread that the one writer of the chain runs on.
///
/// An executor of its own keeps long blocks off the cooperative pool, gives them a stack of known
/// size, and puts all writes in one order. At an interval it also calls a function between jobs:
/// the chain brings its log to the disk there.
@safe final class WriterThread: SerialExecutor, @unchecked Sendable {
    // SAFETY: `jobs` and `isStopped` are touched only under the mutex. The running thread holds
    // the object, so the pthread objects outlive their use.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var jobs: [UnownedJob] = []
    private var isStopped = false
    private let interval: Duration?
    private let tick: @Sendable () -> Void

    /// Starts the thread; it runs until ``stop()``.
    init(every interval: Duration?, _ tick: @escaping @Sendable () -> Void) {
        self.interval = interval
        self.tick = tick
        unsafe mutex = .allocate(capacity: 1)
        unsafe condition = .allocate(capacity: 1)
        unsafe pthread_mutex_init(mutex, nil)
        var clock = pthread_condattr_t()
        unsafe pthread_condattr_init(&clock)
        unsafe pthread_condattr_setclock(&clock, CLOCK_MONOTONIC)
        unsafe pthread_cond_init(condition, &clock)
        unsafe pthread_condattr_destroy(&clock)
        start()
    }

    deinit {
        unsafe pthread_cond_destroy(condition)
        unsafe pthread_mutex_destroy(mutex)
        unsafe condition.deallocate()
        unsafe mutex.deallocate()
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        locked { jobs.append(job) }
    }

    func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        unsafe UnownedSerialExecutor(ordinary: self)
    }

    /// Lets the thread end when it has run the jobs that it has.
    func stop() {
        locked { isStopped = true }
    }

    private func start() {
        var attributes = pthread_attr_t()
        unsafe pthread_attr_init(&attributes)
        unsafe pthread_attr_setstacksize(&attributes, ChainLimits.writerStackBytes)
        unsafe pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        var thread = pthread_t()
        // SAFETY: the thread takes over the reference that is retained here.
        let owner = unsafe Unmanaged.passRetained(self).toOpaque()
        let status = unsafe pthread_create(
            &thread, &attributes,
            { owner in
                guard let owner = unsafe owner else { return nil }
                unsafe Unmanaged<WriterThread>.fromOpaque(owner).takeRetainedValue().run()
                return nil
            }, owner)
        unsafe pthread_attr_destroy(&attributes)
        precondition(status == 0, "the system gives no thread to the writer of the chain")
    }

    private func run() {
        var lastTick = ContinuousClock.now
        while let next = nextJobs() {
            for job in next { unsafe job.runSynchronously(on: asUnownedSerialExecutor()) }
            if let interval, ContinuousClock.now - lastTick >= interval {
                tick()
                lastTick = ContinuousClock.now
            }
        }
    }

    /// Waits for jobs, at most for the interval; `nil` when there are none and there will be none.
    private func nextJobs() -> [UnownedJob]? {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        var isTimeUp = false
        while jobs.isEmpty, !isStopped, !isTimeUp {
            if let interval {
                var deadline = timespec(after: interval)
                isTimeUp =
                    unsafe pthread_cond_timedwait(condition, mutex, &deadline) == ETIMEDOUT
            } else {
                unsafe pthread_cond_wait(condition, mutex)
            }
        }
        if jobs.isEmpty, isStopped { return nil }
        defer { jobs.removeAll(keepingCapacity: true) }
        return jobs
    }

    private func locked(_ body: () -> Void) {
        unsafe pthread_mutex_lock(mutex)
        body()
        unsafe pthread_cond_signal(condition)
        unsafe pthread_mutex_unlock(mutex)
    }
}

extension timespec {
    /// The time on the monotonic clock after so long.
    fileprivate init(after duration: Duration) {
        self.init()
        unsafe clock_gettime(CLOCK_MONOTONIC, &self)
        let (seconds, attoseconds) = duration.components
        tv_sec += Int(seconds)
        tv_nsec += Int(attoseconds / 1_000_000_000)
        if tv_nsec >= 1_000_000_000 {
            tv_sec += 1
            tv_nsec -= 1_000_000_000
        }
    }
}
