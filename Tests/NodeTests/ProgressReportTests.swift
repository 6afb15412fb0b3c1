import Node
import Testing

@Suite struct ProgressReportTests {
    private let start = ContinuousClock.now

    @Test func `a line comes after each interval, with the time that is left`() {
        let report = ProgressReport(every: .seconds(2), since: start)
        func line(_ fraction: Double, after seconds: Int) -> String? {
            report.line(fraction: fraction, at: start + .seconds(seconds)) { "block 7" }
        }
        #expect(line(0.1, after: 1) == nil)
        #expect(line(0.25, after: 2) == "block 7, 25.0 %, 6.0 s left")
        #expect(line(0.3, after: 3) == nil)
        // Nothing is known yet, or all is done.
        #expect(line(0, after: 4) == "block 7, 0.0 %, 0.0 s left")
        #expect(line(1, after: 6) == "block 7, 100.0 %, 0.0 s left")
        #expect(line(0.001, after: 10) == "block 7, 0.1 %, 2 h 46 min left")
    }

    @Test func `rates are those since the beginning`() {
        let report = ProgressReport(since: start - .seconds(100_000))
        #expect(report.rate(250_000) == "2.5")
        #expect(report.rate(2_500_000) == "25")
        #expect(report.gasRate(2_500_000_000_000) == "25.0")
    }

    @Test(arguments: [
        (0, "0.0 s"), (9.94, "9.9 s"), (10, "10 s"), (59.4, "59 s"), (60, "1 min 0 s"),
        (3_599, "59 min 59 s"), (3_600, "1 h 0 min"), (1e300, "277777 h 46 min"),
    ])
    func `a time stands in the largest units that tell something`(seconds: Double, text: String) {
        #expect(ProgressReport.time(seconds) == text)
    }
}
