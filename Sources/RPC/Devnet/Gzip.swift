import Primitives

/// gzip (RFC 1952) as far as state dumps need it: written without compression, read with all of it
/// (RFC 1951).
enum Gzip {
    private static let magic: Bytes = [0x1f, 0x8b, 8]

    /// A gzip file of stored blocks.
    static func wrap(_ bytes: Bytes) -> Bytes {
        var file = magic + [0, 0, 0, 0, 0, 0, 255]
        file.reserveCapacity(bytes.count + bytes.count / 0xffff * 5 + 32)
        var index = 0
        repeat {
            let count = min(0xffff, bytes.count - index)
            let isLast = index + count == bytes.count
            file += [isLast ? 1 : 0, UInt8(count & 255), UInt8(count >> 8)]
            file += [UInt8(~count & 255), UInt8(~count >> 8 & 255)]
            file += bytes[index..<index + count]
            index += count
        } while index < bytes.count
        for number in [checksum(bytes), UInt32(truncatingIfNeeded: bytes.count)] {
            for shift in [0, 8, 16, 24] { file.append(UInt8(truncatingIfNeeded: number >> shift)) }
        }
        return file
    }

    /// The contents of a gzip file; nil if it is none, or its contents are larger than the limit.
    static func unwrap(_ file: Bytes, limit: Int) -> Bytes? {
        guard file.count >= 18, file.starts(with: magic) else { return nil }
        let flags = file[3]
        var start = 10
        if flags & 4 != 0 {
            guard start + 2 <= file.count else { return nil }
            start += 2 + Int(file[start]) + Int(file[start + 1]) << 8
        }
        for flag: UInt8 in [8, 16] where flags & flag != 0 {
            guard start < file.count, let end = file[start...].firstIndex(of: 0) else {
                return nil
            }
            start = end + 1
        }
        if flags & 2 != 0 { start += 2 }
        guard start < file.count else { return nil }
        var inflater = Inflater(file[start...], limit: limit)
        guard inflater.run() else { return nil }
        let trailer = file[inflater.end...]
        guard trailer.count >= 8 else { return nil }
        let stored = trailer.prefix(4).reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        return stored == checksum(inflater.output) ? inflater.output : nil
    }

    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in
            value & 1 == 1 ? value >> 1 ^ 0xedb8_8320 : value >> 1
        }
    }

    private static func checksum(_ bytes: Bytes) -> UInt32 {
        ~bytes.reduce(UInt32.max) { table[Int(($0 ^ UInt32($1)) & 255)] ^ $0 >> 8 }
    }
}

/// Undoes DEFLATE (RFC 1951).
private struct Inflater {
    private let input: ArraySlice<UInt8>
    private let limit: Int
    private var next: Int
    private var bits: UInt32 = 0
    private var bitCount: UInt32 = 0
    private(set) var output: Bytes = []

    init(_ input: ArraySlice<UInt8>, limit: Int) {
        self.input = input
        self.limit = limit
        next = input.startIndex
    }

    /// Where the compressed data ended.
    var end: Int { next }

    /// - Returns: whether the data was valid and not too long.
    mutating func run() -> Bool {
        while true {
            guard let isLast = take(1), let kind = take(2) else { return false }
            let isFine =
                switch kind {
                case 0: stored()
                case 1: compressed(.fixedLiterals, .fixedDistances)
                case 2: dynamic()
                default: false
                }
            guard isFine else { return false }
            if isLast == 1 { return true }
        }
    }

    private mutating func take(_ count: UInt32) -> Int? {
        while bitCount < count {
            guard next < input.endIndex else { return nil }
            bits |= UInt32(input[next]) << bitCount
            bitCount += 8
            next += 1
        }
        let value = bits & (1 << count &- 1)
        bits >>= count
        bitCount -= count
        return Int(value)
    }

