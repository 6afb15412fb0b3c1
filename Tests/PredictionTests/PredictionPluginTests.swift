import Chain
import Cryptography
import EthereumTypes
import Execution
import Foundation
import Logging
import PluginAPI
import Prediction
import Primitives
import RPC
import State
import Storage
import TestSupport
import Testing
import TxPool

/// A chain with the plugin and a pool.
private struct PredictionFixture {
    let host: PluginHost
    let chain: Blockchain
    let pool: TransactionPool
    /// Kept as long as the chain.
    let directory: TemporaryDirectory

    init(_ directory: TemporaryDirectory, section: [String: String] = [:]) throws {
        self.directory = directory
        host = try PluginHost(
            [PredictionPlugin.self],
            configuration: { PluginConfiguration(section: $0, values: section) },
            policy: .stop, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        var options = DatabaseOptions(path: directory.path + "/chain", cacheBytes: 8 << 20)
        options.pluginFamilies = host.families
        var chainOptions = ChainOptions(sync: .interval(milliseconds: 1000))
        chainOptions.participants = host.participants
        var genesis = Genesis(config: .single(.shanghai, chainId: 1337))
        genesis.gasLimit = 30_000_000
        genesis.difficulty = .zero
        genesis.baseFeePerGas = 1_000_000_000
        genesis.timestamp = 1_700_000_000
        for key in FixedKeys.all {
            genesis.alloc[key.address] = GenesisAccount(balance: UInt256(10).power(24))
        }
        chain = try Blockchain.open(
            database: try Database.reopening(options), genesis: genesis, options: chainOptions)
        pool = try TransactionPool(store: nil, head: PoolHead(chain.head, now: 0))
        try host.open(chain, pool: pool)
    }

    /// A transfer by each of the first so many keys, in the pool and then in a block.
    func produce(_ count: Int, seconds: UInt64 = 12, tip: UInt64 = 1_000_000_000) async throws {
        var transactions: [RecoveredTransaction] = []
        for (index, key) in FixedKeys.all.prefix(count).enumerated() {
            let nonce = try chain.head.view.state.account(key.address)?.nonce ?? 0
            let transaction = Transaction(
                type: .dynamicFee, chainId: 1337, nonce: nonce,
                maxPriorityFeePerGas: UInt256(tip + UInt64(index)), maxFeePerGas: 5_000_000_000,
                gasLimit: 21_000, to: .zero, value: 1
            ).signed(with: key)
            try pool.add(transaction)
            transactions.append(RecoveredTransaction(transaction, sender: key.address))
        }
        let wanted = transactions
        _ = try await chain.produce { (head) throws(ChainError) in
            let builder = BlockBuilder(
                on: try head.view.parentBlock(),
                attributes: PayloadAttributes(
                    timestamp: head.header.timestamp + seconds, coinbase: .zero,
                    prevRandao: .zero, gasLimit: head.header.gasLimit),
                config: head.view.config)
            do {
                for transaction in wanted { try builder.add(transaction) }
            } catch {
                Issue.record("a transaction was refused: \(error)")
            }
            do throws(BlockExecutionError) {
                return try builder.finish()
            } catch {
                throw ChainError(error)
            }
        }
        pool.setHead(PoolHead(chain.head, now: 0))
    }

    /// The answer of a route.
    func answer(
        _ path: String, _ query: [String: String] = [:], body: String = ""
    ) throws -> Bytes {
        let route = try #require(host.routes.first { $0.path == path })
        let answer = try route.answer(
            RESTArguments(query: query, body: Bytes(body.utf8)),
            in: RESTContext(view: chain.head.view, deadline: .now + .seconds(5)))
        guard case .whole(let bytes) = answer.content else { return [] }
        return bytes
    }

    func json(_ path: String, _ query: [String: String] = [:]) throws -> JSONValue {
        try JSONValue(parsing: answer(path, query))
    }

    /// Runs the host until a condition holds, at most five minutes: other tests have the processor, too.
    func run(until condition: @escaping @Sendable () throws -> Bool) async throws {
        let task = Task { [host] in await host.run() }
        let end = ContinuousClock.now + .seconds(300)
        while try !condition(), ContinuousClock.now < end {
            try await Task.sleep(for: .milliseconds(5))
        }
        task.cancel()
        await task.value
    }

    var health: [String: String] { host.health.first?.health.facts ?? [:] }
}

@Suite struct PredictionPluginTests {
    @Test func `without a model predict answers 409 and says what to do`() throws {
        let test = try PredictionFixture(TemporaryDirectory())
        for path in ["/api/ai/predict", "/predict"] {
            #expect {
                try test.answer(path, body: #"{"features":{"volume":1}}"#)
            } throws: { error in
                (error as? RESTError)?.status == 409
                    && (error as? RESTError)?.detail.contains("apus predict train") == true
            }
        }
    }

