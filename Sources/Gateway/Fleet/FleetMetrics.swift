import PluginAPI
import Synchronization

/// The figures of a fleet. Nodes are labelled by their place in the configuration, not by their
/// address, which may say more than everybody should know.
package struct FleetMetrics: Sendable {
    /// Requests that were given to another node, or to the same again.
    let retries: Counter
    /// Requests that no node has answered.
    let unanswered: Counter
    private let upstreamRequests: Counter
    private let upstreamFailures: Counter
    private let upstreamOutstanding: Gauge
    private let upstreamUp: Gauge
    private let upstreamHead: Gauge

    /// Declares them.
    package init(_ registry: MetricsRegistry, upstreams: Int) {
        let places = MetricLabel("upstream", (0..<min(64, upstreams)).map(String.init))
        retries = registry.counter(
            "apus_gateway_retries_total", "Tries that were repeated, by what went wrong.",
            label: MetricLabel(
                "reason", RetryPolicy.Failure.allCases.map(\.rawValue)))
        unanswered = registry.counter(
            "apus_gateway_unanswered_total", "Requests that no upstream has answered.")
        upstreamRequests = registry.counter(
            "apus_gateway_upstream_requests_total", "Tries at an upstream.", label: places)
        upstreamFailures = registry.counter(
            "apus_gateway_upstream_failures_total", "Tries that an upstream has not answered.",
            label: places)
        upstreamOutstanding = registry.gauge(
            "apus_gateway_upstream_outstanding", "Requests that an upstream is working on.",
            label: places)
        upstreamUp = registry.gauge(
            "apus_gateway_upstream_up", "1 if an upstream is given requests.", label: places)
        upstreamHead = registry.gauge(
            "apus_gateway_upstream_head_number", "The head of an upstream, as last heard.",
            label: places)
    }

    /// Counts a try at a node.
    func begins(_ index: Int) { upstreamRequests.add(1, String(index)) }

    /// Counts one that it has not answered.
    func fails(_ index: Int) { upstreamFailures.add(1, String(index)) }

    /// Shows what is known of the nodes.
    func show(_ fleet: Fleet, at now: ContinuousClock.Instant) {
        let eligible = Set(fleet.eligible(at: now))
        for (index, member) in fleet.members.enumerated() {
            let place = String(index)
            upstreamOutstanding.set(Double(member.outstanding), place)
            upstreamUp.set(eligible.contains(index) ? 1 : 0, place)
            upstreamHead.set(Double(member.head ?? 0), place)
        }
    }
}
