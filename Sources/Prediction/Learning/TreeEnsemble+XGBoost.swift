import Foundation

extension TreeEnsemble {
    /// Reads the trees of an XGBoost model in its JSON form (version 1.7).
    ///
    /// - Throws: `malformedModel` if the text is no such model.
    init(xgboost text: [UInt8], features: Int) throws(LearningError) {
        let model: XGBoostModel
        do {
            model = try JSONDecoder().decode(XGBoostModel.self, from: Data(text))
        } catch {
            throw .malformedModel("\(error)")
        }
        guard let base = Float(model.learner.parameters.base_score) else {
            throw .malformedModel("the base score is no number")
        }
        var trees: [[Node]] = []
        for tree in model.learner.booster.model.trees { trees.append(try tree.nodes()) }
        try self.init(base: base, features: features, trees: trees)
    }
}

/// The part of XGBoost's model schema that holds the trees.
private struct XGBoostModel: Decodable {
    struct Learner: Decodable {
        let booster: Booster
        let parameters: Parameters

        enum CodingKeys: String, CodingKey {
            case booster = "gradient_booster"
            case parameters = "learner_model_param"
        }
    }

    struct Parameters: Decodable {
        // The library's name.
        let base_score: String  // swift-format-ignore: AlwaysUseLowerCamelCase
    }

    struct Booster: Decodable {
        let model: Model
    }

    struct Model: Decodable {
        let trees: [Tree]
    }

    struct Tree: Decodable {
        let left: [Int]
        let right: [Int]
        let features: [Int]
        let conditions: [Float]
        let defaultLeft: [Int]

        enum CodingKeys: String, CodingKey {
            case left = "left_children"
            case right = "right_children"
            case features = "split_indices"
            case conditions = "split_conditions"
            case defaultLeft = "default_left"
        }

        func nodes() throws(LearningError) -> [TreeEnsemble.Node] {
            let count = left.count
            guard right.count == count, features.count == count, conditions.count == count,
                defaultLeft.count == count
            else { throw .malformedModel("the arrays of a tree differ in length") }
            return left.indices.map { index in
                TreeEnsemble.Node(
                    feature: features[index], threshold: conditions[index], left: left[index],
                    right: right[index], missingGoesLeft: defaultLeft[index] != 0)
            }
        }
    }

    let learner: Learner
}
