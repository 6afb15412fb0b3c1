import Chain
import PluginAPI
import RPC
import Synchronization

/// Fails in ways that nobody has foreseen.
final class FaultyPlugin: NodePlugin {
    static let manifest = PluginManifest(name: "faulty", summary: "Fails.")
    private let isBroken = Mutex(false)

    struct Unforeseen: Error, CustomStringConvertible {
        let description = "a secret: /home/someone/key"
    }

    init(_: inout PluginConfiguration) throws(PluginError) {}

    func open(_: PluginHandle) throws -> PluginOffer {
        PluginOffer(routes: [
            RESTRoute(.get, "/faulty/instant", "Fails.", role: .reader) { _ -> String in
                throw Unforeseen()
            },
            RESTRoute(.get, "/faulty/execution", "Fails.", role: .reader, cost: .execution) {
                _ -> String in throw Unforeseen()
            },
        ])
    }

    func health() -> PluginHealth {
        PluginHealth(isBroken.withLock { $0 } ? .failing : .ok)
    }

    /// From now on its health is failing.
    static func breaks(_ test: GatewayFixture) {
        test.plugins.plugin(FaultyPlugin.self)?.isBroken.withLock { $0 = true }
    }
}
