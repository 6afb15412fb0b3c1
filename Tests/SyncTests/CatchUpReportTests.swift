import Sync
import Testing

@Suite struct CatchUpReportTests {
    @Test func `a replica that catches up tells its rate and the time that is left`() {
        let start = ContinuousClock.now
        var report = CatchUpReport(from: 100, at: start)
        #expect(report.facts(150, of: 1_100, at: start + .seconds(4)) == nil)
        // Nothing was imported: there is no rate.
        #expect(report.facts(100, of: 1_100, at: start + .seconds(5)) == nil)
        #expect(
            report.facts(200, of: 1_100, at: start + .seconds(5)) == [
                "block.number": "200", "block.target": "1100", "blocksPerSecond": "20",
                "secondsLeft": "45",
            ])
        #expect(report.facts(300, of: 1_100, at: start + .seconds(9)) == nil)
        // The upstream went back.
        #expect(
            report.facts(1_100, of: 1_000, at: start + .seconds(10)) == [
                "block.number": "1100", "block.target": "1000", "blocksPerSecond": "100",
                "secondsLeft": "0",
            ])
    }
}
