import Primitives

/// Writes Thrift's compact protocol, as far as the metadata of Parquet needs it.
///
/// Fields of a struct must come in ascending order of their ids.
struct ThriftWriter {
    private(set) var bytes: Bytes = []
    private var lastField: [Int] = [0]

    private enum FieldType: UInt8 {
        case i32 = 5
        case i64 = 6
        case binary = 8
        case list = 9
        case `struct` = 12
    }

    mutating func field(_ id: Int, int32 value: Int) {
        header(id, .i32)
        zigzag(Int64(value))
    }

    mutating func field(_ id: Int, int64 value: Int) {
        header(id, .i64)
        zigzag(Int64(value))
    }

    mutating func field(_ id: Int, text: String) {
        header(id, .binary)
        binary(text)
    }

    mutating func field(_ id: Int, structure body: (inout ThriftWriter) -> Void) {
        header(id, .struct)
        structure(body)
    }

    mutating func field(_ id: Int, int32s values: [Int]) {
        list(id, .i32, count: values.count)
        for value in values { zigzag(Int64(value)) }
    }

    mutating func field(_ id: Int, texts values: [String]) {
        list(id, .binary, count: values.count)
        for value in values { binary(value) }
    }

    mutating func field<Element>(
        _ id: Int, structures elements: [Element], _ body: (Element, inout ThriftWriter) -> Void
    ) {
        list(id, .struct, count: elements.count)
        for element in elements { structure { body(element, &$0) } }
    }

    /// A struct that is no field: the outermost.
    mutating func structure(_ body: (inout ThriftWriter) -> Void) {
        lastField.append(0)
        body(&self)
        lastField.removeLast()
        bytes.append(0)
    }

    private mutating func header(_ id: Int, _ type: FieldType) {
        let delta = id - lastField[lastField.count - 1]
        precondition((1...15).contains(delta), "Fields come in ascending order.")
        bytes.append(UInt8(delta) << 4 | type.rawValue)
        lastField[lastField.count - 1] = id
    }

    private mutating func list(_ id: Int, _ type: FieldType, count: Int) {
        header(id, .list)
        if count < 15 {
            bytes.append(UInt8(count) << 4 | type.rawValue)
        } else {
            bytes.append(0xf0 | type.rawValue)
            varint(UInt64(count))
        }
    }

    private mutating func binary(_ text: String) {
        varint(UInt64(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }

    private mutating func zigzag(_ value: Int64) {
        varint(UInt64(bitPattern: value << 1 ^ value >> 63))
    }

    private mutating func varint(_ value: UInt64) {
        var rest = value
        while rest > 0x7f {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }
}
