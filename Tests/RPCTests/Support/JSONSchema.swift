import Foundation
import Primitives
import Synchronization
import TestSupport

/// As much of JSON Schema (draft 7) as the OpenRPC document of execution-apis uses.
struct JSONSchema: Sendable {
    let schema: JSONValue

    /// What is wrong with a value, or nil if it is valid.
    func fault(in value: JSONValue) -> String? { Self.fault(in: value, schema, at: "$") }

    private static func fault(
        in value: JSONValue, _ schema: JSONValue, at path: String
    ) -> String? {
        guard let rules = schema.objectValue else {
            return schema == .bool(false) ? "\(path): nothing is allowed" : nil
        }
        for key in rules.keys {
            guard let rule = rules[key] else { continue }
            if let fault = fault(in: value, key, rule, rules, at: path) { return fault }
        }
        return nil
    }

    private static func fault(
        in value: JSONValue, _ key: String, _ rule: JSONValue, _ rules: JSONObject, at path: String
    ) -> String? {
        switch key {
        case "type":
            let names = rule.arrayValue?.compactMap(\.stringValue) ?? [rule.stringValue ?? ""]
            return names.contains { isA($0, value) } ? nil : "\(path): not \(names)"
        case "enum":
            return rule.arrayValue?.contains(value) ?? true ? nil : "\(path): \(value) not in enum"
        case "const": return rule == value ? nil : "\(path): \(value) is not \(rule)"
        case "pattern":
            guard let text = value.stringValue, let pattern = rule.stringValue else { return nil }
            return matches(text, pattern) ? nil : "\(path): \(text) does not match \(pattern)"
        case "minimum":
            guard let number = value.doubleValue, let least = rule.doubleValue else { return nil }
            return number >= least ? nil : "\(path): \(number) < \(least)"
        case "maximum":
            guard let number = value.doubleValue, let most = rule.doubleValue else { return nil }
            return number <= most ? nil : "\(path): \(number) > \(most)"
        case "minItems":
            guard let items = value.arrayValue, let least = rule.intValue else { return nil }
            return items.count >= least ? nil : "\(path): fewer than \(least) items"
        case "maxItems":
            guard let items = value.arrayValue, let most = rule.intValue else { return nil }
            return items.count <= most ? nil : "\(path): more than \(most) items"
        case "items":
            for (index, item) in (value.arrayValue ?? []).enumerated() {
                if let fault = fault(in: item, rule, at: "\(path)[\(index)]") { return fault }
            }
            return nil
        case "required":
            guard let object = value.objectValue else { return nil }
            let missing = (rule.arrayValue ?? []).compactMap(\.stringValue)
                .first { object[$0] == nil }
            return missing.map { "\(path): \($0) is missing" }
        case "properties", "additionalProperties", "patternProperties":
            return fault(inMembersOf: value, key, rule, rules, at: path)
        case "allOf":
            for part in rule.arrayValue ?? [] {
                if let fault = fault(in: value, part, at: path) { return fault }
            }
            return nil
        case "anyOf", "oneOf":
            // The document's own alternatives overlap: an empty list is one of hashes and of logs.
            var faults: [String] = []
            for alternative in rule.arrayValue ?? [] {
                guard let fault = fault(in: value, alternative, at: path) else { return nil }
                faults.append(fault)
            }
            return "\(path): no alternative matches: " + faults.joined(separator: " | ")
        case "not":
            return fault(in: value, rule, at: path) == nil
                ? "\(path): matches what it must not" : nil
        default: return nil
        }
    }

    private static func fault(
        inMembersOf value: JSONValue, _ key: String, _ rule: JSONValue, _ rules: JSONObject,
        at path: String
    ) -> String? {
        guard let object = value.objectValue else { return nil }
        for name in object.keys {
            guard let member = object[name] else { continue }
            let inside = "\(path).\(name)"
            switch key {
            case "properties":
                if let part = rule[name], let fault = fault(in: member, part, at: inside) {
                    return fault
                }
            case "patternProperties":
                for pattern in rule.objectValue?.keys ?? [] where matches(name, pattern) {
                    if let part = rule[pattern], let fault = fault(in: member, part, at: inside) {
                        return fault
                    }
                }
            default:
                let isKnown =
                    rules["properties"]?[name] != nil
                    || (rules["patternProperties"]?.objectValue?.keys ?? [])
                        .contains { matches(name, $0) }
                if !isKnown, let fault = fault(in: member, rule, at: inside) { return fault }
            }
        }
        return nil
    }

    private static func isA(_ type: String, _ value: JSONValue) -> Bool {
        switch (type, value) {
        case ("null", .null), ("boolean", .bool), ("string", .string), ("array", .array),
            ("object", .object), ("number", .number):
            true
        case ("integer", .number(let text)): !text.contains(".")
        default: false
        }
    }

    private static let expressions = Mutex<[String: NSRegularExpression]>([:])

    private static func matches(_ text: String, _ pattern: String) -> Bool {
        let expression = expressions.withLock { known -> NSRegularExpression? in
            if let expression = known[pattern] { return expression }
            let expression = try? NSRegularExpression(pattern: pattern)
            known[pattern] = expression
            return expression
        }
        return expression?.firstMatch(
            in: text, range: NSRange(text.startIndex..., in: text)) != nil
    }
}

/// The OpenRPC document of execution-apis.
enum Specification {
    /// The schemas of results, by method; empty without the fixtures.
    static let results: [String: JSONSchema] = {
        guard Fixtures.areAvailable,
            let bytes = try? Fixtures.bytes(Fixtures.file("openrpc", "openrpc.json")),
            let document = try? JSONValue(parsing: bytes)
        else { return [:] }
        var results: [String: JSONSchema] = [:]
        for method in document["methods"]?.arrayValue ?? [] {
            guard let name = method["name"]?.stringValue,
                let schema = method["result"]?["schema"]
            else { continue }
            results[name] = JSONSchema(schema: schema)
        }
        return results
    }()

    /// What is wrong with the result of a method; nil if nothing is, or the document lacks it.
    static func fault(in result: JSONValue, of method: String) -> String? {
        results[method]?.fault(in: result)
    }
}
