import Chain
import Logging

extension Blockchain {
    /// Brings the history to what the settings retain, in small steps between which the chain goes
    /// on, and keeps it there. A retention that was lowered takes effect without a restart's wait,
    /// and goes on where it was after a crash. Ends with its task.
    func keepHistoryPruned(logger: Logger) async {
        let clock = ContinuousClock()
        while !Task.isCancelled {
            var reported: ContinuousClock.Instant?
            do {
                while let progress = try pruneHistory(), !Task.isCancelled {
                    if reported.map({ clock.now - $0 >= .seconds(10) }) ?? true {
                        reported = clock.now
                        logger.notice(
                            "removing old history",
                            metadata: [
                                "oldest.state": "\(progress.oldest)",
                                "wanted.state": "\(progress.wanted)",
                            ])
                    }
                    try await Task.sleep(for: .milliseconds(20))
                }
                if reported != nil {
                    logger.notice(
                        "old history is removed",
                        metadata: ["oldest.state": "\(head.view.oldestState)"])
                }
                // From now on each block removes what it makes old.
                try await Task.sleep(for: .seconds(60))
            } catch is CancellationError {
                return
            } catch {
                logger.error("cannot remove old history", metadata: ["error": "\(error)"])
                try? await Task.sleep(for: .seconds(60))
            }
        }
    }
}
