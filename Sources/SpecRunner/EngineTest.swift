//  The format of engine tests: a genesis state, and what a consensus client calls.

import EthereumTypes
import Primitives

/// One engine test: a chain of blocks that are given through the Engine API.
public struct EngineTestCase: Sendable {
    /// The key of the test in its file.
    public let name: String
    /// The name of the network.
    public let network: String
    let config: ChainConfig
    let pre: [Address: GenesisAccount]
    let genesis: Header
    let genesisHash: Hash256
    let payloads: [EngineTestPayload]
    let lastBlockHash: Hash256
    let postState: [Address: GenesisAccount]?
}

/// One block of a test and what the node must say to it.
struct EngineTestPayload: Sendable {
    /// The method of `engine_newPayload`.
    let method: String
    /// Its arguments.
    let params: JSONValue
    /// The hash that the payload claims.
    let blockHash: Hash256
    /// The hash of the block before it, which is valid.
    let parentHash: Hash256
    /// The method of `engine_forkchoiceUpdated` that follows.
    let forkchoiceMethod: String
    let expectation: Expectation

    enum Expectation: Hashable, Sendable {
        case valid
        /// The status must be `INVALID`, for the reason with this name.
        case invalid(String)
        /// The call must fail with this code.
        case error(Int)
    }
}

extension EngineTestCase {
    /// The cases of a file.
    public static func cases(in file: JSONValue) throws(FixtureError) -> [EngineTestCase] {
        guard let tests = file.objectValue else { throw FixtureError("not an object") }
        var cases: [EngineTestCase] = []
        for (name, test) in tests where !name.hasPrefix("_") {
            cases.append(try EngineTestCase(name: name, test))
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
        var payloads: [EngineTestPayload] = []
        for payload in try test.array("engineNewPayloads") {
            payloads.append(try EngineTestPayload(payload))
        }
        self.payloads = payloads
        lastBlockHash = try test.hash("lastblockhash")
        postState = try test["postState"].map { (value) throws(FixtureError) in
            try value.accounts()
        }
    }
}

extension EngineTestPayload {
    fileprivate init(_ payload: JSONValue) throws(FixtureError) {
        method = "engine_newPayloadV" + (try payload.string("newPayloadVersion"))
        forkchoiceMethod =
            "engine_forkchoiceUpdatedV" + (try payload.string("forkchoiceUpdatedVersion"))
        params = try payload.member("params")
        guard let block = params[0] else { throw FixtureError("a payload without parameters") }
        blockHash = try block.hash("blockHash")
        parentHash = try block.hash("parentHash")
        if let code = payload["errorCode"] {
            guard let number = Int(code.stringValue ?? code.numberText ?? "") else {
                throw FixtureError("an error code that is no number")
            }
            expectation = .error(number)
        } else {
            expectation =
                payload["validationError"] == nil
                ? .valid : .invalid(try payload.string("validationError"))
        }
    }
}
