import PluginAPI
import RPC
import Synchronization

/// Has an answer in parts, most of which are empty: as many as its query says, or without an end.
final class SlowPlugin: NodePlugin {
    static let manifest = PluginManifest(name: "slow", summary: "Takes its time.")

    /// There while somebody may ask for another part.
    final class Source: Sendable {
        let asked = Mutex<UInt64>(0)
        private let plugin: SlowPlugin

        init(_ plugin: SlowPlugin) {
            self.plugin = plugin
            plugin.sources.withLock { $0 += 1 }
        }

        deinit { plugin.sources.withLock { $0 -= 1 } }
    }

    /// Answers that are on their way.
    let sources = Mutex(0)

    init(_: inout PluginConfiguration) throws(PluginError) {}

    func open(_: PluginHandle) throws -> PluginOffer {
        PluginOffer(routes: [
            RESTRoute(
                .get, "/slow", "Takes its time.", role: .reader, mediaTypes: ["text/plain"],
                RESTParameter<UInt64>.query("parts", "How many are empty.")
            ) { [self] _, empty in
                let source = Source(self)
                return RESTAnswer(
                    mediaType: "text/plain",
                    content: .parts {
                        let asked = source.asked.withLock { asked in
                            asked += 1
                            return asked
                        }
                        return asked <= empty ? [] : asked == empty + 1 ? Array("end".utf8) : nil
                    })
            }
        ])
    }
}
