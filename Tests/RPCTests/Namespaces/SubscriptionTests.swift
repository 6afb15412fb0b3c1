import EthereumTypes
import Primitives
import Synchronization
import TestSupport
import Testing
import TxPool

import RPC

@Suite struct SubscriptionTests {
    @Test func `new blocks and their logs are announced in order`() async throws {
        let node = try TestNode.devnet()
        let listener = Listener()
        let session = listener.session()
        let heads = try await node.call("eth_subscribe", #"["newHeads"]"#, as: session)
        #expect(heads["result"]?.stringValue?.hasPrefix("0x") == true)
        for nonce in 0..<Nonce(3) {
            try await node.send(TestNode.transfer(nonce: nonce, value: 0, to: TestNode.emitter))
        }
        let results = try await listener.results(3)
        #expect(results.compactMap { $0["number"] } == ["0x1", "0x2", "0x3"])
        #expect(results[1]["parentHash"] == results[0]["hash"])
        let ended = try await node.call(
            "eth_unsubscribe", "[\(heads["result"] ?? .null)]", as: session)
        #expect(ended["result"] == true)
        _ = try await node.call(
            "eth_subscribe", #"["logs", {"address":"\#(TestNode.emitter)"}]"#, as: session)
        try await node.send(TestNode.transfer(nonce: 3, value: 0, to: TestNode.emitter))
        let logs = try await listener.results(1)
        #expect(logs.compactMap { $0["blockNumber"] } == ["0x4"])
        #expect(logs[0]["removed"] == false)
    }

    @Test func `reverted logs are taken back, the latest first`() async throws {
        let node = try TestNode.devnet()
        let listener = Listener()
        _ = try await node.call("eth_subscribe", #"["logs"]"#, as: listener.session())
        let id = try await node.call("evm_snapshot")
        for nonce in 0..<Nonce(2) {
            try await node.send(TestNode.transfer(nonce: nonce, value: 0, to: TestNode.emitter))
        }
        #expect(try await listener.results(2).count == 2)
        _ = try await node.call("evm_revert", "[\(id)]")
        let removed = try await listener.results(2)
        #expect(removed.compactMap { $0["blockNumber"] } == ["0x2", "0x1"])
        #expect(removed.allSatisfy { $0["removed"] == true })
    }

    @Test func `a reorganisation takes logs back, the latest first, before it tells of new ones`()
        async throws
    {
        let node = try TestNode.devnet()
        let logs = Listener()
        let heads = Listener()
        _ = try await node.call("eth_subscribe", #"["logs"]"#, as: logs.session())
        _ = try await node.call("eth_subscribe", #"["newHeads"]"#, as: heads.session())
        let filter = try await node.call("eth_newFilter", "[{}]")
        func emission(_ nonce: Nonce, gasLimit: Gas = 60_000) -> Transaction {
            TestNode.transfer(
                nonce: nonce, value: 0, to: TestNode.emitter, gasLimit: gasLimit)
        }
        for nonce in 0..<Nonce(3) { try await node.send(emission(nonce)) }
        let old = try await logs.results(3)
        let replacements = (Nonce(1)...2).map { nonce in
            let transaction = Hex.encode(emission(nonce, gasLimit: 70_000).encoded())
            return #"["\#(transaction)", \#(nonce - 1)]"#
        }
        _ = try await node.call(
            "anvil_reorg", "[2, [\(replacements.joined(separator: ","))]]")
        try await node.send(emission(3))
        let new = try await logs.results(5)
        #expect(new.compactMap { $0["blockNumber"] } == ["0x3", "0x2", "0x2", "0x3", "0x4"])
        #expect(new.compactMap { $0["removed"] } == [true, true, false, false, false])
        // What goes is what came, and what comes is what the chain has.
        for (gone, come) in zip(new.prefix(2), old.reversed()) {
            for member in ["blockHash", "transactionHash", "logIndex"] {
                #expect(gone[member] == come[member])
            }
        }
        let present = try await node.call("eth_getLogs", #"[{"fromBlock":"0x2"}]"#)
        #expect(present.arrayValue == Array(new.suffix(3)))
        #expect(
            try await heads.results(6).compactMap { $0["number"] }
                == ["0x1", "0x2", "0x3", "0x2", "0x3", "0x4"])
        #expect(
            try await node.call("eth_getFilterChanges", "[\(filter)]").arrayValue == old + new)
        #expect(logs.count == 0 && heads.count == 0)
    }

    @Test func `notifications follow the answer to the batch that subscribed`() async throws {
        let node = try TestNode.devnet()
        let server = RPCServer(
            dispatcher: node.rpc.dispatcher, eventLoops: 1, logger: TestNode.quiet,
            health: { .null })
        let port = try await server.listen(
            RPCListener(host: "127.0.0.1", port: 0, http: nil, webSocket: .all))
        let client = try await RawClient(port: port)
        #expect(try await client.upgrade().status == 101)
        // A block without transactions is traced if it is the last.
        try await client.sendFrame(
            #"""
            [{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]},
             {"jsonrpc":"2.0","id":2,"method":"evm_mine"},
             {"jsonrpc":"2.0","id":3,"method":"debug_subscribe","params":["traceChain","0x0","0x1"]},
             {"jsonrpc":"2.0","id":4,"method":"anvil_mine","params":[50]}]
            """#)
        var messages = try await client.frames(53).map { try JSONValue(parsing: $0.payload) }
        let answer = messages.removeFirst().arrayValue ?? []
        #expect(answer.compactMap { $0["id"] } == [1, 2, 3, 4])
        let told = Dictionary(grouping: messages) { $0["params"]?["subscription"] ?? .null }
        #expect(answer.first?["result"].map { told[$0]?.count } == 51)
        #expect(answer.dropFirst(2).first?["result"].map { told[$0]?.count } == 1)
        try await server.stop()
    }

    @Test func `pending transactions are announced as hashes or in full`() async throws {
        let node = try TestNode.devnet(mode: .manual)
        let hashes = Listener()
        let full = Listener()
        _ = try await node.call(
            "eth_subscribe", #"["newPendingTransactions"]"#, as: hashes.session())
        _ = try await node.call(
            "eth_subscribe", #"["newPendingTransactions", true]"#, as: full.session())
        let hash = try await node.send(TestNode.transfer(nonce: 0))
        #expect(try await hashes.results(1) == [.string(hash)])
        #expect(try await full.results(1).first?["hash"] == .string(hash))
    }

    @Test func `a subscription belongs to its connection and ends with it`() async throws {
        let node = try TestNode.devnet()
        let listener = Listener()
        let session = listener.session()
        let id = try await node.call("eth_subscribe", #"["newHeads"]"#, as: session)
        let other = try await node.call(
            "eth_unsubscribe", "[\(id["result"] ?? .null)]", as: Listener().session())
        #expect(other["error"]?["message"] == "subscription not found")
        session.close()
        _ = try await node.call("evm_mine")
        try await Task.sleep(for: .milliseconds(50))
        #expect(try await listener.results(0).isEmpty)
    }

    @Test func `a connection keeps nothing of a subscription that has ended`() {
        let ended = Mutex<[String]>([])
        let session = Listener().session()
        for id in ["0x1", "0x2", "0x3"] {
            #expect(session.addSubscription(limit: 3))
            session.whenClosed(id) { ended.withLock { $0.append(id) } }
        }
        session.removeSubscription("0x1")
        session.removeSubscription("0x3")
        session.close()
        #expect(ended.withLock { $0 } == ["0x2"])
        session.whenClosed("0x4") { ended.withLock { $0.append("0x4") } }
        #expect(ended.withLock { $0 } == ["0x2", "0x4"])
    }

    @Test func `subscriptions that have ended make room`() async throws {
        var limits = RPCLimits()
        limits.subscriptionsPerConnection = 1
        let node = try TestNode.devnet(limits: limits)
        let session = Listener().session()
        for topic in ["newHeads", "logs", "newPendingTransactions", "syncing"] {
            let id = try await node.call("eth_subscribe", #"["\#(topic)"]"#, as: session)
            let ended = try await node.call(
                "eth_unsubscribe", "[\(id["result"] ?? .null)]", as: session)
            #expect(ended["result"] == true, "\(topic)")
        }
    }

    @Test func `a subscription needs a connection, a known topic and room`() async throws {
        var limits = RPCLimits()
        limits.subscriptionsPerConnection = 1
        let node = try TestNode.devnet(limits: limits)
        #expect(
            try await node.failure("eth_subscribe", #"["newHeads"]"#).message
                == "notifications not supported")
        let session = Listener().session()
        let unknown = try await node.call("eth_subscribe", #"["weather"]"#, as: session)
        #expect(
            unknown["error"]?["message"] == #"no "weather" subscription in eth namespace"#)
        _ = try await node.call("eth_subscribe", #"["newHeads"]"#, as: session)
        let second = try await node.call("eth_subscribe", #"["newHeads"]"#, as: session)
        #expect(second["error"]?["code"] == -32_005)
    }

    @Test func `receipts of new blocks are announced, all or some`() async throws {
        let node = try TestNode.devnet(mode: .manual)
        let all = Listener()
        let some = Listener()
        _ = try await node.call("eth_subscribe", #"["transactionReceipts"]"#, as: all.session())
        let wanted = TestNode.transfer(nonce: 1)
        let hash = wanted.hash().description
        _ = try await node.call(
            "eth_subscribe", #"["transactionReceipts", {"transactionHashes":["\#(hash)"]}]"#,
            as: some.session())
        try await node.send(TestNode.transfer(nonce: 0))
        _ = try await node.call("evm_mine")
        try await node.send(wanted)
        try await node.send(TestNode.transfer(nonce: 2))
        _ = try await node.call("evm_mine")
        let receipts = try await node.call("eth_getBlockReceipts", #"["latest"]"#)
        #expect(try await all.results(2).map { $0.arrayValue?.count } == [1, 2])
        #expect(try await some.results(1) == [[try #require(receipts[0])]])
    }

    @Test func `a subscription to receipts names so many transactions and no more`() async throws {
        var limits = RPCLimits()
        limits.subscribedReceipts = 2
        let node = try TestNode.devnet(limits: limits)
        let session = Listener().session()
        for (count, isFine) in [(2, true), (3, false), (300, false)] {
            let hashes = (0..<count).map { #""\#(Hash256(UInt256($0)).description)""# }
            let answer = try await node.call(
                "eth_subscribe",
                #"["transactionReceipts", {"transactionHashes":[\#(hashes.joined(separator: ","))]}]"#,
                as: session)
            #expect((answer["error"] == nil) == isFine, "\(count)")
        }
    }

    @Test func `progress is told at once, when it changes and when it ends`() async throws {
        let progress = Mutex<SyncProgress?>(nil)
        var limits = RPCLimits()
        limits.syncInterval = .milliseconds(1)
        let node = try TestNode.devnet(limits: limits) { services in
            services.progress = { progress.withLock { $0 } }
        }
        let first = Listener()
        let session = first.session()
        let id = try await node.call("eth_subscribe", #"["syncing"]"#, as: session)
        #expect(try await first.results(1) == [false])
        progress.withLock { $0 = SyncProgress(start: 1, current: 2, highest: 16) }
        let status = JSONValue.object([
            "syncing": true,
            "status": ["startingBlock": "0x1", "currentBlock": "0x2", "highestBlock": "0x10"],
        ])
        #expect(try await first.results(1) == [status])
        // Who comes later is told the same.
        let second = Listener()
        _ = try await node.call("eth_subscribe", #"["syncing"]"#, as: second.session())
        #expect(try await second.results(1) == [status])
        progress.withLock { $0 = nil }
        #expect(try await first.results(1) == [false])
        #expect(try await second.results(1) == [false])
        // Who has left is told nothing.
        _ = try await node.call("eth_unsubscribe", "[\(id["result"] ?? .null)]", as: session)
        progress.withLock { $0 = SyncProgress(start: 1, current: 3, highest: 16) }
        #expect(try await second.results(1).count == 1)
        #expect(first.count == 0)
        #expect(try await node.call("eth_syncing")["currentBlock"] == "0x3")
    }

    // MARK: Filters

    @Test func `a filter answers with what came since it was asked`() async throws {
        let node = try TestNode.devnet()
        let blocks = try await node.call("eth_newBlockFilter")
        let logs = try await node.call("eth_newFilter", #"[{"address":"\#(TestNode.emitter)"}]"#)
        #expect(try await node.call("eth_getFilterChanges", "[\(blocks)]") == [])
        try await node.send(TestNode.transfer(nonce: 0, value: 0, to: TestNode.emitter))
        let hash = JSONValue.string(node.blockchain.head.hash.description)
        #expect(try await node.call("eth_getFilterChanges", "[\(blocks)]") == [hash])
        #expect(try await node.call("eth_getFilterChanges", "[\(blocks)]") == [])
        let changes = try await node.call("eth_getFilterChanges", "[\(logs)]")
        #expect(changes[0]?["blockHash"] == hash)
        #expect(try await node.call("eth_getFilterLogs", "[\(logs)]") == changes)
        #expect(try await node.call("eth_uninstallFilter", "[\(logs)]") == true)
        #expect(try await node.call("eth_uninstallFilter", "[\(logs)]") == false)
        #expect(
            try await node.failure("eth_getFilterChanges", "[\(logs)]").message
                == "filter not found")
        #expect(
            try await node.failure("eth_getFilterLogs", "[\(blocks)]").message
                == "filter not found")
    }

    @Test func `a filter sees logs go when their block does`() async throws {
        let node = try TestNode.devnet()
        let filter = try await node.call("eth_newFilter", "[{}]")
        let id = try await node.call("evm_snapshot")
        try await node.send(TestNode.transfer(nonce: 0, value: 0, to: TestNode.emitter))
        _ = try await node.call("evm_revert", "[\(id)]")
        let changes = try await node.call("eth_getFilterChanges", "[\(filter)]")
        #expect(changes.arrayValue?.compactMap { $0["removed"] } == [false, true])
    }

    @Test func `a filter without polls is gone after its time`() async throws {
        var limits = RPCLimits()
        limits.filterIdleSeconds = 0
        let node = try TestNode.devnet(limits: limits)
        let filter = try await node.call("eth_newBlockFilter")
        #expect(
            try await node.failure("eth_getFilterChanges", "[\(filter)]").message
                == "filter not found")
        let logs = try await node.call("eth_newFilter", "[{}]")
        #expect(
            try await node.failure("eth_getFilterLogs", "[\(logs)]").message
                == "filter not found")
    }

    @Test func `a filter that is gone keeps nothing, whether anybody asks for filters or not`()
        async throws
    {
        var limits = RPCLimits()
        limits.filterIdleSeconds = 0
        let node = try TestNode.devnet(limits: limits)
        let filter = try await node.call("eth_newBlockFilter")
        let heads = Listener()
        _ = try await node.call("eth_subscribe", #"["newHeads"]"#, as: heads.session())
        _ = try await node.call("evm_mine")
        #expect(try await heads.results(1).count == 1)
        #expect(try await node.call("eth_uninstallFilter", "[\(filter)]") == false)
    }

    @Test func `a filter that nobody empties does not grow for ever`() async throws {
        var limits = RPCLimits()
        limits.filterEntries = 2
        let node = try TestNode.devnet(limits: limits)
        let filter = try await node.call("eth_newBlockFilter")
        _ = try await node.call("anvil_mine", "[3]")
        #expect(
            try await node.failure("eth_getFilterChanges", "[\(filter)]").message
                == "filter not found")
    }

    @Test func `who misses pending transactions is disconnected, and no one else`() async throws {
        var limits = PoolLimits()
        limits.eventsPerSubscriber = 1
        let node = try TestNode.devnet(mode: .manual, poolLimits: limits)
        let transactions = Listener()
        let heads = Listener()
        _ = try await node.call(
            "eth_subscribe", #"["newPendingTransactions"]"#, as: transactions.session())
        _ = try await node.call("eth_subscribe", #"["newHeads"]"#, as: heads.session())
        let filter = try await node.call("eth_newPendingTransactionFilter")
        let blocks = try await node.call("eth_newBlockFilter")
        // The last one makes all of them pending at once: more than a stream of one event takes.
        for nonce in (0..<Nonce(60)).reversed() {
            try node.pool.add(TestNode.transfer(nonce: nonce))
        }
        while !transactions.isDisconnected { await Task.yield() }
        #expect(
            try await node.failure("eth_getFilterChanges", "[\(filter)]").message
                == "filter not found")
        _ = try await node.call("evm_mine")
        #expect(try await heads.results(1).count == 1)
        #expect(!heads.isDisconnected)
        #expect(
            try await node.call("eth_getFilterChanges", "[\(blocks)]").arrayValue?.count == 1)
    }

    @Test func `filters are limited in number`() async throws {
        var limits = RPCLimits()
        limits.filters = 1
        let node = try TestNode.devnet(limits: limits)
        _ = try await node.call("eth_newBlockFilter")
        #expect(try await node.failure("eth_newBlockFilter").code == -32_005)
    }
}
