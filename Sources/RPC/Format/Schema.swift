import EthereumTypes
import Primitives

/// JSON schemas of what methods answer with, for `rpc_discover`. Tests hold every answer against
/// them.
enum Schema {
    static let any: JSONValue = [:]
    static let text: JSONValue = ["type": "string"]
    static let bool: JSONValue = ["type": "boolean"]
    static let integer: JSONValue = ["type": "integer"]
    static let number: JSONValue = ["type": "number"]
    static let null: JSONValue = ["type": "null"]
    static let quantity = UInt256.schema
    static let hash = Hash256.schema
    static let address = Address.schema
    static let data = HexData.schema

    static func list(_ element: JSONValue) -> JSONValue {
        ["type": "array", "items": element]
    }

    static func nullable(_ schema: JSONValue) -> JSONValue { oneOf([schema, null]) }

    static func oneOf(_ alternatives: [JSONValue]) -> JSONValue {
        ["oneOf": .array(alternatives)]
    }

    /// An object whose members all have one form, whatever their names.
    static func map(_ member: JSONValue) -> JSONValue {
        ["type": "object", "additionalProperties": member]
    }

    /// - Parameters:
    ///   - title: what the documentation calls it.
    ///   - required: the members that are always there.
    ///   - optional: those that some have.
    static func object(
        _ title: String? = nil, _ required: KeyValuePairs<String, JSONValue> = [:],
        optional: KeyValuePairs<String, JSONValue> = [:]
    ) -> JSONValue {
        var schema: JSONObject = ["type": "object"]
        if let title { schema["title"] = .string(title) }
        if !required.isEmpty { schema["required"] = .array(required.map { .string($0.key) }) }
        schema["properties"] = .object(
            JSONObject((required.map { $0 } + optional.map { $0 }).map { ($0.key, $0.value) }))
        return .object(schema)
    }

    // MARK: Transactions

    static let accessList = list(
        object(nil, ["address": address, "storageKeys": list(hash)]))

    static let authorization = object(
        "Authorization",
        [
            "chainId": quantity, "address": address, "nonce": quantity, "yParity": quantity,
            "r": quantity, "s": quantity,
        ])

    /// Members that only some types of transactions have.
    private static let typed: KeyValuePairs<String, JSONValue> = [
        "maxFeePerGas": quantity, "maxPriorityFeePerGas": quantity, "maxFeePerBlobGas": quantity,
        "accessList": accessList, "chainId": quantity, "blobVersionedHashes": list(hash),
        "authorizationList": list(authorization), "yParity": quantity,
        "blockTimestamp": nullable(quantity),
    ]

    /// With nulls for its place as long as it is not in the chain.
    static let transaction = object(
        "Transaction",
        [
            "blockHash": nullable(hash), "blockNumber": nullable(quantity), "from": address,
            "gas": quantity, "gasPrice": quantity, "hash": hash, "input": data,
            "nonce": quantity, "to": nullable(address), "transactionIndex": nullable(quantity),
            "value": quantity, "type": quantity, "v": quantity, "r": quantity, "s": quantity,
        ], optional: typed)

    /// One that was only filled in or signed.
    static let transactionFields = object(
        "TransactionFields",
        [
            "type": quantity, "nonce": quantity, "to": nullable(address), "gas": quantity,
            "gasPrice": quantity, "value": quantity, "input": data, "v": quantity,
            "r": quantity, "s": quantity, "hash": hash,
        ], optional: typed)

    // MARK: Blocks

    static let withdrawal = object(
        "Withdrawal",
        ["index": quantity, "validatorIndex": quantity, "address": address, "amount": quantity])

    /// Members that came with a fork.
    private static let forked: KeyValuePairs<String, JSONValue> = [
        "baseFeePerGas": quantity, "blobGasUsed": quantity, "excessBlobGas": quantity,
        "parentBeaconBlockRoot": hash, "requestsHash": hash, "withdrawalsRoot": hash,
        "withdrawals": list(withdrawal), "transactionsRoot": hash,
    ]

    /// A pending block's has no hash, no nonce and no miner yet.
    static let header = object(
        "Header",
        [
            "difficulty": quantity, "extraData": data, "gasLimit": quantity, "gasUsed": quantity,
            "hash": nullable(hash), "logsBloom": data, "miner": nullable(address),
            "mixHash": hash, "nonce": nullable(data), "number": quantity, "parentHash": hash,
            "receiptsRoot": hash, "sha3Uncles": hash, "stateRoot": hash, "timestamp": quantity,
            "transactionsRoot": hash,
        ], optional: forked)

