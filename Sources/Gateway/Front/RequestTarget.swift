import Primitives

/// What a request line asks for: the segments of a path and the parameters of a query, decoded.
package struct RequestTarget: Sendable, Hashable {
    package var segments: [String]
    package var query: [String: String]

    /// The longest target.
    package static let longest = 4_096
    /// The most segments; no route has more than ten.
    package static let mostSegments = 16
    /// The most parameters.
    package static let mostParameters = 32

    /// Reads a target in origin form (RFC 9112, section 3.2.1).
    package init(_ text: String) throws(Problem) {
        guard text.utf8.count <= Self.longest else {
            throw Problem(414, "URI too long", "The target is longer than \(Self.longest) bytes.")
        }
        guard text.utf8.first == UInt8(ascii: "/") else { throw Self.malformed }
        // Bytes, not characters: to find where those end is most of the work.
        let parts = text.utf8.split(
            separator: UInt8(ascii: "?"), maxSplits: 1, omittingEmptySubsequences: false)
        let path = parts[0].dropFirst().split(
            separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard path.count <= Self.mostSegments else { throw Self.malformed }
        segments = []
        for segment in path {
            guard let decoded = Self.decode(segment, plusIsSpace: false) else {
                throw Self.malformed
            }
            segments.append(decoded)
        }
        query = [:]
        if parts.count == 2, !parts[1].isEmpty {
            let pairs = parts[1].split(
                separator: UInt8(ascii: "&"), omittingEmptySubsequences: false)
            guard pairs.count <= Self.mostParameters else { throw Self.malformed }
            for pair in pairs {
                let sides = pair.split(
                    separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
                guard let name = Self.decode(sides[0], plusIsSpace: true),
                    let value = sides.count == 2
                        ? Self.decode(sides[1], plusIsSpace: true) : "", !name.isEmpty
                else { throw Self.malformed }
                guard query.updateValue(value, forKey: name) == nil else {
                    throw Problem(
                        400, "Invalid parameter", "A parameter of the query is given twice.")
                }
            }
        }
    }

    /// The same for every request that asks for the same.
    package var canonical: String {
        let path = "/" + segments.map(Self.encode).joined(separator: "/")
        if query.isEmpty { return path }
        let pairs = query.sorted { $0.key < $1.key }
        return path + "?"
            + pairs.map { Self.encode($0.key) + "=" + Self.encode($0.value) }
            .joined(separator: "&")
    }

    private static let malformed = Problem(
        400, "Malformed target", "The path or the query of the request cannot be read.")

    private static func decode(_ bytes: Substring.UTF8View, plusIsSpace: Bool) -> String? {
        guard bytes.contains(where: { $0 == UInt8(ascii: "%") || $0 == UInt8(ascii: "+") }) else {
            return bytes.allSatisfy { $0 > 0x20 && $0 < 0x7f } ? String(Substring(bytes)) : nil
        }
        var result: Bytes = []
        var index = bytes.startIndex
        while index < bytes.endIndex {
            let byte = bytes[index]
            index = bytes.index(after: index)
            switch byte {
            case UInt8(ascii: "%"):
                guard let end = bytes.index(index, offsetBy: 2, limitedBy: bytes.endIndex) else {
                    return nil
                }
                let digits = String(Substring(bytes[index..<end]))
                guard let value = Hex.decode("0x" + digits)?.first else { return nil }
                result.append(value)
                index = end
            case UInt8(ascii: "+") where plusIsSpace: result.append(UInt8(ascii: " "))
            case 0x21..<0x7f: result.append(byte)
            default: return nil
            }
        }
        return String(validating: result, as: UTF8.self)
    }

    private static func encode(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
                UInt8(ascii: "_"):
                result.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16)
                result += "%" + (digits.utf8.count == 1 ? "0" : "") + digits
            }
        }
        return result
    }
}
