/// A sum of regression trees: what boosting and random forests leave behind.
///
/// The trees are four parallel arrays of nodes, so a prediction is a walk over flat memory that
/// needs no library: a node can forecast without the one that trained the model.
public struct TreeEnsemble: Sendable, Hashable, Codable {
    /// Added to the sum of the trees.
    public private(set) var base: Float
    /// How many values a row has.
    public let features: Int

    /// The first node of each tree.
    private var roots: [Int32]
    /// The feature that a node looks at; −1 is a leaf.
    private var feature: [Int32]
    /// Rows with a smaller value go left; of a leaf, its contribution.
    private var threshold: [Float]
    /// The left child; the right one follows it. 0 for a leaf.
    private var left: [Int32]
    /// Whether a missing value goes left.
    private var missingGoesLeft: [Bool]

    private enum CodingKeys: String, CodingKey {
        case base, features, roots, feature, threshold, left, missingGoesLeft
    }

    /// A tree as a list of nodes in any order, the root first.
    struct Node {
        var feature: Int
        var threshold: Float
        var left: Int
        var right: Int
        var missingGoesLeft: Bool

        var isLeaf: Bool { left < 0 }
    }

    /// An ensemble of trees, given as lists of nodes.
    ///
    /// - Throws: `malformedModel` if a child or a feature does not exist, or a tree is no tree.
    init(base: Float, features: Int, trees: [[Node]]) throws(LearningError) {
        self.base = base
        self.features = features
        roots = []
        feature = []
        threshold = []
        left = []
        missingGoesLeft = []
        for tree in trees {
            try append(tree)
        }
    }

    /// Reads an ensemble; one that does not hold together is refused.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        base = try container.decode(Float.self, forKey: .base)
        features = try container.decode(Int.self, forKey: .features)
        roots = try container.decode([Int32].self, forKey: .roots)
        feature = try container.decode([Int32].self, forKey: .feature)
        threshold = try container.decode([Float].self, forKey: .threshold)
        left = try container.decode([Int32].self, forKey: .left)
        missingGoesLeft = try container.decode([Bool].self, forKey: .missingGoesLeft)
        try check()
    }

    /// The prediction for a row of `features` values.
    public func predict(_ row: ArraySlice<Float>) -> Float {
        precondition(row.count == features, "A row has a value for each feature.")
        var sum = base
        let start = row.startIndex
        for root in roots {
            var node = Int(root)
            while feature[node] >= 0 {
                let value = row[start + Int(feature[node])]
                let goesLeft = value.isNaN ? missingGoesLeft[node] : value < threshold[node]
                node = Int(left[node]) + (goesLeft ? 0 : 1)
            }
            sum += threshold[node]
        }
        return sum
    }

    /// The prediction for a row.
    public func predict(_ row: [Float]) -> Float { predict(row[...]) }

    /// How many nodes look at each feature. Zero means that the model does not use it.
    public var splitCounts: [Int] {
        var counts = [Int](repeating: 0, count: features)
        for index in feature where index >= 0 { counts[Int(index)] += 1 }
        return counts
    }

    /// The same ensemble for targets that were `(target − shift) / scale` in training.
    func rescaled(by scale: Float, shift: Float) -> TreeEnsemble {
        var result = self
        result.base = base * scale + shift
        for index in threshold.indices where feature[index] < 0 {
            result.threshold[index] *= scale
        }
        return result
    }

    /// Lays the nodes of a tree out so that siblings stand side by side.
    private mutating func append(_ tree: [Node]) throws(LearningError) {
        guard !tree.isEmpty else { throw .malformedModel("a tree has no node") }
        let root = feature.count
        roots.append(Int32(root))
        appendEmpty(1)
        var waiting = [(source: 0, target: root)]
        var placed = 1
        while let (source, target) = waiting.popLast() {
            let node = tree[source]
            guard !node.isLeaf else {
                threshold[target] = node.threshold
                continue
            }
            placed += 2
            guard tree.indices.contains(node.left), tree.indices.contains(node.right),
                (0..<features).contains(node.feature), placed <= tree.count
            else { throw .malformedModel("a node of a tree leads nowhere") }
            let children = feature.count
            appendEmpty(2)
            feature[target] = Int32(node.feature)
            threshold[target] = node.threshold
            missingGoesLeft[target] = node.missingGoesLeft
            left[target] = Int32(children)
            waiting.append((node.left, children))
            waiting.append((node.right, children + 1))
        }
    }

    private mutating func appendEmpty(_ count: Int) {
        for _ in 0..<count {
            feature.append(-1)
            threshold.append(0)
            left.append(0)
            missingGoesLeft.append(false)
        }
    }

    /// Checks that a walk from any root stays inside and ends: children stand behind their parent.
    private func check() throws(LearningError) {
        let count = feature.count
        guard features > 0, threshold.count == count, left.count == count,
            missingGoesLeft.count == count, count < Int(Int32.max),
            roots.allSatisfy({ $0 >= 0 && Int($0) < count })
        else { throw .malformedModel("the parts of the trees differ in length") }
        for node in 0..<count where feature[node] != -1 {
            guard feature[node] >= 0, Int(feature[node]) < features, Int(left[node]) > node,
                Int(left[node]) + 1 < count
            else { throw .malformedModel("node \(node) leads nowhere") }
        }
        // A sum of so many leaves of such a size is a number, too.
        guard threshold.allSatisfy({ $0.magnitude <= 1e30 }), base.magnitude <= 1e30,
            roots.count <= 1_000_000
        else { throw .malformedModel("a value is not a number, or too large") }
    }
}