    /// The same of a pending block.
    static func block(
        _ title: String = "Block", transactions: JSONValue = list(oneOf([hash, transaction])),
        logsBloom: JSONValue = data, others: KeyValuePairs<String, JSONValue> = [:]
    ) -> JSONValue {
        let members: KeyValuePairs<String, JSONValue> = [
            "difficulty": quantity, "extraData": data, "gasLimit": quantity, "gasUsed": quantity,
            "hash": nullable(hash), "logsBloom": logsBloom, "miner": nullable(address),
            "mixHash": hash, "nonce": nullable(data), "number": quantity, "parentHash": hash,
            "receiptsRoot": hash, "sha3Uncles": hash, "size": quantity, "stateRoot": hash,
            "timestamp": quantity, "transactions": transactions, "transactionsRoot": hash,
            "uncles": list(hash),
        ]
        guard case .object(var schema) = object(title, members, optional: forked),
            case .object(var properties)? = schema["properties"]
        else { return any }
        for (name, member) in others { properties[name] = member }
        schema["properties"] = .object(properties)
        return .object(schema)
    }

    static let uncle = object(
        "Uncle",
        [
            "difficulty": quantity, "extraData": data, "gasLimit": quantity, "gasUsed": quantity,
            "hash": hash, "miner": address, "number": quantity, "parentHash": hash,
            "size": quantity, "stateRoot": hash, "timestamp": quantity, "uncles": list(hash),
        ], optional: forked)

    static let log = object(
        "Log",
        [
            "address": address, "topics": list(hash), "data": data, "blockNumber": quantity,
            "transactionHash": hash, "transactionIndex": quantity, "blockHash": hash,
            "blockTimestamp": quantity, "logIndex": quantity, "removed": bool,
        ])

    static func receipt(
        _ title: String = "Receipt", logs: JSONValue = list(log), logsBloom: JSONValue = data,
        timestamp: JSONValue? = nil
    ) -> JSONValue {
        guard
            case .object(var schema) = object(
                title,
                [
                    "blockHash": hash, "blockNumber": quantity,
                    "contractAddress": nullable(address), "cumulativeGasUsed": quantity,
                    "effectiveGasPrice": quantity, "from": address, "gasUsed": quantity,
                    "logs": logs, "logsBloom": logsBloom, "to": nullable(address),
                    "transactionHash": hash, "transactionIndex": quantity, "type": quantity,
                ],
                optional: [
                    "blobGasPrice": quantity, "blobGasUsed": quantity, "status": quantity,
                    "root": hash,
                ]), case .object(var properties)? = schema["properties"]
        else { return any }
        if let timestamp { properties["timestamp"] = timestamp }
        schema["properties"] = .object(properties)
        return .object(schema)
    }

    /// What a filter has seen: hashes of blocks or transactions, transactions, or logs.
    static let filterChanges = list(oneOf([hash, log, transaction]))

    // MARK: Accounts

    static let storageProof = object(
        nil, ["key": text, "value": quantity, "proof": list(data)])

    static let accountInfo = object(
        "AccountInfo", ["balance": quantity, "nonce": quantity, "code": data])

    static let storageRange = object(
        "StorageRange",
        [
            "storage": map(object(nil, ["key": hash, "value": hash])), "nextKey": nullable(hash),
        ])

    static let dump = object(
        "Dump",
        [
            "root": text,
            "accounts": map(
                object(
                    nil,
                    [
                        "balance": text, "nonce": integer, "root": hash, "codeHash": hash,
                        "address": address, "key": hash,
                    ], optional: ["code": data, "storage": map(text)])),
        ], optional: ["next": text])

    // MARK: Traces

    /// What a tracer made: its form is the tracer's. Without one the struct logger's.
    static let trace: JSONValue = [
        "title": "Trace",
        "anyOf": [
            object(
                "StructLogs",
                [
                    "gas": integer, "failed": bool, "returnValue": data,
                    "structLogs": list(
                        object(
                            nil,
                            [
                                "pc": integer, "op": text, "gas": integer, "gasCost": integer,
                                "depth": integer,
                            ],
                            optional: [
                                "error": text, "stack": list(quantity), "returnData": data,
                                "memory": list(data), "storage": map(hash), "refund": integer,
                            ])),
                ]),
            object(
                "CallFrame",
                [
                    "from": address, "gas": quantity, "gasUsed": quantity, "input": data,
                    "type": text,
                ],
                optional: [
                    "to": address, "output": data, "error": text, "revertReason": text,
                    "value": quantity, "calls": list(["type": "object"]),
                    "logs": list(["type": "object"]),
                ]),
            list(["type": "object"]), ["type": "object"],
        ],
    ]

    static let blockTraces = list(object(nil, ["txHash": hash, "result": trace]))

    /// A frame of Parity's traces.
    static let parityTrace = object(
        "ParityTrace",
        [
            "action": ["type": "object"], "result": nullable(["type": "object"]),
            "subtraces": integer, "traceAddress": list(integer),
            "type": ["type": "string", "enum": ["call", "create", "suicide", "reward"]],
        ],
        optional: [
            "error": text, "blockHash": hash, "blockNumber": integer,
            "transactionHash": nullable(hash), "transactionPosition": nullable(integer),
        ])

    static let parityReplay = object(
        "ParityReplay",
        [
            "output": data, "stateDiff": nullable(["type": "object"]),
            "trace": list(parityTrace), "vmTrace": nullable(["type": "object"]),
        ], optional: ["transactionHash": hash])

    static let bundleResults = list(
        list(oneOf([object(nil, ["value": data]), object(nil, ["error": text])])))

