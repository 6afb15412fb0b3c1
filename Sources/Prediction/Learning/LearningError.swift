/// Why a model could not be trained, read or asked.
public enum LearningError: Error, Sendable, Hashable, CustomStringConvertible {
    /// There are fewer cases than the least that gives a model.
    case tooFewRows(have: Int, need: Int)
    /// The targets do not vary: there is nothing to learn.
    case constantTarget
    /// A target is not a number, or too large to reckon with.
    case invalidTarget(row: Int)
    /// A model file does not hold together.
    case malformedModel(String)
    /// The training library refused.
    case library(String)
    /// Someone wanted the training to end.
    case cancelled
}

extension LearningError {
    /// One sentence for a person.
    public var description: String {
        switch self {
        case .tooFewRows(let have, let need):
            "there are \(have) rows to learn from, and it takes at least \(need)"
        case .constantTarget: "the target never changes: there is nothing to learn"
        case .invalidTarget(let row): "the target of row \(row + 1) is not a number, or too large"
        case .malformedModel(let reason): "the model does not hold together: \(reason)"
        case .library(let reason): "the training library says: \(reason)"
        case .cancelled: "the training was ended"
        }
    }
}
