//  The format of blockchain tests: a genesis state and blocks to import, valid ones and others.

import Cryptography
import EthereumTypes
import Execution
import Primitives

/// One blockchain test.
public struct BlockTestCase: Sendable {
    /// The key of the test in its file.
    public let name: String
    /// The name of the network.
    public let network: String
    package let config: ChainConfig
    package let pre: [Address: GenesisAccount]
    package let genesis: Header
    package let genesisHash: Hash256
    let genesisEncoding: Bytes?
    package let blocks: [BlockTestBlock]
    let lastBlockHash: Hash256
    let postState: [Address: GenesisAccount]?
    let postStateRoot: Hash256?
    package let checksSeals: Bool
}

/// One block of a test.
package struct BlockTestBlock: Sendable {
    package let encoding: Bytes
    package let expectation: Expectation

    package enum Expectation: Sendable {
        /// The block must be accepted and have this hash.
        case accepted(Hash256)
        /// The block must be refused, and the names of exceptions say why if the file knows it.
        case refused(String?)
    }
}

extension BlockTestCase {
    /// The cases of a file.
    public static func cases(in file: JSONValue) throws(FixtureError) -> [BlockTestCase] {
        guard let tests = file.objectValue else { throw FixtureError("not an object") }
        var cases: [BlockTestCase] = []
        for (name, test) in tests where !name.hasPrefix("_") {
            cases.append(try BlockTestCase(name: name, test))
        }
        return cases
    }

    private init(name: String, _ test: JSONValue) throws(FixtureError) {
        self.name = name
        network = try test.string("network")
        config = try ChainConfig(fixture: test["config"], network: network)
        pre = try test.member("pre").accounts()
        let header = try test.member("genesisBlockHeader")
        genesis = try Header(fixture: header)
        genesisHash = try header.hash("hash")
        genesisEncoding = try test["genesisRLP"].map { (_) throws(FixtureError) in
            try test.bytes("genesisRLP")
        }
        let network = network
        var blocks: [BlockTestBlock] = []
        for block in try test.array("blocks") {
            blocks.append(try BlockTestBlock(block, network: network))
        }
        self.blocks = blocks
        lastBlockHash = try test.hash("lastblockhash")
        postState = try test["postState"].map { (value) throws(FixtureError) in
            try value.accounts()
        }
        postStateRoot = try test["postStateHash"].map { (_) throws(FixtureError) in
            try test.hash("postStateHash")
        }
        checksSeals = test["sealEngine"]?.stringValue == "Ethash"
    }
}

extension BlockTestBlock {
    fileprivate init(_ block: JSONValue, network: String) throws(FixtureError) {
        // Bytes that are not even hexadecimal are no block.
        encoding = Hex.decode(try block.string("rlp")) ?? []

        // Some files name a reason for each network; the oldest name none.
        let key = "expectException"
        let names = block[key] ?? block[key + network] ?? block[key + "ALL"]
        let other = block.objectValue?.first { $0.key.hasPrefix(key) }?.value
        if let header = block["blockHeader"], names == nil, other == nil {
            expectation = .accepted(try header.hash("hash"))
        } else {
            expectation = .refused((names ?? other)?.stringValue)
        }
    }
}

extension Header {
    /// The header as fixtures describe it.
    init(fixture header: JSONValue) throws(FixtureError) {
        func optional(_ key: String) throws(FixtureError) -> Hash256? {
            header[key] == nil ? nil : try header.hash(key)
        }
        func optionalNumber(_ key: String) throws(FixtureError) -> UInt64? {
            header[key] == nil ? nil : try header.uint64(key)
        }
        guard let bloom = Bloom(try header.bytes("bloom")),
            let nonce = UInt256(bigEndian: try header.bytes("nonce"))?.asUInt64
        else { throw FixtureError("the genesis header's bloom or nonce has the wrong length") }
        self.init(
            parentHash: try header.hash("parentHash"),
            ommersHash: try header.hash("uncleHash"),
            coinbase: try header.address("coinbase"),
            stateRoot: try header.hash("stateRoot"),
            transactionsRoot: try header.hash("transactionsTrie"),
            receiptsRoot: try header.hash("receiptTrie"),
            logsBloom: bloom,
            difficulty: try header.word("difficulty"),
            number: try header.uint64("number"),
            gasLimit: try header.uint64("gasLimit"),
            gasUsed: try header.uint64("gasUsed"),
            timestamp: try header.uint64("timestamp"),
            extraData: try header.bytes("extraData"),
            prevRandao: try header.hash("mixHash"),
            nonce: nonce,
            baseFeePerGas: try header.optionalWord("baseFeePerGas"),
            withdrawalsRoot: try optional("withdrawalsRoot"),
            blobGasUsed: try optionalNumber("blobGasUsed"),
            excessBlobGas: try optionalNumber("excessBlobGas"),
            parentBeaconBlockRoot: try optional("parentBeaconBlockRoot"),
            requestsHash: try optional("requestsHash"))
    }
}
