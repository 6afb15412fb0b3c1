import Foundation
import Glibc

// What the benchmarks of whole chains measure with and print.

/// A folder for a store, removed when nobody needs it any more.
final class TemporaryFolder {
    let path = FileManager.default.temporaryDirectory
        .appendingPathComponent("apus-bench-\(UUID().uuidString)").path

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

func seconds(_ duration: Duration) -> Double {
    Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
}

func median(_ values: ArraySlice<Double>) -> Double {
    values.sorted()[values.count / 2]
}

func line(_ name: String, _ value: String) {
    print(name.padding(toLength: 42, withPad: " ", startingAt: 0) + value)
    fflush(nil)
}

func residentMebibytes() -> Int {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let field = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
    return (field?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) / 1024
}

/// Seconds that the processor spent on this process so far, in all of its threads.
func processorSeconds() -> Double {
    var usage = rusage()
    unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
        + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
}
