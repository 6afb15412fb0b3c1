import PluginAPI
import Testing

@Suite struct MetricsTests {
    @Test func `labels that were not declared count as others`() {
        let registry = MetricsRegistry()
        let counter = registry.counter(
            "apus_test_total", "A test.", label: MetricLabel("kind", ["a", "b"]))
        counter.add(2, "a")
        for index in 0..<1000 { counter.add(1, "junk \(index)") }
        let samples = registry.snapshot()[0].samples
        #expect(samples.map(\.labels) == [["kind": "a"], ["kind": "b"], ["kind": "other"]])
        #expect(samples.map(\.value) == [2, 0, 1000])
    }

    @Test func `a histogram adds up its ranges`() {
        let registry = MetricsRegistry()
        let histogram = registry.histogram("apus_test_seconds", "A test.", bounds: [1, 2])
        for figure in [0.5, 1, 1.5, 9] { histogram.observe(figure) }
        let samples = registry.snapshot()[0].samples
        #expect(samples.map(\.suffix) == ["_bucket", "_bucket", "_bucket", "_sum", "_count"])
        #expect(samples.map(\.value) == [2, 3, 4, 12, 4])
    }

    @Test func `a gauge is read when someone looks`() {
        let registry = MetricsRegistry()
        registry.gauge("apus_test_size", "A test.") { 7 }
        registry.gauge("apus_a_level", "Another.").set(3)
        #expect(registry.snapshot().map(\.name) == ["apus_a_level", "apus_test_size"])
        #expect(registry.snapshot().map { $0.samples[0].value } == [3, 7])
    }

    @Test func `of several labels the combinations that occur are shown`() {
        let registry = MetricsRegistry()
        let counter = registry.counter(
            "apus_test_total", "A test.",
            labels: [MetricLabel("kind", ["a", "b"]), MetricLabel("size", ["x"])])
        #expect(registry.snapshot()[0].samples.isEmpty)
        counter.add(1, ["a", "x"])
        counter.add(2, ["b", "junk"])
        counter.add(3, ["junk", "x"])
        counter.add(4, ["a", "x"])
        counter.add(5, [])
        let samples = registry.snapshot()[0].samples
        #expect(
            samples.map(\.labels) == [
                ["kind": "a", "size": "x"], ["kind": "b", "size": "other"],
                ["kind": "other", "size": "x"], ["kind": "other", "size": "other"],
            ])
        #expect(samples.map(\.value) == [5, 2, 3, 5])
    }

    @Test func `a counter may be read when someone looks`() {
        let registry = MetricsRegistry()
        registry.counter("apus_test_total", "A test.") { 9 }
        #expect(registry.snapshot()[0].kind == .counter)
        #expect(registry.snapshot()[0].samples[0].value == 9)
    }
}
