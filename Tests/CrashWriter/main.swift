// Works on a chain until it is killed, or until the file system refuses: what the crash tests run.
//
//     CrashWriter <directory> <work> block|interval
//     CrashWriter <directory> fill <bytes>
//
// Works: `write` makes blocks, takes them back and changes the state by hand; `prune` makes blocks
// with little history; `retain` makes blocks with all history, which is then removed in the
// background; `checkpoint` makes blocks and copies of the chain; `reorganise` goes from one
// branch to another; `migrate` brings a database from one layout to the next.
//
// Before each change of the head it prints `intent NUMBER HASH` where it knows what comes, and after
// it `head NUMBER HASH`: what is printed there is acknowledged. `fill` lets no file grow beyond so
// many bytes, commits until that fails, and says whether the chain then behaves as it must.

import Chain
import Cryptography
import EthereumTypes
import Execution
import Glibc
import Primitives
import Storage

let arguments = CommandLine.arguments
guard arguments.count == 4, let key = PrivateKey(Bytes(repeating: 1, count: 32)) else {
    print("usage: CrashWriter <directory> <work> block|interval | fill <bytes>")
    exit(64)
}
let work = arguments[2]
let options = DatabaseOptions(
    path: arguments[1] + "/chain", cacheBytes: 8 << 20, writeBufferBytes: 8 << 20)

/// Tells the test, at once.
@MainActor func tell(_ line: String) {
    print(line)
    fflush(nil)
}

if work == "migrate" {
    try migrate()
    exit(0)
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

/// Makes a block of three transactions on the head.
///
/// - Parameter salt: makes blocks of one number differ.
@MainActor func produce(_ chain: Blockchain, salt: UInt64 = 0) async throws {
    let head = chain.head
    let nonce = try head.view.state.account(key.address)?.nonce ?? 0
    let transactions = (0..<3 as Range<UInt64>).map { index in
        let to =
            index == 0
            ? counter : Address(w0: head.number &* 31 &+ index, w1: index &+ salt << 8, w2: 1)
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

@MainActor func tellHead(_ chain: Blockchain) {
    tell("head \(chain.head.number) \(chain.head.hash)")
}

@MainActor func rollBack(_ chain: Blockchain, by depth: UInt64) async throws {
    let number = chain.head.number - depth
    guard let hash = try chain.head.view.canonicalHash(number) else { return }
    tell("intent \(number) \(hash)")
    try await chain.rollback(to: number)
    tellHead(chain)
}

/// Makes a known block the head.
@MainActor func choose(_ hash: Hash256, of chain: Blockchain) async throws {
    guard let number = try chain.head.view.number(of: hash) else { return }
    tell("intent \(number) \(hash)")
    try await chain.setHead(hash)
    tellHead(chain)
}

if work == "fill" {
    signal(SIGXFSZ, SIG_IGN)
    var limit = rlimit()
    limit.rlim_cur = rlim_t(arguments[3]) ?? 0
    limit.rlim_max = limit.rlim_cur
    setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
}
let chain = try Blockchain.open(
    database: try Database(options), genesis: genesis,
    options: ChainOptions(
        sync: arguments[3] == "block" ? .everyBlock : .interval(milliseconds: 20),
        history: work == "prune" ? .blocks(8) : .all))
if work != "fill" { tellHead(chain) }

switch work {
case "write":
    for step in 1... {
        try await produce(chain)
        tellHead(chain)
        if step % 13 == 0 { try await rollBack(chain, by: 5) }
        if chain.head.number % 7 == 3 { try await chain.setOverrides([.balance(counter, 5)]) }
    }
case "prune":
    for step in 1... {
        try await produce(chain)
        tellHead(chain)
        if step % 11 == 0 { try await rollBack(chain, by: 3) }
    }
case "retain":
    while true {
        for _ in 0..<4 {
            try await produce(chain)
            tellHead(chain)
        }
        // As after a start with a lower retention.
        let pruner = try Blockchain.open(
            database: chain.database, genesis: nil,
            options: ChainOptions(sync: .interval(milliseconds: 20), history: .blocks(2)))
        while try await pruner.pruneHistory() != nil {}
        try await chain.refresh()
    }
case "checkpoint":
    for step in 1... {
        try await produce(chain)
        tellHead(chain)
        if step % 5 == 0 {
            let name = "copy-\(chain.head.number)"
            let head = try await chain.checkpoint(to: arguments[1] + "/" + name)
            tell("checkpoint \(head.number) \(head.hash) \(name)")
        }
    }
case "reorganise":
    while true {
        let base = chain.head.hash
        for _ in 0..<4 {
            try await produce(chain, salt: 1)
            tellHead(chain)
        }
        let first = chain.head.hash
        try await choose(base, of: chain)
        for _ in 0..<5 {
            try await produce(chain, salt: 2)
            tellHead(chain)
        }
        let second = chain.head.hash
        for _ in 0..<3 {
            try await choose(first, of: chain)
            try await choose(second, of: chain)
        }
    }
case "fill":
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
default:
    print("no such work: \(work)")
    exit(64)
}

/// Brings a database of 20,000 entries from layout 1 to layout 4, each step adding one to every
/// value, and looks at the outcome. Goes on where an earlier run was killed.
@MainActor func migrate() throws {
    let count: UInt32 = 20_000
    let step = { (version: UInt64) in
        Migration(to: version) { (snapshot, position, batch) throws(StorageError) in
            let cursor = snapshot.cursor(.code)
            try cursor.seek(position)
            for _ in 0..<250 where cursor.isValid {
                batch.put(.code, cursor.key, [(cursor.value.first ?? 0) &+ 1])
                try cursor.advance()
            }
            return cursor.isValid ? cursor.key : nil
        }
    }
    let migrations: [Migration] = [2, 3, 4].map(step)
    if access(options.path + "/CURRENT", F_OK) != 0 {
        let database = try Database(options, layout: Layout(version: 1, migrations: []))
        var batch = WriteBatch(for: database)
        for key in 0..<count { batch.put(.code, Bytes(bigEndian: UInt64(key)), [0]) }
        try database.write(batch, durability: .synced)
    }
    tell("begun")
    let database = try Database(options, layout: Layout(version: 4, migrations: migrations))
    var found: UInt32 = 0
    var areRight = true
    try database.snapshot().forEach(.code, prefix: []) { (_, value) throws(StorageError) in
        found += 1
        areRight = areRight && value == [3]
        return true
    }
    tell(found == count && areRight ? "migrated" : "wrong: \(found) entries")
}
