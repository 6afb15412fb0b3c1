import Chain
import Cryptography
import EVM
import EthereumTypes
import Execution
import Primitives
import Testing

import RPC

/// Tracing executes as mining did: what a trace says of a transaction is what its receipt says.
@Suite struct TracedReceiptsTests {
    @Test func `the trace of every type of transaction equals its receipt`() async throws {
        let node = try TestNode.follower(genesis: Self.genesis)
        let parent = node.blockchain.head.header
        _ = try await node.blockchain.produce { head throws(ChainError) in
            try Self.block(on: head)
        }
        #expect(node.blockchain.head.number == parent.number + 1)
        let receipts = try await node.call("eth_getBlockReceipts", #"["0x1"]"#).arrayValue ?? []
        #expect(receipts.count == Self.transactions.count)
        #expect(Set(receipts.compactMap { $0["type"]?.stringValue }).count == 5)
        #expect(Set(receipts.compactMap { $0["status"]?.stringValue }) == ["0x0", "0x1"])

        let steps = try await node.call("debug_traceBlockByNumber", #"["0x1"]"#)
        let calls = try await node.call(
            "debug_traceBlockByNumber",
            #"["0x1", {"tracer":"callTracer","tracerConfig":{"withLog":true}}]"#)
        let replays = try await node.call(
            "trace_replayBlockTransactions", #"["0x1", ["trace","vmTrace","stateDiff"]]"#)
        for (index, receipt) in receipts.enumerated() {
            let hash = receipt["transactionHash"]
            let gas = receipt["gasUsed"]?.stringValue
            let succeeded = receipt["status"] == "0x1"

            #expect(steps[index]?["txHash"] == hash)
            let step = steps[index]?["result"]
            #expect(step?["gas"]?.uint64Value.map { UInt256($0).hexQuantity } == gas)
            #expect(step?["failed"]?.boolValue == !succeeded)

            let call = try #require(calls[index]?["result"])
            #expect(call["gasUsed"]?.stringValue == gas)
            #expect((call["error"] == nil) == succeeded)
            #expect(Self.logs(in: call) == Self.logs(of: receipt), "\(index)")

            let replay = replays[index]
            #expect(replay?["transactionHash"] == hash)
            #expect((replay?["trace"]?[0]?["error"] == nil) == succeeded)
            if succeeded {
                #expect(replay?["trace"]?[0]?["result"]?["gasUsed"]?.stringValue == gas)
            }
            let sender = try #require(receipt["from"]?.stringValue)
            #expect(replay?["stateDiff"]?[sender]?["nonce"]?["*"] != nil)

            // Alone, after those before it, a transaction is traced as within its block.
            let alone = try await node.call(
                "debug_traceTransaction",
                #"["\#(hash?.stringValue ?? "")", {"tracer":"callTracer","tracerConfig":"#
                    + #"{"withLog":true}}]"#)
            #expect(alone == call)
        }
    }

    @Test func `the state roots within a block end with that of its header`() async throws {
        let node = try TestNode.devnet(mode: .manual)
        for block in 0..<3 as Range<UInt64> {
            try await node.send(TestNode.transfer(nonce: block * 2))
            try await node.send(
                TestNode.transfer(
                    nonce: block * 2 + 1, value: 0, to: nil,
                    // SSTORE(0, 1), and code of one byte.
                    data: [0x60, 0x01, 0x5f, 0x55, 0x60, 0x01, 0x5f, 0xf3], gasLimit: 200_000))
            _ = try await node.call("evm_mine")
        }
        for number in 1...3 {
            let block = try await node.call("eth_getBlockByNumber", #"["0x\#(number)", false]"#)
            let hash = block["hash"]?.stringValue ?? ""
            let roots = try await node.call("debug_intermediateRoots", #"["\#(hash)"]"#)
            #expect(roots.arrayValue?.count == 2)
            #expect(roots[1] == block["stateRoot"])
            #expect(roots[0] != roots[1])
        }
    }

    // MARK: A block of everything

    private static let delegate = Address(w0: 0xe0, w1: 0, w2: 9)

    private static var genesis: Genesis {
        var genesis = TestNode.genesis()
        genesis.config = .single(.prague, chainId: TestNode.chainId)
        // Calls the emitter, creates a contract, and destroys itself in favour of the emitter.
        let caller = Bytes([0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x73]) + TestNode.emitter.bytes
        genesis.alloc[delegate] = GenesisAccount(
            balance: 5, nonce: 1,
            code: caller + [0x5a, 0xf1, 0x5f, 0x5f, 0x5f, 0xf0, 0x73] + TestNode.emitter.bytes
                + [0xff])
        // The contracts that every block of the fork calls at its end (EIP-7002, EIP-7251).
        for address in [
            "0x00000961ef480eb55e80d19ad83579a64c007002",
            "0x0000bbddc7ce488642fb579f8b00f3a590007251",
        ] {
            genesis.alloc[Address(hex: address) ?? .zero] = GenesisAccount(
                balance: 0, nonce: 1, code: [0x00])
        }
        return genesis
    }

    private static func transaction(
        _ type: TransactionType, from key: PrivateKey = TestNode.alice, nonce: Nonce,
        to: Address?, value: Wei = 0, data: Bytes = []
    ) -> Transaction {
        var transaction = Transaction(
            type: type, chainId: TestNode.chainId, nonce: nonce,
            maxPriorityFeePerGas: type.hasFeeCaps ? 1_000_000_000 : 10_000_000_000,
            maxFeePerGas: 10_000_000_000, gasLimit: 300_000, to: to, value: value, data: data)
        if type != .legacy {
            transaction.accessList = [
                AccessListEntry(address: TestNode.reader, storageKeys: [.zero])
            ]
        }
        if type == .blob {
            transaction.maxFeePerBlobGas = 1_000_000
            transaction.blobVersionedHashes = [Hash256(UInt256(1) << 248)]
        }
        if type == .setCode {
            transaction.authorizationList = [
                Authorization(
                    chainId: UInt256(TestNode.chainId), address: delegate, nonce: 0,
                    signedWith: TestNode.bob)
            ]
        }
        return transaction.signed(with: key)
    }

    private static var transactions: [Transaction] {
        [
            transaction(.legacy, nonce: 0, to: TestNode.receiver, value: 7),
            transaction(.accessList, nonce: 1, to: TestNode.reader),
            transaction(.dynamicFee, nonce: 2, to: TestNode.emitter, data: [1]),
            transaction(.blob, nonce: 3, to: TestNode.emitter, data: [2]),
            // Bob becomes an account that runs the delegate's code, and is called at once.
            transaction(.setCode, nonce: 4, to: TestNode.bob.address),
            transaction(.dynamicFee, nonce: 5, to: TestNode.bob.address, value: 1),
            transaction(.dynamicFee, nonce: 6, to: delegate),
            transaction(.dynamicFee, nonce: 7, to: TestNode.reverter, data: [1, 2, 3]),
            transaction(.dynamicFee, nonce: 8, to: nil, data: [0xfe]),
            transaction(.legacy, nonce: 9, to: nil, data: [0x60, 0x01, 0x5f, 0xf3]),
        ]
    }

    private static func block(on head: Head) throws(ChainError) -> BuiltBlock {
        let builder = BlockBuilder(
            on: try head.view.parentBlock(),
            attributes: PayloadAttributes(
                timestamp: head.header.timestamp + 12, coinbase: TestNode.receiver,
                prevRandao: .zero, gasLimit: head.header.gasLimit), config: head.view.config)
        do throws(TransactionError) {
            for transaction in transactions {
                try builder.add(
                    RecoveredTransaction(transaction, sender: TestNode.alice.address))
            }
        } catch {
            preconditionFailure("\(error)")
        }
        do throws(BlockExecutionError) {
            return try builder.finish()
        } catch {
            throw ChainError(error)
        }
    }

    // MARK: Logs

    private static func logs(of receipt: JSONValue) -> [JSONValue] {
        (receipt["logs"]?.arrayValue ?? []).map { log in
            ["address": log["address"] ?? .null, "topics": log["topics"] ?? .null]
        }
    }

    /// The logs of a call and those that it made; each has its place among the calls.
    private static func logs(in call: JSONValue) -> [JSONValue] {
        let calls = call["calls"]?.arrayValue ?? []
        let own = call["logs"]?.arrayValue ?? []
        var result: [JSONValue] = []
        for index in 0...calls.count {
            for log in own where log["position"]?.stringValue == UInt256(index).hexQuantity {
                result.append(
                    ["address": log["address"] ?? .null, "topics": log["topics"] ?? .null])
            }
            if index < calls.count { result += logs(in: calls[index]) }
        }
        return result
    }
}
