// Writes to a chain until it is killed, or until the file system refuses: what the crash tests run.
//
//     CrashWriter <directory> write [block|interval]
//     CrashWriter <directory> fill <bytes>
//
// `write` prints the number of each block that it has committed. `fill` lets no file grow beyond
// so many bytes, commits until that fails, and says whether the chain then behaves as it must.

import Chain
import Cryptography
import EthereumTypes
import Execution
import Glibc
import Primitives
import Storage

let arguments = CommandLine.arguments
guard arguments.count == 4, let key = PrivateKey(Bytes(repeating: 1, count: 32)) else {
    print("usage: CrashWriter <directory> write block|interval | fill <bytes>")
    exit(64)
}
let counter = Address(w0: 0xc0, w1: 0, w2: 0)
var genesis = Genesis(config: .single(.shanghai, chainId: 1337))
genesis.gasLimit = 30_000_000
genesis.difficulty = .zero
genesis.baseFeePerGas = 1_000_000_000
genesis.alloc = [
    key.address: GenesisAccount(balance: UInt256(10).power(30)),
    // Writes the block's number under it, and logs.
    counter: GenesisAccount(
        balance: 0, nonce: 1, code: Hex.decode("0x434355436000526020600020436000a100") ?? []),
]

@MainActor func produce(_ chain: Blockchain) async throws {
    let head = chain.head
    let nonce = try head.view.state.account(key.address)?.nonce ?? 0
    let transactions = (0..<3 as Range<UInt64>).map { index in
        let to =
            index == 0 ? counter : Address(w0: head.number &* 31 &+ index, w1: index, w2: 1)
        let unsigned = Transaction.legacy(
            chainId: 1337, nonce: nonce + index, gasPrice: 10_000_000_000, gasLimit: 200_000,
            to: to, value: index == 0 ? 0 : 1)
        return RecoveredTransaction(unsigned.signed(with: key), sender: key.address)
    }
    _ = try await chain.produce { (head) throws(ChainError) in
        let builder = BlockBuilder(
            on: try head.view.parentBlock(),
            attributes: PayloadAttributes(
                timestamp: head.header.timestamp + 1, coinbase: .zero, prevRandao: .zero,
                gasLimit: head.header.gasLimit),
            config: head.view.config)
        for transaction in transactions {
            guard (try? builder.add(transaction)) != nil else { return nil }
        }
        return try? builder.finish()
    }
}

if arguments[2] == "fill" {
    signal(SIGXFSZ, SIG_IGN)
    var limit = rlimit()
    limit.rlim_cur = rlim_t(arguments[3]) ?? 0
    limit.rlim_max = limit.rlim_cur
    setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
}
let chain = try Blockchain.open(
    database: try Database(
        DatabaseOptions(path: arguments[1], cacheBytes: 8 << 20, writeBufferBytes: 8 << 20)),
    genesis: genesis,
    options: ChainOptions(
        sync: arguments[3] == "block" ? .everyBlock : .interval(milliseconds: 20)))

if arguments[2] == "fill" {
    while chain.readOnlyReason == nil {
        do { try await produce(chain) } catch {}
    }
    let head = chain.head
    let isReadable = try head.view.block(head.number)?.hash == head.hash
    do {
        try await produce(chain)
        print("a block was written after a failure")
    } catch ChainError.readOnly(let reason) where isReadable {
        print("read-only at \(head.number): \(reason)")
    }
} else {
    for step in 1... {
        try await produce(chain)
        let head = chain.head
        if step % 13 == 0 { try await chain.rollback(to: head.number - 5) }
        if head.number % 7 == 3 { try await chain.setOverrides([.balance(counter, 5)]) }
        print(head.number)
        fflush(nil)
    }
}
