import Primitives

/// The parameters of one request, by position or by name, still as text.
struct RPCArguments: Sendable {
    private let positional: [JSONText]
    private let named: [String: JSONText]?

    /// - Throws: geth's "non-array args" unless the text is an array, an object, null or missing.
    init(_ params: JSONText?) throws(RPCError) {
        guard let params, !params.isNull else {
            positional = []
            named = nil
            return
        }
        if let elements = params.elements {
            positional = elements
            named = nil
        } else if let members = params.members {
            positional = []
            named = members
        } else {
            throw .invalidParams("non-array args")
        }
    }

    /// - Throws: unless every argument has a parameter to go to.
    func check(against parameters: [RPCParameterDescription]) throws(RPCError) {
        if positional.count > parameters.count {
            throw .invalidParams("too many arguments, want at most \(parameters.count)")
        }
        if let named {
            for name in named.keys.sorted() where !parameters.contains(where: { $0.name == name }) {
                throw .invalidParams("unknown argument \(name)")
            }
        }
    }

    /// Decodes one argument; a missing one is nothing to an optional parameter.
    func decode<Parameter: RPCParameter>(
        _: Parameter.Type, at index: Int, named name: String
    ) throws(RPCError) -> Parameter {
        let text =
            if let named { named[name] } else { index < positional.count ? positional[index] : nil }
        guard let text else {
            if let absent = Parameter.absent { return absent }
            throw .invalidParams("missing value for required argument \(index)")
        }
        do {
            return try Parameter.decode(text)
        } catch {
            throw .invalidParams(
                error.standsAlone ? error.reason : "invalid argument \(index): \(error.reason)")
        }
    }
}
