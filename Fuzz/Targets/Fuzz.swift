//  What libFuzzer calls. The variable APUS_FUZZ names the target:
//
//      APUS_FUZZ=transaction .build/release/fuzz Corpus/transaction -max_total_time=60
//
//  A target fails by a trap: one in the code under test, or a precondition that does not hold. The
//  input is then kept in a file; put it into the corpus when the fault is mended.

import Foundation
import Primitives

/// Runs the chosen target on one input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOne(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    target(Bytes(UnsafeBufferPointer(start: start, count: count)))
    return 0
}

private let target: @Sendable (Bytes) -> Void = {
    let name = ProcessInfo.processInfo.environment["APUS_FUZZ"] ?? ""
    switch name {
    case "rlp": return fuzzRLP
    case "json": return fuzzJSON
    case "transaction": return fuzzTransaction
    case "block": return fuzzBlock
    case "precompiles": return fuzzPrecompiles
    case "interpreters": return fuzzInterpreters
    default:
        preconditionFailure(
            "APUS_FUZZ must be rlp, json, transaction, block, precompiles or interpreters.")
    }
}()