    private mutating func stored() -> Bool {
        bits = 0
        bitCount = 0
        guard next + 4 <= input.endIndex else { return false }
        let count = Int(input[next]) | Int(input[next + 1]) << 8
        let check = Int(input[next + 2]) | Int(input[next + 3]) << 8
        next += 4
        guard count ^ check == 0xffff, next + count <= input.endIndex,
            output.count + count <= limit
        else { return false }
        output += input[next..<next + count]
        next += count
        return true
    }

    /// The order in which the lengths of the code lengths' codes come.
    private static let order = [
        16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
    ]

    private mutating func dynamic() -> Bool {
        guard let literals = take(5), let distances = take(5), let count = take(4) else {
            return false
        }
        var meta = [UInt8](repeating: 0, count: 19)
        for index in 0..<count + 4 {
            guard let length = take(3) else { return false }
            meta[Self.order[index]] = UInt8(length)
        }
        let codes = HuffmanCode(meta)
        var lengths: [UInt8] = []
        let wanted = literals + 257 + distances + 1
        while lengths.count < wanted {
            guard let symbol = symbol(codes) else { return false }
            switch symbol {
            case 0...15: lengths.append(UInt8(symbol))
            case 16:
                guard let last = lengths.last, let more = take(2) else { return false }
                lengths += [UInt8](repeating: last, count: more + 3)
            case 17:
                guard let more = take(3) else { return false }
                lengths += [UInt8](repeating: 0, count: more + 3)
            default:
                guard let more = take(7) else { return false }
                lengths += [UInt8](repeating: 0, count: more + 11)
            }
        }
        guard lengths.count == wanted else { return false }
        return compressed(
            HuffmanCode(Array(lengths.prefix(literals + 257))),
            HuffmanCode(Array(lengths.dropFirst(literals + 257))))
    }

    private static let lengthBases = [
        3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115,
        131, 163, 195, 227, 258,
    ]
    private static let distanceBases = [
        1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537,
        2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577,
    ]

    private mutating func compressed(_ literals: HuffmanCode, _ distances: HuffmanCode) -> Bool {
        while true {
            guard let symbol = symbol(literals) else { return false }
            if symbol < 256 {
                guard output.count < limit else { return false }
                output.append(UInt8(symbol))
                continue
            }
            if symbol == 256 { return true }
            let index = symbol - 257
            guard index < Self.lengthBases.count else { return false }
            let extra = index < 8 || index == 28 ? 0 : UInt32(index / 4 - 1)
            guard let more = take(extra), let code = self.symbol(distances),
                code < Self.distanceBases.count,
                let further = take(code < 4 ? 0 : UInt32(code / 2 - 1))
            else { return false }
            let length = Self.lengthBases[index] + more
            let distance = Self.distanceBases[code] + further
            guard distance <= output.count, output.count + length <= limit else { return false }
            for _ in 0..<length { output.append(output[output.count - distance]) }
        }
    }

    private mutating func symbol(_ code: HuffmanCode) -> Int? {
        var value = 0
        var first = 0
        var index = 0
        for count in code.counts.dropFirst() {
            guard let bit = take(1) else { return nil }
            value |= bit
            if value - count < first { return code.symbols[index + value - first] }
            index += count
            first = (first + count) << 1
            value <<= 1
        }
        return nil
    }
}

/// A canonical Huffman code: how many codes of each length there are, and their symbols in order.
private struct HuffmanCode {
    private(set) var counts = [Int](repeating: 0, count: 16)
    private(set) var symbols: [Int] = []

    init(_ lengths: [UInt8]) {
        for length in lengths { counts[Int(length)] += 1 }
        counts[0] = 0
        symbols = lengths.indices.filter { lengths[$0] > 0 }
            .sorted { (lengths[$0], $0) < (lengths[$1], $1) }
    }

    static let fixedLiterals = HuffmanCode(
        (0..<288).map { $0 < 144 ? 8 : $0 < 256 ? 9 : $0 < 280 ? 7 : 8 })
    static let fixedDistances = HuffmanCode([UInt8](repeating: 5, count: 30))
}
