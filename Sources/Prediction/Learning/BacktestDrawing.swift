import Foundation

/// Draws what forecasts were worth: the skill of each with its interval, and the coverage below.
public struct BacktestDrawing: Sendable {
    /// One forecast.
    public struct Row: Sendable {
        let name: String
        let skill: Double
        let skillRange: ClosedRange<Double>?
        /// `nil` if it has no interval.
        let coverage: Double?
    }

    private let title: String
    private let rows: [Row]

    private static let left = 60.0
    private static let step = 90.0
    private static let panel = 180.0
    private static let top = (skill: 55.0, coverage: 285.0)

    /// A drawing of some forecasts.
    public init(title: String, rows: [Row]) {
        self.title = title
        self.rows = rows
    }

    private var width: Double { Self.left + Self.step * Double(rows.count) + 20 }

    /// The drawing as SVG.
    public var svg: String {
        var parts = [
            """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Int(width)) 480" font-family="sans-serif" font-size="12">
            <rect width="100%" height="100%" fill="white"/>
            <text x="10" y="20" font-size="14">\(title)</text>
            <text x="10" y="45">Skill over the best rule (bar: 95 % interval)</text>
            <text x="10" y="275">Coverage of the 80 % intervals (line: 0.80)</text>
            """
        ]
        for value in [-0.2, -0.1, 0, 0.1, 0.2, 0.3] {
            parts += grid(place(skill: value), value, isMain: value == 0)
        }
        for value in [0.5, 0.6, 0.7, 0.8, 0.9, 1] {
            parts += grid(place(coverage: value), value, isMain: value == 0.8)
        }
        for (index, row) in rows.enumerated() {
            let x = Self.left + Self.step * (Double(index) + 0.5)
            if let range = row.skillRange {
                parts.append(
                    line(
                        x, place(skill: range.lowerBound), x, place(skill: range.upperBound),
                        "#336699", 3))
            }
            parts.append(dot(x, place(skill: row.skill)))
            if let coverage = row.coverage { parts.append(dot(x, place(coverage: coverage))) }
            for y in [250.0, 475] { parts.append(label(x - 30, y, row.name)) }
        }
        return parts.joined(separator: "\n") + "\n</svg>\n"
    }

    /// From −0.2 to 0.3.
    private func place(skill: Double) -> Double {
        Self.top.skill + Self.panel * (0.3 - min(max(skill, -0.2), 0.3)) / 0.5
    }

    /// From 0.5 to 1.
    private func place(coverage: Double) -> Double {
        Self.top.coverage + Self.panel * (1 - min(max(coverage, 0.5), 1)) / 0.5
    }

    private func grid(_ y: Double, _ value: Double, isMain: Bool) -> [String] {
        [
            line(Self.left, y, width - 10, y, isMain ? "black" : "#ddd"),
            label(10, y + 4, String(format: "%.1f", value)),
        ]
    }

    private func line(
        _ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ colour: String, _ width: Int = 1
    ) -> String {
        #"<line x1="\#(x1)" y1="\#(y1)" x2="\#(x2)" y2="\#(y2)" stroke="\#(colour)" stroke-width="\#(width)"/>"#
    }

    private func dot(_ x: Double, _ y: Double) -> String {
        ##"<circle cx="\##(x)" cy="\##(y)" r="4" fill="#336699"/>"##
    }

    private func label(_ x: Double, _ y: Double, _ text: String) -> String {
        #"<text x="\#(x)" y="\#(y)">\#(text)</text>"#
    }
}
