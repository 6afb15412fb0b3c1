import BlockProduction
import Primitives
import Synchronization

/// Lets transactions that the node gives a nonce through one at a time for each sender, from the look
/// at the pool until they are in it: two of them never get the same (geth's `AddrLocker`).
final class SenderTurnstiles: Sendable {
    private struct Entry {
        let turnstile = Turnstile()
        /// Those who wait and who is through; the entry goes with the last one.
        var visitors = 0
    }

    private let entries = Mutex<[Address: Entry]>([:])

    /// Waits for the sender's transactions that came before.
    func enter(_ sender: Address) async {
        let turnstile = entries.withLock { entries in
            var entry = entries[sender] ?? Entry()
            entry.visitors += 1
            entries[sender] = entry
            return entry.turnstile
        }
        await turnstile.enter()
    }

    /// Lets the sender's next transaction through.
    func leave(_ sender: Address) {
        let turnstile = entries.withLock { entries -> Turnstile? in
            guard var entry = entries[sender] else { return nil }
            entry.visitors -= 1
            entries[sender] = entry.visitors > 0 ? entry : nil
            return entry.turnstile
        }
        turnstile?.leave()
    }
}
