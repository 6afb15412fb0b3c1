import Chain
import EVM
import EthereumTypes
import PluginAPI
import Primitives
import RPC
import Storage
import TxPool

/// The routes of the chain itself: balances, blocks, transactions.
struct CoreRoutes: Sendable {
    let parts: LocalBackend.Parts

    var routes: [RESTRoute] {
        let address = RESTParameter<Address>.path("address", "The account.")
        let block = RESTParameter<BlockName?>.query(
            "block", "A number, a hash, or latest, earliest, safe, finalized; the head by default.")
        let id = RESTParameter<BlockName>.path(
            "id", "A number, a hash, or latest, earliest, safe, finalized.")
        let hash = RESTParameter<Hash256>.path("hash", "The hash of the transaction.")
        let order = RESTParameter<TransactionOrder>.body(
            "transaction",
            "A signed transaction, or what an account of the devnet is to send (amount in wei).")
        return [
            RESTRoute(
                .get, "/api/balance/{address}", "What an account holds, in wei.", role: .reader,
                cache: .view, address, block, answer: balance),
            RESTRoute(
                .get, "/balance/{address}", "What an account holds, in wei.", role: .reader,
                cache: .view, address, block, answer: balance),
            RESTRoute(
                .get, "/api/block/{id}", "A block.", role: .reader, cost: .execution, cache: .view,
                id, answer: self.block),
            RESTRoute(
                .get, "/api/transaction/{hash}", "A transaction, mined or waiting.", role: .reader,
                cost: .execution, hash, answer: transaction),
            RESTRoute.command(
                .post, "/api/transaction", "Sends a transaction.", role: .writer, order,
                answer: send),
        ]
    }

    @Sendable private func balance(
        _ context: RESTContext, _ address: Address, _ block: BlockName?
    ) throws -> BalanceAnswer {
        let view = context.view
        // The hash of the head is at hand.
        guard let number = try (block ?? .latest).number(in: view),
            let hash = try number == view.number ? view.hash : view.canonicalHash(number)
        else { throw Self.noBlock }
        return BalanceAnswer(
            address: address, account: try view.state(at: number).account(address),
            block: BlockReference(number: number, hash: hash))
    }

    @Sendable private func block(
        _ context: RESTContext, _ block: BlockName
    ) throws -> BlockAnswer {
        let view = context.view
        guard let number = try block.number(in: view), let stored = try view.block(number) else {
            throw Self.noBlock
        }
        return BlockAnswer(
            stored: stored, head: BlockReference(number: view.number, hash: view.hash))
    }

    @Sendable private func transaction(
        _ context: RESTContext, _ hash: Hash256
    ) throws -> TransactionAnswer {
        let view = context.view
        if let location = try view.transactionLocation(hash),
            let stored = try view.transaction(at: location),
            let receipt = try view.receipt(at: location)
        {
            return TransactionAnswer(
                transaction: stored.transaction, hash: hash, sender: stored.sender,
                place: TransactionAnswer.Place(
                    stored: stored, receipt: receipt, head: view.number))
        }
        guard let waiting = parts.pool.transaction(hash) else {
            throw RESTError.notFound("no transaction of this hash is in the chain or waits")
        }
        return TransactionAnswer(
            transaction: waiting.transaction, hash: hash, sender: waiting.sender,
            isPending: parts.pool.isPending(hash))
    }

    @Sendable private func send(
        _ context: RESTContext, _ order: TransactionOrder
    ) async throws -> SentAnswer {
        let result: JSONValue
        switch order {
        case .signed(let bytes):
            result = try await parts.rpc.dispatcher.call(
                "eth_sendRawTransaction", [.string(Hex.encode(bytes))])
        case .transfer(let from, let to, let amount):
            guard parts.isDevnet else {
                throw RESTError(
                    status: 403, title: "Not allowed",
                    detail: "this node signs for nobody: send a signed transaction")
            }
            result = try await parts.rpc.dispatcher.call(
                "eth_sendTransaction",
                [
                    [
                        "from": .string(from.description), "to": .string(to.description),
                        "value": .string(amount.hexQuantity),
                    ]
                ])
        }
        guard let hash = result.stringValue.flatMap({ Hash256(hex: $0) }) else {
            throw RPCError(code: RPCErrorCode.internalError, message: "no hash")
        }
        return SentAnswer(hash: hash)
    }

