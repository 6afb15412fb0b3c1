import Logging
import PluginAPI

/// Phase 1 of the plugins: each reads its section of the settings.
///
/// - Throws: `StartupError` for a setting that does not fit.
func configurePlugins(
    _ settings: NodeSettings, logger: Logger
) throws(StartupError) -> PluginHost {
    do {
        return try PluginHost(
            settings.plugins.map(\.type),
            configuration: { name in
                let section = settings.plugins.first { $0.type.manifest.name == name }?.section
                return PluginConfiguration(section: name, values: section ?? [:])
            }, policy: settings.pluginFailure, logger: logger)
    } catch {
        throw StartupError(.configuration, error.description)
    }
}
