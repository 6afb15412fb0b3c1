import Analytics
import PluginAPI
import Prediction

/// The plugins of this program, in the order in which they take part in a commit. To leave one out of
/// a node, set `<name>.enabled` to false.
let plugins: [any NodePlugin.Type] = [AnalyticsPlugin.self, PredictionPlugin.self]
