import Cryptography
import EthereumTypes
import Execution
import Primitives
import TestSupport
import Testing

import RPC

/// The Engine API without a transport, as a consensus client uses it.
@Suite struct EngineTests {
    let node: TestNode
    static let zero = Hash256.zero.description
    static let empty = #"[],"0x\#(String(repeating: "00", count: 32))",[]"#

    init() throws {
        node = try TestNode.engine(genesis: TestNode.genesis(at: .osaka))
    }

    var genesisHash: String { node.blockchain.genesisHash.description }

    func choice(_ head: String, safe: String = zero, finalized: String = zero) -> String {
        #"{"headBlockHash":"\#(head)","safeBlockHash":"\#(safe)","finalizedBlockHash":"\#(finalized)"}"#
    }

    func attributes(
        _ timestamp: UInt64, recipient: String = "0x" + String(repeating: "11", count: 20)
    )
        -> String
    {
        #"{"timestamp":"\#(UInt256(timestamp).hexQuantity)","prevRandao":"\#(Self.zero)","#
            + #""suggestedFeeRecipient":"\#(recipient)","withdrawals":[],"#
            + #""parentBeaconBlockRoot":"\#(Self.zero)"}"#
    }

    /// Asks for a block on a head and fetches it at once.
    func build(on head: String, at timestamp: UInt64) async throws -> JSONValue {
        let update = try await node.call(
            "engine_forkchoiceUpdatedV3", "[\(choice(head)),\(attributes(timestamp))]")
        let id = try #require(update["payloadId"]?.stringValue, "\(update)")
        return try #require(
            try await node.call("engine_getPayloadV5", "[\"\(id)\"]")["executionPayload"])
    }

    func give(_ payload: JSONValue, to other: TestNode? = nil) async throws -> JSONValue {
        try await (other ?? node).call("engine_newPayloadV4", "[\(payload),\(Self.empty)]")
    }

    func choose(
        _ hash: String, finalized: String = zero, on other: TestNode? = nil
    ) async throws -> String? {
        try await (other ?? node).call(
            "engine_forkchoiceUpdatedV3", "[\(choice(hash, finalized: finalized)),null]")[
                "payloadStatus"]?["status"]?.stringValue
    }

    func hash(_ payload: JSONValue) -> String { payload["blockHash"]?.stringValue ?? "" }

    /// The payload with other members, and the hash that it then has.
    func changed(_ payload: JSONValue, _ members: [String: JSONValue]) throws -> JSONValue {
        var object = try #require(payload.objectValue)
        for (key, value) in members { object[key] = value }
        let answered = object["blockHash"]
        object["blockHash"] = answered
        return .object(object)
    }

    /// Gives a changed payload once to hear its hash, and then with this hash.
    func giveRehashed(_ payload: JSONValue, _ members: [String: JSONValue]) async throws -> (
        payload: JSONValue, status: JSONValue
    ) {
        let first = try changed(payload, members)
        let error = try await give(first)["validationError"]?.stringValue ?? ""
        let hash = try #require(error.split(separator: " ").last.map(String.init), "\(error)")
        let second = try changed(first, ["blockHash": .string(hash)])
        return (second, try await give(second))
    }

    // MARK: - The straight way

    @Test func `a block is asked for, fetched, given, chosen and served`() async throws {
        let payload = try await build(on: genesisHash, at: 1_012)
        #expect(payload["timestamp"] == "0x3f4")
        #expect(payload["parentHash"]?.stringValue == genesisHash)
        #expect(node.blockchain.head.number == 0)

        let status = try await give(payload)
        #expect(status["status"] == "VALID")
        #expect(status["latestValidHash"]?.stringValue == hash(payload))
        #expect(status["validationError"] == .null)
        #expect(node.blockchain.head.number == 0, "a block is the head only when it is chosen")

        #expect(try await choose(hash(payload)) == "VALID")
        #expect(try await node.call("eth_blockNumber") == "0x1")
        #expect(try await give(payload)["status"] == "VALID", "once more changes nothing")
    }

    @Test func `the same request names the same block, another one another`() async throws {
        func id(_ timestamp: UInt64) async throws -> JSONValue? {
            try await node.call(
                "engine_forkchoiceUpdatedV3",
                "[\(choice(genesisHash)),\(attributes(timestamp))]")["payloadId"]
        }
        let first = try await id(1_012)
        #expect(try await id(1_012) == first)
        #expect(try await id(1_013) != first)
    }

    @Test func `safe and finalized are what the client says`() async throws {
        let first = try await build(on: genesisHash, at: 1_012)
        _ = try await give(first)
        _ = try await choose(hash(first))
        let second = try await build(on: hash(first), at: 1_024)
        _ = try await give(second)
        _ = try await node.call(
            "engine_forkchoiceUpdatedV3",
            "[\(choice(hash(second), safe: hash(first), finalized: genesisHash)),null]")
        func number(_ tag: String) async throws -> JSONValue? {
            try await node.call("eth_getBlockByNumber", "[\"\(tag)\",false]")["number"]
        }
        #expect(try await number("latest") == "0x2")
        #expect(try await number("safe") == "0x1")
        #expect(try await number("finalized") == "0x0")
    }

    @Test func `the head can go to another branch and back`() async throws {
        let one = try await build(on: genesisHash, at: 1_012)
        let other = try await build(on: genesisHash, at: 1_013)
        for payload in [one, other, one] {
            #expect(try await give(payload)["status"] == "VALID")
            #expect(try await choose(hash(payload)) == "VALID")
            #expect(node.blockchain.head.hash.description == hash(payload))
        }
        #expect(try await choose(genesisHash) == "VALID")
        #expect(node.blockchain.head.number == 0)
    }

    // MARK: - Blocks that wait

    @Test func `a block without its parent waits for it`() async throws {
        let other = try TestNode.engine(genesis: TestNode.genesis(at: .osaka))
        let first = try await build(on: genesisHash, at: 1_012)
        _ = try await give(first)
        _ = try await choose(hash(first))
        let second = try await build(on: hash(first), at: 1_024)

        let early = try await other.call("engine_newPayloadV4", "[\(second),\(Self.empty)]")
        #expect(early["status"] == "SYNCING")
        #expect(early["latestValidHash"] == .null)
        let unknown = try await other.call(
            "engine_forkchoiceUpdatedV3", "[\(choice(hash(second))),null]")
        #expect(unknown["payloadStatus"]?["status"] == "SYNCING")
        #expect(unknown["payloadId"] == .null)

        let parent = try await other.call("engine_newPayloadV4", "[\(first),\(Self.empty)]")
        #expect(parent["status"] == "VALID")
        let reached = try await other.call(
            "engine_forkchoiceUpdatedV3", "[\(choice(hash(second))),null]")
        #expect(reached["payloadStatus"]?["status"] == "VALID")
        #expect(other.blockchain.head.number == 2)
    }

    // MARK: - Invalid blocks

    /// One wrong value for each field that is not checked by the hash alone.
    static let wrongFields: [String: JSONValue] = [
        "stateRoot": .string(Hash256(7).description),
        "receiptsRoot": .string(Hash256(7).description),
        "gasUsed": "0x1", "gasLimit": "0x1", "blockNumber": "0x2", "timestamp": "0x3e8",
        "baseFeePerGas": "0x1", "blobGasUsed": "0x20000", "excessBlobGas": "0x20000",
        "extraData": .string("0x" + String(repeating: "00", count: 33)),
        "logsBloom": .string("0x" + String(repeating: "01", count: 256)),
    ]

    @Test(arguments: wrongFields.keys.sorted())
    func `a payload that is wrong in one field is invalid on its parent`(
        field: String
    ) async throws {
        let value = try #require(Self.wrongFields[field])
        let payload = try await build(on: genesisHash, at: 1_012)
        let (bad, status) = try await giveRehashed(payload, [field: value])
        #expect(status["status"] == "INVALID", "\(status)")
        #expect(status["latestValidHash"]?.stringValue == genesisHash)
        #expect(status["validationError"]?.stringValue?.isEmpty == false)

        // It stays invalid, cannot be chosen and is shown to nobody.
        #expect(try await give(bad)["status"] == "INVALID")
        #expect(try await choose(hash(bad)) == "INVALID")
        #expect(try await node.call("eth_getBlockByHash", "[\"\(hash(bad))\",false]") == .null)
        #expect(node.blockchain.head.number == 0)
    }

    @Test func `what builds on an invalid block is invalid as well`() async throws {
        let payload = try await build(on: genesisHash, at: 1_012)
        let (bad, _) = try await giveRehashed(payload, ["gasUsed": "0x1"])
        let (_, status) = try await giveRehashed(
            payload, ["parentHash": .string(hash(bad)), "blockNumber": "0x2", "timestamp": "0x400"])
        #expect(status["status"] == "INVALID")
        #expect(status["latestValidHash"]?.stringValue == genesisHash)
    }

    @Test func `of many invalid blocks each is known when it is chosen`() async throws {
        let payload = try await build(on: genesisHash, at: 1_012)
        var hashes: [String] = []
        for gas in 1...20 {
            let value = JSONValue.string(UInt256(UInt64(gas)).hexQuantity)
            hashes.append(hash(try await giveRehashed(payload, ["gasUsed": value]).payload))
        }
        #expect(Set(hashes).count == 20)
        for hash in hashes { #expect(try await choose(hash) == "INVALID") }
    }

    @Test func `blocks that waited for an invalid one are invalid when they are chosen`()
        async throws
    {
        let parent = try await build(on: genesisHash, at: 1_012)
        _ = try await give(parent)
        _ = try await choose(hash(parent))
        let next = try await build(on: hash(parent), at: 1_024)
        let (bad, _) = try await giveRehashed(next, ["gasUsed": "0x1"])
        let (child, _) = try await giveRehashed(
            next,
            ["parentHash": .string(hash(bad)), "blockNumber": "0x3", "timestamp": "0x500"])
        let (grandchild, _) = try await giveRehashed(
            next,
            ["parentHash": .string(hash(child)), "blockNumber": "0x4", "timestamp": "0x600"])

        let other = try TestNode.engine(genesis: TestNode.genesis(at: .osaka))
        for payload in [grandchild, child, bad] {
            #expect(try await give(payload, to: other)["status"] == "SYNCING")
        }
        #expect(try await give(parent, to: other)["status"] == "VALID")
        for hash in [hash(grandchild), hash(grandchild), hash(child), hash(bad)] {
            let status = try await other.call(
                "engine_forkchoiceUpdatedV3", "[\(choice(hash)),null]")["payloadStatus"]
            #expect(status?["status"] == "INVALID", "\(hash)")
            #expect(status?["latestValidHash"]?.stringValue == self.hash(parent))
        }
        let status = try await give(child, to: other)
        #expect(status["status"] == "INVALID")
        #expect(status["latestValidHash"]?.stringValue == hash(parent))
    }

    @Test func `a block above what finality removed is unknown again`() async throws {
        let one = try await build(on: genesisHash, at: 1_012)
        let other = try await build(on: genesisHash, at: 1_013)
        for payload in [one, other] { _ = try await give(payload) }
        _ = try await choose(hash(other))
        let orphan = try await build(on: hash(other), at: 1_030)
        #expect(try await give(orphan)["status"] == "VALID")
        #expect(try await choose(hash(one), finalized: hash(one)) == "VALID")
        #expect(try await choose(hash(orphan)) == "SYNCING")
        #expect(try await give(orphan)["status"] == "SYNCING")
        #expect(node.blockchain.head.hash.description == hash(one))
    }

    @Test func `what cannot be reached is accepted, and too deep when it is chosen`() async throws {
        var payloads: [JSONValue] = []
        var head = genesisHash
        for number in 1...4 as ClosedRange<UInt64> {
            payloads.append(try await build(on: head, at: 1_000 + 12 * number))
            head = hash(payloads[payloads.count - 1])
            _ = try await give(payloads[payloads.count - 1])
            _ = try await choose(head)
        }
        // A sibling of the second block.
        _ = try await choose(hash(payloads[0]))
        let sibling = try await build(on: hash(payloads[0]), at: 1_025)

        let short = try TestNode.engine(
            genesis: TestNode.genesis(at: .osaka), history: .blocks(1))
        for payload in payloads {
            _ = try await give(payload, to: short)
            #expect(try await choose(hash(payload), on: short) == "VALID")
        }
        let status = try await give(sibling, to: short)
        #expect(status["status"] == "ACCEPTED")
        #expect(status["latestValidHash"] == .null)
        let failure = try await short.failure(
            "engine_forkchoiceUpdatedV3", "[\(choice(hash(payloads[0]))),null]")
        #expect(failure.code == -38_006)
        #expect(short.blockchain.head.hash.description == head)
    }

    @Test func `a wrong hash, wrong transactions and wrong blob hashes have no valid ancestor`()
        async throws
    {
        let payload = try await build(on: genesisHash, at: 1_012)
        var statuses = [
            try await give(try changed(payload, ["blockHash": .string(Self.zero)])),
            try await give(try changed(payload, ["transactions": ["0x"]])),
            try await give(try changed(payload, ["transactions": ["0x01ff"]])),
        ]
        statuses.append(
            try await node.call(
                "engine_newPayloadV4",
                "[\(payload),[\"\(Self.zero)\"],\"\(Self.zero)\",[]]"))
        for status in statuses {
            #expect(status["status"] == "INVALID", "\(status)")
            #expect(status["latestValidHash"] == .null)
        }
    }

    // MARK: - Errors

    @Test func `parameters must be those of the version`() async throws {
        let payload = try await build(on: genesisHash, at: 1_012)
        func code(_ method: String, _ params: String) async throws -> Int {
            try await node.failure(method, params).code
        }
        func without(_ key: String) throws -> JSONValue { try changed(payload, [key: .null]) }

        #expect(try await code("engine_newPayloadV4", "[\(payload)]") == -32_602)
        #expect(try await code("engine_newPayloadV4", "[\(payload),null,null,null]") == -32_602)
        #expect(
            try await code("engine_newPayloadV4", "[\(payload),[],\"\(Self.zero)\",null]")
                == -32_602)
        for key in ["withdrawals", "blobGasUsed", "excessBlobGas", "parentHash", "transactions"] {
            let text = try without(key)
            #expect(try await code("engine_newPayloadV4", "[\(text),\(Self.empty)]") == -32_602)
        }
        let unknown = try changed(payload, ["blockAccessList": "0x"])
        #expect(try await code("engine_newPayloadV4", "[\(unknown),\(Self.empty)]") == -32_602)
        #expect(try await code("engine_newPayloadV1", "[\(payload)]") == -32_602)
        for requests in [
            #"["0x"]"#, #"["0x00"]"#, #"["0x0101","0x0001"]"#, #"["0x0001","0x0002"]"#,
        ] {
            #expect(
                try await code(
                    "engine_newPayloadV4", "[\(payload),[],\"\(Self.zero)\",\(requests)]")
                    == -32_602)
        }
        #expect(try await code("engine_forkchoiceUpdatedV3", "[{},null]") == -32_602)
        #expect(try await code("engine_getPayloadV5", #"["0x01"]"#) == -32_602)
    }

    @Test func `each fork has its versions`() async throws {
        let payload = try await build(on: genesisHash, at: 1_012)
        func code(_ method: String, _ params: String) async throws -> Int {
            try await node.failure(method, params).code
        }
        #expect(
            try await code("engine_newPayloadV3", "[\(payload),[],\"\(Self.zero)\"]") == -38_005)
        #expect(try await code("engine_newPayloadV2", "[\(payload)]") == -38_005)
        let id = try #require(
            try await node.call(
                "engine_forkchoiceUpdatedV3", "[\(choice(genesisHash)),\(attributes(1_012))]")[
                    "payloadId"]?.stringValue)
        for version in 1...4 {
            #expect(try await code("engine_getPayloadV\(version)", "[\"\(id)\"]") == -38_005)
        }
        #expect(try await code("engine_getBlobsV1", "[[]]") == -38_005)
    }

    @Test func `a fork choice that contradicts itself is refused and changes nothing`() async throws
    {
        let payload = try await build(on: genesisHash, at: 1_012)
        _ = try await give(payload)
        let random = Hash256(99).description
        for text in [
            choice(Self.zero), choice(hash(payload), safe: random),
            choice(hash(payload), finalized: random), choice(genesisHash, safe: hash(payload)),
        ] {
            #expect(
                try await node.failure("engine_forkchoiceUpdatedV3", "[\(text),null]").code
                    == -38_002)
        }
        #expect(node.blockchain.head.number == 0)
    }

    @Test func `wrong attributes are refused after the head was chosen`() async throws {
        let payload = try await build(on: genesisHash, at: 1_012)
        _ = try await give(payload)
        let recipient = "0x" + String(repeating: "11", count: 20)
        let texts = [
            attributes(1_012), attributes(0), "{}",
            #"{"timestamp":"0x3f8","prevRandao":"\#(Self.zero)","#
                + #""suggestedFeeRecipient":"\#(recipient)","withdrawals":[]}"#,
        ]
        for text in texts {
            let failure = try await node.failure(
                "engine_forkchoiceUpdatedV3", "[\(choice(hash(payload))),\(text)]")
            #expect(failure.code == -38_003, "\(text): \(failure)")
            #expect(node.blockchain.head.number == 1)
        }
        // With an unknown head they are not looked at.
        let unknown = try await node.call(
            "engine_forkchoiceUpdatedV3", "[\(choice(Hash256(99).description)),{}]")
        #expect(unknown["payloadStatus"]?["status"] == "SYNCING")
    }

    @Test func `unknown blocks and large requests have their codes`() async throws {
        let hashes =
            "[" + Array(repeating: "\"\(Self.zero)\"", count: 1_025).joined(separator: ",") + "]"
        #expect(
            try await node.failure("engine_getPayloadV5", #"["0x0300000000000000"]"#).code
                == -38_001)
        #expect(
            try await node.failure("engine_getPayloadBodiesByHashV1", "[\(hashes)]").code == -38_004
        )
        #expect(
            try await node.failure("engine_getPayloadBodiesByRangeV1", #"["0x1","0x401"]"#).code
                == -38_004)
        for text in [#"["0x0","0x1"]"#, #"["0x1","0x0"]"#] {
            #expect(
                try await node.failure("engine_getPayloadBodiesByRangeV1", text).code == -32_602)
        }
        #expect(try await node.failure("engine_getBlobsV2", "[\(hashes)]").code == -38_004)
    }

    // MARK: - Bodies, blobs, who

    @Test func `bodies come by hash and by number, null where there is none`() async throws {
        let payload = try await build(on: genesisHash, at: 1_012)
        _ = try await give(payload)
        _ = try await choose(hash(payload))
        let body: JSONValue = ["transactions": [], "withdrawals": []]
        let byHash = try await node.call(
            "engine_getPayloadBodiesByHashV1", "[[\"\(hash(payload))\",\"\(Self.zero)\"]]")
        #expect(byHash == [body, nil])
        #expect(
            try await node.call("engine_getPayloadBodiesByRangeV1", #"["0x1","0x8"]"#) == [body])
        #expect(try await node.call("engine_getPayloadBodiesByRangeV1", #"["0x2","0x8"]"#) == [])
    }

    @Test func `blobs of the pool come with the proofs of their cells`() async throws {
        // The blob of zeros has the point at infinity as commitment and as every proof.
        let infinity = [0xc0] + Bytes(repeating: 0, count: 47)
        let hash = KZG.versionedHash(infinity)
        let sidecar = BlobSidecar(
            version: .cellProofs, blobs: [Bytes(repeating: 0, count: BlobSidecar.blobByteCount)],
            commitments: [infinity],
            proofs: Array(repeating: infinity, count: BlobSidecar.cellsPerBlob))
        let transaction = Transaction(
            type: .blob, chainId: TestNode.chainId, nonce: 0,
            maxPriorityFeePerGas: 1_000_000_000, maxFeePerGas: 10_000_000_000, gasLimit: 60_000,
            to: TestNode.receiver, value: 1, maxFeePerBlobGas: 1_000_000_000,
            blobVersionedHashes: [hash]
        ).signed(with: TestNode.alice)
        try node.pool.add(transaction, sidecar: sidecar)

        let found = try await node.call("engine_getBlobsV2", "[[\"\(hash)\"]]")
        #expect(found[0]?["blob"]?.stringValue?.utf8.count == 2 + 2 * BlobSidecar.blobByteCount)
        #expect(found[0]?["proofs"]?.arrayValue?.count == BlobSidecar.cellsPerBlob)
        #expect(
            try await node.call("engine_getBlobsV2", "[[\"\(hash)\",\"\(Self.zero)\"]]") == .null)
        let partly = try await node.call("engine_getBlobsV3", "[[\"\(hash)\",\"\(Self.zero)\"]]")
        #expect(partly.arrayValue?.count == 2)
        #expect(partly[1] == .null)

        // And the block that has the transaction brings them along.
        // A payload stays as it is once it is fetched: each try is a job of its own, with more time.
        var payload = JSONValue.null
        for attempt: UInt64 in 0..<10
        where payload["executionPayload"]?["transactions"]?[0] == nil {
            let update = try await node.call(
                "engine_forkchoiceUpdatedV3",
                "[\(choice(genesisHash)),\(attributes(1_012 + attempt))]")
            let id = try #require(update["payloadId"]?.stringValue)
            try await Task.sleep(for: .milliseconds(10 << attempt))
            payload = try await node.call("engine_getPayloadV5", "[\"\(id)\"]")
        }
        #expect(payload["blobsBundle"]?["commitments"] == [.string(Hex.encode(infinity))])
        #expect(payload["blobsBundle"]?["proofs"]?.arrayValue?.count == BlobSidecar.cellsPerBlob)
        #expect(payload["blobsBundle"]?["blobs"]?.arrayValue?.count == 1)
        #expect(payload["executionRequests"] == [])
        #expect(payload["shouldOverrideBuilder"] == false)
        #expect(payload["blockValue"]?.stringValue != "0x0")
        let block = try #require(payload["executionPayload"])
        let status = try await node.call(
            "engine_newPayloadV4", "[\(block),[\"\(hash)\"],\"\(Self.zero)\",[]]")
        #expect(status["status"] == "VALID", "\(status)")
    }

    @Test func `blobs before Osaka come with one proof each`() async throws {
        let node = try TestNode.engine(genesis: TestNode.genesis(at: .prague))
        // The blob of zeros has the point at infinity as commitment and as proof.
        let infinity = [0xc0] + Bytes(repeating: 0, count: 47)
        let hash = KZG.versionedHash(infinity)
        let sidecar = BlobSidecar(
            version: .blobProofs, blobs: [Bytes(repeating: 0, count: BlobSidecar.blobByteCount)],
            commitments: [infinity], proofs: [infinity])
        try node.pool.add(
            Transaction(
                type: .blob, chainId: TestNode.chainId, nonce: 0,
                maxPriorityFeePerGas: 1_000_000_000, maxFeePerGas: 10_000_000_000,
                gasLimit: 60_000, to: TestNode.receiver, value: 1,
                maxFeePerBlobGas: 1_000_000_000, blobVersionedHashes: [hash]
            ).signed(with: TestNode.alice), sidecar: sidecar)
        let found = try await node.call("engine_getBlobsV1", "[[\"\(Self.zero)\",\"\(hash)\"]]")
        #expect(found.arrayValue?.count == 2)
        #expect(found[0] == .null)
        #expect(found[1]?["proof"]?.stringValue == Hex.encode(infinity))
        #expect(found[1]?["blob"]?.stringValue?.utf8.count == 2 + 2 * BlobSidecar.blobByteCount)
        // Their cells have no proofs yet.
        #expect(try await node.call("engine_getBlobsV2", "[[\"\(hash)\"]]") == .null)
    }

    @Test func `a payload that is fetched while it is improved is valid and stays as it is`()
        async throws
    {
        for nonce in 0..<200 as Range<Nonce> {
            try node.pool.add(TestNode.transfer(nonce: nonce))
        }
        for attempt in 0..<5 as Range<UInt64> {
            let update = try await node.call(
                "engine_forkchoiceUpdatedV3",
                "[\(choice(genesisHash)),\(attributes(1_012 + attempt))]")
            let id = try #require(update["payloadId"]?.stringValue)
            // While versions are made, other calls are answered.
            try await Task.sleep(for: .milliseconds(attempt))
            let fetched = try await node.call("engine_getPayloadV5", "[\"\(id)\"]")
            let payload = try #require(fetched["executionPayload"])
            #expect(try await give(payload)["status"] == "VALID")
            #expect(try await choose(genesisHash) == "VALID")
            #expect(try await node.call("engine_getPayloadV5", "[\"\(id)\"]") == fetched)
        }
    }

    @Test func `the node says what it can and who it is`() async throws {
        let names =
            try await node.call("engine_exchangeCapabilities", #"[["engine_newPayloadV9"]]"#)
            .arrayValue?.compactMap(\.stringValue) ?? []
        #expect(names.contains("engine_newPayloadV4"))
        #expect(names.contains("engine_getBlobsV2"))
        #expect(!names.contains("engine_exchangeCapabilities"))
        #expect(names.allSatisfy { $0.hasPrefix("engine_") })
        let version = try await node.call(
            "engine_getClientVersionV1",
            #"[{"code":"LH","name":"Lighthouse","version":"v1","commit":"0xfa4ff922"}]"#)
        #expect(version[0]?["code"] == "AP")
    }

    @Test func `an ordinary port does not serve the namespace`() async throws {
        let text = #"{"jsonrpc":"2.0","id":1,"method":"engine_getBlobsV2","params":[[]]}"#
        let answer = try #require(
            await node.rpc.dispatcher.answer(to: Bytes(text.utf8), access: .all))
        #expect(try JSONValue(parsing: answer)["error"]?["code"] == -32_601)
    }
}
