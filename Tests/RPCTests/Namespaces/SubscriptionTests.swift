import EthereumTypes
import Primitives
import Synchronization
import TestSupport
import Testing

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

    @Test func `filters are limited in number`() async throws {
        var limits = RPCLimits()
        limits.filters = 1
        let node = try TestNode.devnet(limits: limits)
        _ = try await node.call("eth_newBlockFilter")
        #expect(try await node.failure("eth_newBlockFilter").code == -32_005)
    }
}