    private static let noBlock = RESTError.notFound("there is no such block in the chain")
}

/// A block of the chain by its number, its hash or one of the names that clients use.
enum BlockName: RESTValue, Hashable {
    case number(BlockNumber)
    case hash(Hash256)
    case latest, earliest, safe, finalized

    static func parse(_ text: String) throws(RESTValueError) -> BlockName {
        switch text {
        case "latest": return .latest
        case "earliest": return .earliest
        case "safe": return .safe
        case "finalized": return .finalized
        default:
            if text.utf8.count == 66, text.hasPrefix("0x"), let hash = Hash256(hex: text) {
                return .hash(hash)
            }
            guard let number = UInt64(decimalDigits: text) else {
                throw RESTValueError(
                    "is neither a number, nor a hash, nor one of latest, earliest, safe, finalized")
            }
            return .number(number)
        }
    }

    static let textSchema: JSONValue = [
        "oneOf": [
            ["type": "string", "enum": ["latest", "earliest", "safe", "finalized"]],
            ["type": "string", "pattern": "^0x[0-9a-fA-F]{64}$"],
            ["type": "integer", "minimum": 0],
        ]
    ]

    /// The number of the block; nil if a view does not have it.
    func number(in view: ChainView) throws -> BlockNumber? {
        switch self {
        case .number(let number): return number <= view.number ? number : nil
        case .hash(let hash):
            guard let number = try view.number(of: hash),
                try view.canonicalHash(number) == hash
            else { return nil }
            return number
        case .latest: return view.number
        case .earliest: return 0
        // Where one producer makes the chain, a block is final as soon as it is there.
        case .safe: return view.safe?.number ?? view.number
        case .finalized: return view.finalized?.number ?? view.number
        }
    }
}

/// What is to be sent: a transaction that somebody has signed, or a transfer that the devnet signs.
enum TransactionOrder: RESTValue, Hashable {
    case signed(Bytes)
    case transfer(from: Address, to: Address, amount: UInt256)

    static func parse(_ text: String) throws(RESTValueError) -> TransactionOrder {
        guard let value = try? JSONValue(parsing: text), let object = value.objectValue else {
            throw RESTValueError("is not a JSON object")
        }
        if let raw = object["raw"] {
            guard object.keys.count == 1 else {
                throw RESTValueError("has more than \"raw\"")
            }
            guard let digits = raw.stringValue, digits.hasPrefix("0x"),
                let bytes = Hex.decode(digits), !bytes.isEmpty
            else { throw RESTValueError("has a \"raw\" that is not 0x and bytes") }
            return .signed(bytes)
        }
        guard object.keys.allSatisfy({ ["from", "to", "amount"].contains($0) }) else {
            throw RESTValueError(
                "has members beside \"raw\", or beside \"from\", \"to\" and \"amount\"")
        }
        return .transfer(
            from: try address(object, "from"), to: try address(object, "to"),
            amount: try amount(object))
    }

    private static func address(
        _ object: JSONObject, _ name: String
    ) throws(RESTValueError) -> Address {
        guard let text = object[name]?.stringValue else {
            throw RESTValueError("has no \"\(name)\" that is a text")
        }
        do throws(RESTValueError) {
            return try Address.parse(text)
        } catch {
            throw RESTValueError("has a \"\(name)\" that \(error.reason)")
        }
    }

    /// Wei, as a text of decimal digits or as a whole number.
    private static func amount(_ object: JSONObject) throws(RESTValueError) -> UInt256 {
        let text: String
        switch object["amount"] {
        case .string(let digits), .number(let digits): text = digits
        case nil, .null, .bool, .array, .object: throw RESTValueError("has no \"amount\"")
        }
        do throws(RESTValueError) {
            return try UInt256.parse(text)
        } catch {
            throw RESTValueError("has an \"amount\" that \(error.reason)")
        }
    }

    static let textSchema: JSONValue = [
        "oneOf": [
            [
                "type": "object", "required": ["raw"], "additionalProperties": false,
                "properties": [
                    "raw": ["type": "string", "pattern": "^0x([0-9a-fA-F]{2})+$"]
                ],
            ],
            [
                "type": "object", "required": ["from", "to", "amount"],
                "additionalProperties": false,
                "properties": [
                    "from": Address.textSchema, "to": Address.textSchema,
                    "amount": UInt256.textSchema,
                ],
            ],
        ]
    ]
}