    // MARK: Otterscan

    static let blockDetails = object(
        "BlockDetails",
        [
            "block": object(
                nil, ["number": quantity, "hash": hash, "transactionCount": integer]),
            "issuance": object(
                nil, ["blockReward": quantity, "uncleReward": quantity, "issuance": quantity]),
            "totalFees": quantity,
        ])

    private static let bareReceipt = receipt(
        "BareReceipt", logs: null, logsBloom: null, timestamp: integer)

    static let blockPage = object(
        "BlockPage",
        [
            "fullblock": block(
                transactions: list(transaction), logsBloom: null,
                others: ["transactionCount": integer]),
            "receipts": list(bareReceipt),
        ])

    static let transactionPage = object(
        "TransactionsWithReceipts",
        [
            "txs": list(transaction), "receipts": list(bareReceipt), "firstPage": bool,
            "lastPage": bool,
        ])

    static let contractCreator = object(
        "ContractCreator", ["hash": hash, "creator": address])

    static let internalOperations = list(
        object(
            "InternalOperation",
            [
                "type": ["type": "integer", "enum": [0, 1, 2, 3]], "from": address,
                "to": address, "value": quantity,
            ]))

    static let tracedCalls = list(
        object(
            "TracedCall",
            [
                "type": text, "depth": integer, "from": address, "to": address,
                "value": nullable(quantity), "input": data, "output": data,
            ]))

    // MARK: The node

    private static let fork = object(
        "ForkConfiguration",
        [
            "activationTime": integer,
            "blobSchedule": nullable(
                object(
                    nil,
                    ["baseFeeUpdateFraction": integer, "max": integer, "target": integer])),
            "chainId": quantity, "forkId": data, "precompiles": map(address),
            "systemContracts": map(address),
        ])

    static let configuration = object(
        "Configuration", ["current": fork, "next": nullable(fork), "last": nullable(fork)])

    private static let range = object(nil, ["disabled": bool, "oldestBlock": quantity])

    static let capabilities = object(
        "Capabilities",
        [
            "head": object(nil, ["number": quantity, "hash": hash]), "state": range, "tx": range,
            "logs": range, "receipts": range, "blocks": range, "stateproofs": range,
        ])

    static let nodeInfo = object(
        "NodeInfo",
        [
            "id": text, "name": text, "enode": text, "ip": text,
            "ports": object(nil, ["discovery": integer, "listener": integer]),
            "listenAddr": text, "protocols": ["type": "object"],
        ])

    static let devnetInfo = object(
        "DevnetInfo",
        [
            "currentBlockNumber": quantity, "currentBlockTimestamp": integer,
            "currentBlockHash": hash, "nextBlockTimestamp": integer, "hardFork": text,
            "transactionOrder": ["type": "string", "enum": ["fees", "fifo"]],
            "environment": object(
                nil,
                [
                    "baseFee": quantity, "chainId": integer, "gasLimit": quantity,
                    "gasPrice": quantity,
                ]), "forkConfig": ["type": "object"],
        ])

    static let metadata = object(
        "Metadata",
        [
            "clientVersion": text, "chainId": integer, "instanceId": text,
            "latestBlockNumber": integer, "latestBlockHash": hash, "forkedNetwork": null,
            "snapshots": map(list(oneOf([integer, hash]))),
        ])

    static let poolStatus = object(
        "PoolStatus", ["pending": quantity, "queued": quantity])

    /// Transactions by sender and nonce, or sentences about them.
    static let poolListing = object(
        "PoolListing",
        [
            "pending": map(map(oneOf([transaction, text]))),
            "queued": map(map(oneOf([transaction, text]))),
        ])

    static let senderListing = object(
        "SenderListing", ["pending": map(transaction), "queued": map(transaction)])

    static let seal = object("Seal", ["seal": data, "signer": nullable(address)])

    static let sealedBlocks = object(
        "SealedBlocks",
        [
            "head": object(nil, ["number": quantity, "hash": hash]),
            "blocks": list(
                object(
                    nil, ["block": data], optional: ["seal": data, "overridden": bool])),
        ])

    /// A block to propose, as `engine_getPayloadV5` has it.
    static let payload = object(
        "Payload",
        [
            "executionPayload": object(
                "ExecutionPayload",
                ["blockHash": hash, "parentHash": hash, "transactions": list(data)]),
            "blockValue": quantity,
            "blobsBundle": object(
                "BlobsBundle",
                ["commitments": list(data), "proofs": list(data), "blobs": list(data)]),
            "executionRequests": list(data), "shouldOverrideBuilder": bool,
        ])

    static let document = object(
        "OpenRPC",
        [
            "openrpc": text, "info": object(nil, ["title": text, "version": text]),
            "methods": list(
                object(
                    nil,
                    [
                        "name": text, "params": list(["type": "object"]),
                        "result": object(nil, ["name": text, "schema": ["type": "object"]]),
                    ])),
        ])

    static let badBlock = object(
        "BadBlock", ["hash": hash, "block": block(), "rlp": data, "reason": text])
}
