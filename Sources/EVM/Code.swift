/// Contract code made ready to run.
///
/// Ready means: padded, so that reading an instruction with its immediate bytes never needs an end
/// check, and with a bitmap of the valid jump destinations. It is done once for a code and kept in a
/// cache by code hash that all threads share and that is bounded in bytes, decoded forms included.

import EthereumTypes
import Primitives
import Synchronization

/// A code with its analysis.
///
/// SAFETY: the memory is written in `init` only and freed in `deinit`, so any thread may read it while it
/// holds a reference. `code[-32 ..< size + 33]` and `jumpDestinations[0 ..< (size + 8) / 8]` are valid.
package final class Code: @unchecked Sendable {
    let size: Int
    let code: UnsafePointer<UInt8>
    package let jumpDestinations: UnsafePointer<UInt8>

    /// How many there are, read from the beginning on.
    let instructionCount: Int

    /// The account whose code runs instead (EIP-7702), if this is a delegation.
    package let delegate: Address?

    private let memory: UnsafeMutablePointer<UInt8>
    private let isCached: Bool

    /// How often it was entered, roughly.
    private let entries = Atomic<Int>(0)

    /// The address of the view of the decoded form used last, or 0. It stays in `decodedForms`.
    private let latestDecoded = Atomic<UInt>(0)
    private let decodedForms = Mutex<[DecodedCode]>([])

    /// What they take of memory.
    private let formsSize = Atomic<Int>(0)

    private static let padding = 32

    package init(_ bytes: UnsafeBufferPointer<UInt8>, isCached: Bool = false) {
        self.isCached = isCached
        size = bytes.count
        let bitmapSize = (size + 8) / 8
        let total = Self.padding + size + Self.padding + 1 + bitmapSize
        memory = .allocate(capacity: total)
        memory.initialize(repeating: 0, count: total)
        let start = memory + Self.padding
        if let base = bytes.baseAddress { start.update(from: base, count: size) }
        let bitmap = start + size + Self.padding + 1
        code = UnsafePointer(start)
        jumpDestinations = UnsafePointer(bitmap)
        delegate = Self.delegate(of: bytes)

        var offset = 0
        var count = 0
        while offset < size {
            let opcode = start[offset]
            if opcode == Opcode.jumpdest.rawValue {
                bitmap[offset &>> 3] |= 1 &<< UInt8(truncatingIfNeeded: offset & 7)
            }
            offset &+= 1 &+ Opcode.immediateSize(of: opcode)
            count &+= 1
        }
        instructionCount = count
    }

    deinit { memory.deallocate() }

    private static func delegate(of bytes: UnsafeBufferPointer<UInt8>) -> Address? {
        guard bytes.count == 23, bytes[0] == 0xef, bytes[1] == 0x01, bytes[2] == 0x00 else {
            return nil
        }
        return Address(bytes[3...])
    }

    /// The decoded form for a schedule. Code that is entered the first time is not worth decoding.
    @inline(always)
    func enter(
        _ schedule: UnsafePointer<GasSchedule>, _ decoding: Decoding
    ) -> UnsafePointer<DecodedView>? {
        if decoding == .never { return nil }
        let latest = latestDecoded.load(ordering: .acquiring)
        if let view = UnsafePointer<DecodedView>(bitPattern: latest),
            view.pointee.schedule == schedule
        {
            return view
        }
        let count = entries.load(ordering: .relaxed)
        entries.store(count &+ 1, ordering: .relaxed)
        return count == 0 && decoding == .whenHot ? nil : decode(schedule)?.view
    }

    /// Decodes the code, or finds it decoded. Nil if it is too long to be worth it.
    @inline(never)
    func decode(_ schedule: UnsafePointer<GasSchedule>) -> DecodedCode? {
        guard size <= Decoder.maxSize else { return nil }
        return decodedForms.withLock { forms in
            let decoded: DecodedCode
            if let known = forms.first(where: { $0.view.pointee.schedule == schedule }) {
                decoded = known
            } else {
                decoded = Decoder.decode(self, schedule)
                forms.append(decoded)
                formsSize.add(decoded.size, ordering: .relaxed)
                if isCached { Self.cache.withLock { $0.grow(by: decoded.size) } }
            }
            latestDecoded.store(UInt(bitPattern: decoded.view), ordering: .releasing)
            return decoded
        }
    }

    /// Code in no cache.
    package static func prepared(_ bytes: Bytes) -> Code {
        bytes.withUnsafeBufferPointer { Code($0) }
    }

    /// Decodes the code for the rules of a fork; how much memory the result takes, in bytes.
    package func decodedSize(at fork: Fork) -> Int { decode(GasSchedule.of(fork))?.size ?? 0 }

    /// About what it takes of memory, with all decoded forms.
    fileprivate var memorySize: Int { size + 256 + formsSize.load(ordering: .relaxed) }

    /// Code of no bytes.
    static let empty = Code(UnsafeBufferPointer(start: nil, count: 0))

    /// The code with a hash, from the cache or made from its bytes.
    static func cached(_ hash: Hash256, _ bytes: () -> Bytes) -> Code {
        if let code = cache.withLock({ $0.find(hash) }) { return code }
        let code = bytes().withUnsafeBufferPointer { Code($0, isCached: true) }
        cache.withLock { $0.insert(code, hash) }
        return code
    }

    private static let cache = Mutex(CodeCache())
}

/// Two generations: what is used moves to the young one; when that is full, the old one is dropped.
private struct CodeCache {
    /// Bytes of code and decoded code in one generation. A decoded form is about 15 times its code.
    static let limit = 128 << 20

    var young: [Hash256: Code] = [:]
    var old: [Hash256: Code] = [:]
    var size = 0

    mutating func find(_ hash: Hash256) -> Code? {
        if let code = young[hash] { return code }
        guard let code = old.removeValue(forKey: hash) else { return nil }
        insert(code, hash)
        return code
    }

    mutating func insert(_ code: Code, _ hash: Hash256) {
        if young.updateValue(code, forKey: hash) == nil { grow(by: code.memorySize) }
    }

    mutating func grow(by bytes: Int) {
        size += bytes
        if size > Self.limit {
            old = young
            young = [:]
            size = 0
        }
    }
}
