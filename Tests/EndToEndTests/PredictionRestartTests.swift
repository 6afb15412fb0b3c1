import Foundation
import Primitives
import Testing

/// Models through the real program: trained by a command, served by a node, the same after a restart.
@Suite struct PredictionRestartTests {
    @Test func `a trained model answers the same bytes after a restart`() throws {
        let folder = try TemporaryFolder()
        var state: UInt64 = 1
        func uniform() -> Double {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Double(state >> 11) / 0x1p53 - 0.5
        }
        var price = 100.0
        var lines = ["date,price,volume,tvl"]
        for day in 0..<600 {
            let volume = uniform()
            lines.append("day \(day),\(price),\(volume),\(uniform())")
            price *= 1 + 0.05 * volume + 0.01 * uniform()
        }
        let table = try folder.write(lines.joined(separator: "\n"), to: "prices.csv")
        let models = folder.path + "/models"
        let training = try Daemon.run([
            "predict", "train", table, "--target", "price", "--features", "volume,tvl", "--out",
            models,
        ])
        #expect(training.status == 0, "\(training.error)")
        #expect(training.output.contains("skill"))

        func call(_ features: String) -> String {
            #"{"jsonrpc":"2.0","id":1,"method":"prediction_predict","params":[\#(features)]}"#
        }
        let whole = call(#"{"volume":0.3,"tvl":0.1}"#)
        let arguments = [
            "dev", "--port", "0", "--datadir", folder.path + "/data", "--set",
            "prediction.directory=\(models)",
        ]
        var answers: [String] = []
        for _ in 0..<2 {
            let daemon = try Daemon(arguments)
            answers.append(try daemon.connect().post(whole).text)
            // Nothing to go by is nothing to buy.
            let none = try daemon.connect().post(call("{}")).text
            #expect(none.contains(#""predicted_change":null,"confidence":null"#))
            #expect(none.contains(#""recommendation":"HOLD""#))
            #expect(none.contains(#""missing":["volume","tvl"]"#))
            #expect(daemon.stop() == 0)
        }
        #expect(answers[0] == answers[1])
        #expect(answers[0].contains(#""recommendation":"BUY""#))
        #expect(answers[0].contains(#""missing":[]"#))

        let without = try Daemon(["dev", "--port", "0"])
        #expect(try without.connect().post(whole).text.contains("there is no model"))
        #expect(without.stop() == 0)
    }

    @Test func `a backtest of a short chain says what it lacks`() throws {
        let folder = try TemporaryFolder()
        let data = folder.path + "/data"
        let daemon = try Daemon(["dev", "--port", "0", "--datadir", data])
        let connection = try daemon.connect()
        _ = try connection.call("hardhat_mine", #"["0x20"]"#)
        #expect(daemon.stop() == 0)
        let short = try Daemon.run(["predict", "backtest", "--datadir", data])
        #expect(short.status == 65)
        #expect(short.error.contains("rows to learn from"), "\(short.error)")
    }
}
