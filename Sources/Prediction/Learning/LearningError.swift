/// Why a model could not be trained, read or asked.
public enum LearningError: Error, Sendable, Hashable {
    /// There are fewer cases than the least that gives a model.
    case tooFewRows(have: Int, need: Int)
    /// The targets do not vary: there is nothing to learn.
    case constantTarget
    /// A target is not a finite number.
    case invalidTarget(row: Int)
    /// A model file does not hold together.
    case malformedModel(String)
    /// The training library refused.
    case library(String)
    /// Someone wanted the training to end.
    case cancelled
}
