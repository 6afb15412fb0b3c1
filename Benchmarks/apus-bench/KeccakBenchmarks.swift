import Cryptography
import Primitives

/// Single messages, and the batches that tries and lists of slots hash.
func keccakBenchmarks(_ report: inout Report) {
    for size in [32, 64, 136, 1024] {
        let message = Bytes(repeating: 7, count: size)
        report.measure("keccak \(size) B") { keep(keccak256(message)) }
    }
    let count = 1024
    let slots = (0..<UInt64(count)).map { UInt256($0) }
    report.measure("keccak batch of slots, each", operations: count) {
        keep(keccak256(slots: slots))
    }
    let addresses = slots.map { Address(lowBytesOf: $0) }
    report.measure("keccak batch of addresses, each", operations: count) {
        keep(keccak256(addresses: addresses))
    }
    // About the size of a branch node with all children.
    let nodes = slots.map { Bytes(repeating: UInt8(truncatingIfNeeded: $0.l0), count: 532) }
    report.measure("keccak batch of 532 B, each", operations: count) {
        keep(keccak256(batch: nodes))
    }
}

/// Signing and what a transaction's sender costs.
func signatureBenchmarks(_ report: inout Report) {
    guard let key = PrivateKey(0xa11ce as UInt256) else { return }
    let hash = keccak256(utf8: "message")
    let signature = key.sign(hash)
    report.measure("sign") { keep(key.sign(hash)) }
    report.measure("recover sender") { keep(recoverAddress(hash: hash, signature: signature)) }
    let many = Array(repeating: (hash, signature), count: 256)
    report.measure("recover senders on two threads, each", operations: many.count) {
        keep(recoverAddresses(many, threads: 2))
    }
}
