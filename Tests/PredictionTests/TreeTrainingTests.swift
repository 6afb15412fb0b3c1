import Foundation
import Prediction
import Testing

@Suite struct TreeTrainingTests {
    /// Two features, of which the first decides: a step of height 2 at zero.
    private let features: FeatureMatrix
    private let targets: [Float]

    init() {
        var random = Noise(seed: 5)
        var features = FeatureMatrix(columns: 2)
        var targets: [Float] = []
        for _ in 0..<2_000 {
            let row = [Float(random.normal()), Float(random.normal())]
            features.append(row)
            targets.append((row[0] < 0 ? 10 : 12) + 0.5 * Float(random.normal()))
        }
        self.features = features
        self.targets = targets
    }

    @Test func `the mean of each side of a step is found`() throws {
        let trees = try trainTrees(features, targets, loss: .mean, parameters: TreeParameters())
        #expect(abs(trees.predict([-1, 0]) - 10) < 0.2)
        #expect(abs(trees.predict([1, 0]) - 12) < 0.2)
        #expect(trees.splitCounts[0] > 0)
    }

    @Test(arguments: [0.1, 0.5, 0.9])
    func `a quantile lies above its share of the outcomes`(level: Double) throws {
        let trees = try trainTrees(
            features, targets, loss: .quantile(level), parameters: TreeParameters())
        let below = targets.indices.count { targets[$0] <= trees.predict(features[$0]) }
        #expect(abs(Double(below) / Double(targets.count) - level) < 0.03)
    }

    @Test func `the same data give the same trees`() throws {
        let first = try trainTrees(
            features, targets, loss: .quantile(0.9), parameters: TreeParameters())
        let second = try trainTrees(
            features, targets, loss: .quantile(0.9), parameters: TreeParameters())
        #expect(first == second)
    }

    @Test func `trees read back from JSON predict the same bits`() throws {
        let trees = try trainTrees(features, targets, loss: .mean, parameters: .forest)
        let read = try JSONDecoder().decode(
            TreeEnsemble.self, from: JSONEncoder().encode(trees))
        #expect(read == trees)
        for row in 0..<100 {
            let bits = trees.predict(features[row]).bitPattern
            #expect(read.predict(features[row]).bitPattern == bits)
        }
    }

    @Test func `a missing value takes the branch that served best`() throws {
        let trees = try trainTrees(features, targets, loss: .mean, parameters: TreeParameters())
        let prediction = trees.predict([.nan, 0])
        #expect((9.0...13.0).contains(prediction))
    }

    @Test func `what cannot be learned from is refused`() {
        #expect(throws: LearningError.constantTarget) {
            try trainTrees(
                features, [Float](repeating: 1, count: 2_000), loss: .mean,
                parameters: TreeParameters())
        }
        for value in [Float.infinity, .nan, 2e18, -2e18] {
            var broken = targets
            broken[7] = value
            #expect(throws: LearningError.invalidTarget(row: 7)) {
                try trainTrees(features, broken, loss: .mean, parameters: TreeParameters())
            }
        }
        #expect(throws: LearningError.tooFewRows(have: 10, need: 80)) {
            try trainTrees(
                features.rows(0..<10), Array(targets[..<10]), loss: .mean,
                parameters: TreeParameters())
        }
        #expect(throws: LearningError.cancelled) {
            try trainTrees(
                features, targets, loss: .mean, parameters: TreeParameters(),
                shouldContinue: { false })
        }
    }

    @Test(arguments: [
        #"{"base":0,"features":1,"roots":[5],"feature":[-1],"threshold":[0],"left":[0],"missingGoesLeft":[false]}"#,
        #"{"base":0,"features":1,"roots":[0],"feature":[0],"threshold":[0],"left":[0],"missingGoesLeft":[false]}"#,
        #"{"base":0,"features":1,"roots":[0],"feature":[3,-1,-1],"threshold":[0,0,0],"left":[1,0,0],"missingGoesLeft":[false,false,false]}"#,
        #"{"base":0,"features":1,"roots":[0],"feature":[0,-1],"threshold":[0,0],"left":[1,0],"missingGoesLeft":[false,false]}"#,
        #"{"base":0,"features":1,"roots":[0],"feature":[-1],"threshold":[],"left":[0],"missingGoesLeft":[false]}"#,
        // Two such leaves are more than a number can be.
        #"{"base":0,"features":1,"roots":[0],"feature":[-1],"threshold":[3e38],"left":[0],"missingGoesLeft":[false]}"#,
    ])
    func `trees that lead nowhere are refused`(text: String) {
        #expect(throws: LearningError.self) {
            try JSONDecoder().decode(TreeEnsemble.self, from: Data(text.utf8))
        }
    }
}

/// Numbers that look random and are the same in each run.
struct Noise {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 }

    mutating func uniform() -> Double {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Double(state >> 11) / 0x1p53
    }

    /// Box and Muller's transform.
    mutating func normal() -> Double {
        (-2 * log(1 - uniform())).squareRoot() * cos(2 * .pi * uniform())
    }
}