    @Test func `a model in the folder answers, and after a reopening the same bytes`() async throws
    {
        let directory = try TemporaryDirectory()
        var noise = Noise(seed: 5)
        var lines = ["date,price,volume"]
        var price = 100.0
        var push = 0.0
        for row in 0..<900 {
            price *= exp(0.02 * (0.9 * push + 0.4 * noise.normal()))
            push = noise.normal()
            lines.append("day \(row),\(price),\(push)")
        }
        let model = try ChangeModel.train(
            try CSVTable(lines.joined(separator: "\n")),
            ChangeModel.Request(targetColumn: "price", horizon: 1, features: ["volume"]))
        let models = directory.path + "/models"
        try ModelFiles.write(model, to: ModelFiles(directory: models).change)
        let body = #"{"volume": 1.25, "tvl": 3}"#
        var answers: [Bytes] = []
        for round in 0..<2 {
            let test = try PredictionFixture(directory, section: ["directory": models])
            answers.append(try test.answer("/api/ai/predict", body: body))
            #expect(try test.answer("/predict", body: body) == answers[round])
            #expect(test.health["change_model"] == "loaded")
            try await test.chain.shutDown()
        }
        #expect(answers[0] == answers[1])
        let answer = try JSONValue(parsing: answers[0])
        #expect(answer["recommendation"]?.stringValue == "BUY")
        #expect(answer["unknown"]?.arrayValue?.map(\.stringValue) == ["tvl"])
        #expect(
            answer["confidence"]?.doubleValue
                == answer["interval"]?["measured_coverage"]?.doubleValue)
    }

