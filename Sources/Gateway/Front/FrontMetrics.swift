import PluginAPI

/// The figures of a front.
struct FrontMetrics: Sendable {
    let requests: Counter
    let seconds: Histogram
    let refused: Counter
    let notModified: Counter

    /// The statuses that are told apart.
    private static let statuses = [
        200, 204, 304, 400, 401, 403, 404, 405, 408, 409, 413, 414, 415, 422, 429, 500, 502, 503,
        504,
    ]

    /// - Parameter routes: the names of the routes, each once: a name is a series.
    init(
        _ metrics: MetricsRegistry, routes: [String], cache: AnswerCache, audit: AuditLog,
        load: FrontLoad
    ) {
        let route = MetricLabel("route", Array(routes.prefix(MetricLabel.limit)))
        requests = metrics.counter(
            "apus_gateway_requests_total", "Requests that were answered.",
            labels: [route, MetricLabel("status", Self.statuses.map { String($0) })])
        seconds = metrics.histogram(
            "apus_gateway_request_seconds", "Time until a request had its answer.",
            bounds: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5],
            label: route)
        refused = metrics.counter(
            "apus_gateway_refused_total", "Requests that were refused.",
            label: MetricLabel("reason", ["host", "origin", "token", "role", "rate", "busy"]))
        notModified = metrics.counter(
            "apus_gateway_not_modified_total", "Requests whose caller had the answer already.")
        metrics.counter("apus_gateway_cache_hits_total", "Answers that were found in the cache.") {
            cache.figures.hits
        }
        metrics.counter(
            "apus_gateway_cache_misses_total", "Answers that were not found in the cache."
        ) { cache.figures.misses }
        metrics.gauge("apus_gateway_cache_bytes", "Memory of the answers in the cache.") {
            Double(cache.figures.bytes)
        }
        metrics.gauge("apus_gateway_cache_entries", "Answers in the cache.") {
            Double(cache.figures.entries)
        }
        metrics.gauge(
            "apus_gateway_requests_in_flight", "Requests that are being worked on."
        ) { Double(load.requests) }
        metrics.gauge("apus_gateway_streams", "Streams of events that are open.") {
            Double(load.streams)
        }
        metrics.counter(
            "apus_gateway_audit_lost_total", "Lines of the audit log that could not be written."
        ) { audit.lostLines }
    }
}
