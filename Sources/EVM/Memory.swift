/// The memory of a frame: growing it, and moving words and ranges in and out.

import Glibc
import Primitives

/// No offset or size beyond this can be paid for: 4 GiB of memory cost 3·10¹³ gas.
let memoryLimit: UInt64 = 1 << 32

/// Grows the memory to hold `end` bytes.
///
/// - Returns: the gas left, negative if it does not suffice.
@inline(never)
func growMemory(_ m: MachinePointer, _ f: FramePointer, to end: Int, _ gas: Int) -> Int {
    let words = (end &+ 31) &>> 5
    let oldWords = f.pointee.memorySize &>> 5
    if words <= oldWords { return gas }
    let gas = gas &- (memoryCost(words) &- memoryCost(oldWords))
    let newEnd = f.pointee.memory + words &<< 5
    if gas < 0 || newEnd > m.pointee.memoriesEnd { return -1 }
    let oldEnd = f.pointee.memory + f.pointee.memorySize
    // What other frames left there must be wiped; beyond `memoriesTouched` it is zero.
    let dirtyEnd = min(newEnd, m.pointee.memoriesTouched)
    if dirtyEnd > oldEnd { memset(oldEnd, 0, dirtyEnd - oldEnd) }
    if newEnd > m.pointee.memoriesTouched { m.pointee.memoriesTouched = newEnd }
    f.pointee.memorySize = words &<< 5
    return gas
}

/// Yellow Paper, appendix H: C_mem.
@inline(always)
private func memoryCost(_ words: Int) -> Int {
    3 &* words &+ (words &* words) &>> 9
}

/// Makes a range accessible. A range of size 0 may lie anywhere.
///
/// - Returns: the gas left, negative if it does not suffice.
@inline(always)
func touchMemory(
    _ m: MachinePointer, _ f: FramePointer, _ offset: UInt256, _ size: UInt256, _ gas: Int
) -> Int {
    if size.isZero { return gas }
    guard offset.fitsUInt64, size.fitsUInt64, offset.l0 < memoryLimit, size.l0 < memoryLimit else {
        return -1
    }
    let end = Int(truncatingIfNeeded: offset.l0 &+ size.l0)
    return end <= f.pointee.memorySize ? gas : growMemory(m, f, to: end, gas)
}

/// Charges for each word of a range, and makes the range accessible. If the gas does not suffice,
/// nothing is changed.
@inline(always)
func touchMemory(
    _ m: MachinePointer, _ f: FramePointer, _ offset: UInt256, _ size: UInt256, _ gas: Int,
    perWord price: Int
) -> Int {
    guard size.fitsUInt64, size.l0 < memoryLimit else { return -1 }
    let gas = gas &- price &* wordCount(Int(truncatingIfNeeded: size.l0))
    return gas < 0 ? gas : touchMemory(m, f, offset, size, gas)
}

/// Grows the memory for a word at an offset of any size; for the slow path of MLOAD and MSTORE.
@inline(never)
func growForWord(
    _ m: MachinePointer, _ f: FramePointer, _ offset: UInt256, size: Int, _ gas: Int
) -> Int {
    guard offset.fitsUInt64, offset.l0 < memoryLimit else { return -1 }
    return growMemory(m, f, to: Int(truncatingIfNeeded: offset.l0) &+ size, gas)
}

/// The 32 bytes at an address as a number.
@inline(always)
func loadWord(_ source: UnsafeRawPointer) -> UInt256 {
    UInt256(
        l0: source.loadUnaligned(fromByteOffset: 24, as: UInt64.self).byteSwapped,
        l1: source.loadUnaligned(fromByteOffset: 16, as: UInt64.self).byteSwapped,
        l2: source.loadUnaligned(fromByteOffset: 8, as: UInt64.self).byteSwapped,
        l3: source.loadUnaligned(fromByteOffset: 0, as: UInt64.self).byteSwapped)
}

@inline(always)
func storeWord(_ target: UnsafeMutableRawPointer, _ word: UInt256) {
    target.storeBytes(of: word.l3.byteSwapped, toByteOffset: 0, as: UInt64.self)
    target.storeBytes(of: word.l2.byteSwapped, toByteOffset: 8, as: UInt64.self)
    target.storeBytes(of: word.l1.byteSwapped, toByteOffset: 16, as: UInt64.self)
    target.storeBytes(of: word.l0.byteSwapped, toByteOffset: 24, as: UInt64.self)
}

/// Copies `size` bytes from `offset` of a source; what lies beyond its end is zero.
func copyPadded(
    _ target: UnsafeMutableRawPointer, _ size: Int, from source: UnsafeRawPointer,
    _ sourceSize: Int, at offset: UInt256
) {
    var present = 0
    if offset.fitsUInt64, offset.l0 < UInt64(sourceSize) {
        let start = Int(truncatingIfNeeded: offset.l0)
        present = min(size, sourceSize - start)
        memcpy(target, source + start, present)
    }
    if present < size { memset(target + present, 0, size - present) }
}

/// Words that hold so many bytes.
@inline(always)
func wordCount(_ bytes: Int) -> Int { (bytes &+ 31) &>> 5 }