    @Test func `a file that is no model stops the start`() throws {
        let directory = try TemporaryDirectory()
        let files = ModelFiles(directory: directory.path + "/models")
        try ModelFiles.write(["version": 1], to: files.activity)
        #expect(throws: PluginError.self) {
            try PredictionFixture(directory, section: ["directory": directory.path + "/models"])
        }
    }

    @Test func `fees and activity are forecast without any model, and a reorganisation is undone`()
        async throws
    {
        let test = try PredictionFixture(TemporaryDirectory())
        for block in 0..<40 { try await test.produce(1 + block % 3, seconds: 120) }
        let before = try test.answer("/api/ai/activity")
        let feesBefore = try test.answer("/api/ai/fees")
        for _ in 0..<12 { try await test.produce(4, seconds: 120) }
        #expect(try test.answer("/api/ai/activity") != before)
        try await test.chain.rollback(to: 40)
        #expect(try test.answer("/api/ai/activity") == before)
        #expect(try test.answer("/api/ai/fees") == feesBefore)

        let fees = try test.json("/api/ai/fees")
        let next = try #require(fees["base_fee"]?.arrayValue?.first)
        #expect(next["source"]?.stringValue == "exact")
        let header = test.chain.head.header
        #expect(
            next["wei"]?.stringValue
                == nextBaseFee(
                    baseFeePerGas: header.baseFeePerGas ?? 0, gasUsed: header.gasUsed,
                    gasLimit: header.gasLimit
                ).description)
        #expect(fees["priority_fee"]?["source"]?.stringValue == "tips paid in blocks")

        let activity = try test.json("/api/ai/activity")
        #expect(activity["as_of"]?["number"]?.doubleValue == 40)
        let blocks = try #require(activity["blocks"]?.arrayValue)
        #expect(blocks.map { $0["blocks"]?.doubleValue } == [1, 10])
        // 40 blocks of two minutes: eight slots, of which an hour is forecast.
        let hour = try #require(activity["hour"])
        let slot = header.timestamp / 600 * 600
        #expect(hour["from"]?.doubleValue == Double(slot))
        #expect(hour["to"]?.doubleValue == Double(slot + 3_600))
        let source = try #require(hour["transactions"]?["source"]?.stringValue)
        #expect(source.hasPrefix("rule: "))
        let value = try #require(hour["transactions"]?["value"]?.doubleValue)
        #expect((40...80).contains(value))
        #expect(hour["gas_used"]?["backtest"]?.isNull == true)
    }

    @Test func `an answer that comes first leaves the figures to be renewed`() async throws {
        let test = try PredictionFixture(TemporaryDirectory())
        // The first whose forecasts count as given are 512 blocks after the beginning.
        for _ in 0..<540 { try await test.produce(0) }
        _ = try test.answer("/api/ai/fees")
        let isShown = { @Sendable [host = test.host] in
            host.metrics.snapshot().contains { family in
                family.name == "apus_prediction_fee_interval_coverage_ratio"
                    && family.samples.contains { !$0.value.isNaN }
            }
        }
        #expect(!isShown())
        try await test.run(until: isShown)
        #expect(isShown())
    }

    @Test func `a fee that the protocol decides is certain`() async throws {
        let test = try PredictionFixture(TemporaryDirectory())
        for _ in 0..<40 { try await test.produce(1) }
        let sure = try test.json("/api/ai/fees/wait", ["fee": "1000000000", "blocks": "2"])
        #expect(sure["probability"]?.doubleValue == 1)
        #expect(sure["source"]?.stringValue == "exact")
        // Two blocks cannot take the fee to a tenth.
        let never = try test.json("/api/ai/fees/wait", ["fee": "100000", "blocks": "3"])
        #expect(never["probability"]?.doubleValue == 0)
        #expect(never["source"]?.stringValue == "exact")
        #expect {
            try test.answer("/api/ai/fees/wait", ["fee": "1", "blocks": "1001"])
        } throws: { ($0 as? RESTError)?.status == 400 }
        #expect { try test.answer("/api/ai/fees/inclusion", ["tip": "1"]) } throws: {
            ($0 as? RESTError)?.status == 409
        }
    }

    @Test func `tiers come from the node's own pool once it has seen enough`() async throws {
        let test = try PredictionFixture(TemporaryDirectory())
        let isWatching = Task { [test] in
            try await test.run {
                try test.json("/api/ai/fees")["priority_fee"]?["source"]?.stringValue
                    == "outcomes in this node's pool"
            }
        }
        // The stream begins when the host runs.
        try await Task.sleep(for: .milliseconds(200))
        for _ in 0..<80 { try await test.produce(4) }
        try await isWatching.value
        let tips = try #require(try test.json("/api/ai/fees", ["within": "2"])["priority_fee"])
        #expect(tips["source"]?.stringValue == "outcomes in this node's pool")
        let tiers = try #require(tips["tiers"]?.arrayValue)
        #expect(tiers.map { $0["target"]?.doubleValue } == [0.5, 0.8, 0.95])
        for tier in tiers {
            // Everybody was in the next block.
            #expect(tier["included_within"]?["1"]?.doubleValue == 1)
            #expect(tier["measured"]?.doubleValue == 1)
            let wei = try #require(tier["wei"]?.stringValue.flatMap { UInt64($0) })
            #expect((1_000_000_000...1_000_000_003).contains(wei))
        }
        let curve = try test.json("/api/ai/fees/inclusion", ["tip": "1000000001"])
        #expect(curve["included_within"]?.arrayValue?.count == 64)
        #expect(curve["included_within"]?.arrayValue?.first?.doubleValue == 1)
    }

    @Test func `a node trains on its own chain when it is due, and says what came of it`()
        async throws
    {
        let directory = try TemporaryDirectory()
        let section = ["directory": directory.path + "/models", "train-every": "60"]
        let test = try PredictionFixture(directory, section: section)
        #expect(test.health["training"] == "not yet")
        for _ in 0..<60 { try await test.produce(1) }
        try await test.run { test.health["training"]?.hasPrefix("at block") == true }
        // Too few blocks to learn anything from.
        let training = try #require(test.health["training"])
        #expect(training.hasPrefix("at block 60; fees: there are"))
        #expect(training.contains("activity: there are 61 rows to learn from"))
        #expect(test.health["fee_model"] == "none: rules answer")
        let trainings = try #require(
            test.host.metrics.snapshot().first { $0.name == "apus_prediction_trainings_total" })
        #expect(
            trainings.samples.map { "\($0.labels["model"] ?? "") \($0.value)" }
                == ["fees 0.0", "activity 0.0", "refused 2.0"])
    }

    @Test func `a model that cannot be written is heard from memory, and the node goes on`()
        async throws
    {
        let directory = try TemporaryDirectory()
        let files = ModelFiles(directory: directory.path + "/models")
        let section = ["directory": directory.path + "/models", "train-every": "1000"]
        let test = try PredictionFixture(directory, section: section)
        // Nothing is learned from empty blocks, and that is a model, too.
        for _ in 0..<1_000 { try await test.produce(0) }
        try FileManager.default.createDirectory(
            atPath: files.activity + "/in the way", withIntermediateDirectories: true)
        try await test.run { test.health["training"]?.hasPrefix("at block") == true }
        #expect(test.health["training"]?.hasSuffix("activity.json cannot be written") == true)
        #expect(test.health["activity_model"] == "no skill: rules answer")
        #expect(test.host.health.first?.health.status == .degraded)
        let failures = try #require(
            test.host.metrics.snapshot().first {
                $0.name == "apus_prediction_model_write_failures_total"
            })
        #expect(
            failures.samples.map { "\($0.labels["model"] ?? "") \($0.value)" }
                == ["fees 0.0", "activity 1.0"])
        // The chain goes on, even where a plugin that fails stops it.
        try await test.produce(1)
        #expect(try test.json("/api/ai/activity")["as_of"]?["number"]?.doubleValue == 1_001)
    }

    @Test func `a folder in which no model can be kept stops the start`() throws {
        let directory = try TemporaryDirectory()
        let file = directory.path + "/file"
        try Data().write(to: URL(fileURLWithPath: file))
        let section = ["directory": file + "/models", "train-every": "60"]
        #expect {
            try PredictionFixture(directory, section: section)
        } throws: {
            ($0 as? PluginError)?.description.contains("nothing can be written") == true
        }
        // To read models from a folder that is not there is no fault.
        _ = try PredictionFixture(directory, section: ["directory": file + "/models"])
        let models = directory.path + "/models"
        _ = try PredictionFixture(
            TemporaryDirectory(), section: ["directory": models, "train-every": "60"])
        #expect(try FileManager.default.contentsOfDirectory(atPath: models).isEmpty)
    }

    @Test func `models of a chain are loaded at the start, and one without skill is not heard`()
        async throws
    {
        let directory = try TemporaryDirectory()
        let files = ModelFiles(directory: directory.path + "/models")
        var noise = Noise(seed: 9)
        let steps = (0..<1_050).map { index in
            let count = noise.uniform() < 0.5 ? 0 : 3.0
            return ActivityStep(
                end: UInt64(index) * 12, transactions: count, gasUsed: count * 21_000)
        }
        var parameters = ActivityModel.usualParameters
        parameters.rounds = 20
        try ModelFiles.write(
            try ActivityModel.train([.blocks: steps], parameters: parameters), to: files.activity)
        parameters.minLeaf = 20
        try ModelFiles.write(
            try FeeModel.train(
                FeeForecasterTests.blocks(1_400)[...], horizons: [2, 5], parameters: parameters),
            to: files.fees)
        var answers: [Bytes] = []
        for _ in 0..<2 {
            let test = try PredictionFixture(
                directory, section: ["directory": directory.path + "/models"])
            if answers.isEmpty {
                for index in 0..<300 { try await test.produce(index % 4) }
            }
            #expect(test.health["activity_model"] == "no skill: rules answer")
            #expect(test.health["fee_model"] == "loaded")
            #expect(test.health["training"] == "off")
            let blocks = try #require(try test.json("/api/ai/activity")["blocks"]?.arrayValue)
            #expect(blocks.count == 3)
            for entry in blocks {
                let forecast = try #require(entry["transactions"])
                #expect(forecast["source"]?.stringValue?.hasPrefix("rule: ") == true)
                #expect(forecast["backtest"]?["verdict"]?.stringValue == "no skill")
            }
            let fees = try #require(try test.json("/api/ai/fees")["base_fee"]?.arrayValue)
            #expect(fees.map { $0["blocks"]?.doubleValue } == [1, 2, 5])
            answers.append(try test.answer("/api/ai/activity") + test.answer("/api/ai/fees"))
            try await test.chain.shutDown()
        }
        #expect(answers[0] == answers[1])
    }
}
