import PluginAPI
import Primitives

/// The page that shows the routes to people: one document and one style sheet, nothing from
/// elsewhere, no script.
enum ReferencePage {
    /// The document.
    ///
    /// - Parameter roles: what anybody may do without a token.
    static func html(_ routes: [GatewayRoute], version: String, roles: Set<RESTRole>) -> Bytes {
        var groups: [(name: String, routes: [GatewayRoute])] = []
        for route in routes {
            let name = route.operation["tags"]?[0]?.stringValue ?? "gateway"
            if let index = groups.firstIndex(where: { $0.name == name }) {
                groups[index].routes.append(route)
            } else {
                groups.append((name, [route]))
            }
        }
        groups.sort { $0.name < $1.name }
        var page = """
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>Apus: REST routes</title>
            <link rel="stylesheet" href="/docs/style.css">
            </head>
            <body>
            <header>
            <h1>Apus</h1>
            <p>The REST routes of this node, version \(escaped(version)).
            The same for programs: <a href="/openapi.json">openapi.json</a>.</p>
            <p>A route needs the role that stands beside it, given by a token:
            <code>Authorization: Bearer …</code>. Without a token anybody may call:
            \(roles.isEmpty ? "nothing" : escaped(roles.map(\.description).sorted()
                .joined(separator: ", "))).</p>
            </header>
            <main>

            """
        for group in groups {
            page += "<section>\n<h2>\(escaped(group.name))</h2>\n"
            for route in group.routes { page += article(route) }
            page += "</section>\n"
        }
        page += "</main>\n</body>\n</html>\n"
        return Bytes(page.utf8)
    }

    private static func article(_ route: GatewayRoute) -> String {
        let summary = route.operation["summary"]?.stringValue ?? ""
        var text = """
            <article>
            <h3><span class="method">\(route.method.rawValue)</span> \
            <code>\(escaped(route.path))</code></h3>
            <p>\(escaped(summary))</p>
            <p class="facts">role <b>\(escaped(route.role.description))</b></p>

            """
        let parameters = route.operation["parameters"]?.arrayValue ?? []
        if !parameters.isEmpty {
            text += "<table>\n<tr><th>parameter</th><th>in</th><th>what</th></tr>\n"
            for parameter in parameters {
                let isRequired = parameter["required"]?.boolValue ?? false
                let name = parameter["name"]?.stringValue ?? ""
                text +=
                    "<tr><td><code>\(escaped(name))</code>\(isRequired ? "" : " (optional)")</td>"
                text += "<td>\(escaped(parameter["in"]?.stringValue ?? ""))</td>"
                text += "<td>\(escaped(parameter["description"]?.stringValue ?? ""))"
                if let schema = parameter["schema"] {
                    text += " <code>\(escaped(schema.description))</code>"
                }
                text += "</td></tr>\n"
            }
            text += "</table>\n"
        }
        if let body = route.operation["requestBody"] {
            let schema = body["content"]?["application/json"]?["schema"] ?? [:]
            text += "<p>Body: \(escaped(body["description"]?.stringValue ?? "")) "
            text += "<code>\(escaped(schema.description))</code></p>\n"
        }
        return text + "</article>\n"
    }

    /// Text that means nothing to HTML, in a document and in an attribute.
    static func escaped(_ text: String) -> String {
        var result = ""
        for character in text.unicodeScalars {
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            default: result.unicodeScalars.append(character)
            }
        }
        return result
    }

    /// How it looks, by day and by night.
    static let style = Bytes(
        """
        :root { color-scheme: light dark; }
        body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
               padding: 0 1rem; }
        h1 { margin: 0; } h2 { margin-top: 2.5rem; border-bottom: 1px solid; }
        h3 { margin-bottom: .2rem; } p { margin: .3rem 0; }
        code { font-family: ui-monospace, monospace; font-size: .9em; overflow-wrap: anywhere; }
        .method { font-size: .8em; border: 1px solid; border-radius: .3em; padding: .1em .4em; }
        .facts { opacity: .8; font-size: .9em; }
        table { border-collapse: collapse; width: 100%; margin: .5rem 0; }
        th, td { text-align: left; vertical-align: top; padding: .2rem .6rem .2rem 0;
                 border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); }

        """.utf8)
}
