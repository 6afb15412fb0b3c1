import Foundation

extension FeeBacktest {
    /// The figures for a terminal.
    public var table: String {
        var lines = [
            "blocks \(testedFrom) to \(testedTo); errors are of the fee's logarithm",
            "  ahead  best rule      rule    model   skill   95 % interval    bounded"
                + "  pinball    raw   cover   worst   width     heard",
        ]
        for row in rows {
            let cells = [
                pad("\(row.horizon)", 7), "  " + row.bestBaseline.rawValue.padded(to: 12),
                pad(row.baselineError, 4, 8), pad(row.modelError, 4, 8), pad(row.skill, 3, 8),
                "  [" + pad(row.skillLow, 3, 6) + ", " + pad(row.skillHigh, 3, 6) + "]",
                pad(row.skillOverBounded, 3, 9), pad(row.pinballSkill, 3, 9),
                pad(row.rawCoverage, 3, 7), pad(row.coverage, 3, 8), pad(row.worstCoverage, 2, 8),
                pad(row.width, 3, 8), pad(row.modelShare * 100, 0, 8) + " %",
            ]
            lines.append(cells.joined())
        }
        return lines.joined(separator: "\n")
    }

    /// The skill with its interval and the coverage of each horizon, as SVG.
    public var drawing: String {
        let left = 60.0
        let step = 90.0
        let width = left + step * Double(rows.count) + 20
        func y(_ share: Double, _ top: Double) -> Double { top + 180 * (1 - share) }
        var parts = [
            """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Int(width)) 480" font-family="sans-serif" font-size="12">
            <rect width="100%" height="100%" fill="white"/>
            <text x="10" y="20" font-size="14">Base-fee forecasts, blocks \(testedFrom) to \(testedTo)</text>
            <text x="10" y="45">Skill over the best rule (bar: 95 % interval)</text>
            <text x="10" y="275">Coverage of the 80 % intervals (line: 0.80)</text>
            """
        ]
        // Skill from −0.2 to 0.3; coverage from 0.5 to 1.
        for value in [-0.2, -0.1, 0, 0.1, 0.2, 0.3] {
            let place = y((value + 0.2) / 0.5, 55)
            parts.append(line(left, place, width - 10, place, value == 0 ? "black" : "#ddd"))
            parts.append(label(10, place + 4, String(format: "%.1f", value)))
        }
        for value in [0.5, 0.6, 0.7, 0.8, 0.9, 1] {
            let place = y((value - 0.5) / 0.5, 285)
            parts.append(line(left, place, width - 10, place, value == 0.8 ? "black" : "#ddd"))
            parts.append(label(10, place + 4, String(format: "%.1f", value)))
        }
        for (index, row) in rows.enumerated() {
            let x = left + step * (Double(index) + 0.5)
            func skill(_ value: Double) -> Double {
                y((min(max(value, -0.2), 0.3) + 0.2) / 0.5, 55)
            }
            if let low = row.skillLow, let high = row.skillHigh {
                parts.append(line(x, skill(low), x, skill(high), "#336699", 3))
            }
            parts.append(dot(x, skill(row.skill)))
            parts.append(dot(x, y((min(max(row.coverage, 0.5), 1) - 0.5) / 0.5, 285)))
            parts.append(label(x - 12, 250, "h=\(row.horizon)"))
            parts.append(label(x - 12, 475, "h=\(row.horizon)"))
        }
        return parts.joined(separator: "\n") + "\n</svg>\n"
    }

    private func pad(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }

    private func pad(_ value: Double?, _ digits: Int, _ width: Int) -> String {
        pad(value.map { String(format: "%.\(digits)f", $0) } ?? "-", width)
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

extension String {
    fileprivate func padded(to width: Int) -> String {
        self + String(repeating: " ", count: Swift.max(0, width - count))
    }
}
