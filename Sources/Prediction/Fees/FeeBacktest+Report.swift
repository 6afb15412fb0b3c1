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
                TextTable.right("\(row.horizon)", 7),
                "  " + TextTable.left(row.bestBaseline.rawValue, 12),
                TextTable.number(row.baselineError, 4, 8), TextTable.number(row.modelError, 4, 8),
                TextTable.number(row.skill, 3, 8),
                TextTable.interval(row.skillLow, row.skillHigh),
                TextTable.number(row.skillOverBounded, 3, 9),
                TextTable.number(row.pinballSkill, 3, 9), TextTable.number(row.rawCoverage, 3, 7),
                TextTable.number(row.coverage, 3, 8), TextTable.number(row.worstCoverage, 2, 8),
                TextTable.number(row.width, 3, 8),
                TextTable.number(row.modelShare * 100, 0, 8) + " %",
            ]
            lines.append(cells.joined())
        }
        lines.append("")
        lines.append("probability that the fee falls")
        lines.append("     to  within  outcomes   skill   95 % interval   calibration error")
        for row in falls {
            let cells = [
                TextTable.number(row.share, 2, 7), TextTable.right("\(row.blocks)", 8),
                TextTable.right("\(row.outcomes)", 10), TextTable.number(row.skill, 3, 8),
                TextTable.interval(row.skillLow, row.skillHigh),
                TextTable.number(row.calibrationError, 3, 20),
            ]
            lines.append(cells.joined())
        }
        return lines.joined(separator: "\n")
    }

    /// What a drawing shows.
    public var drawn: [BacktestDrawing.Row] {
        rows.map { row in
            BacktestDrawing.Row(
                name: "fee, \(row.horizon)", skill: row.skill,
                skillRange: ClosedRange(row.skillLow, row.skillHigh), coverage: row.coverage)
        }
            + falls.map { row in
                BacktestDrawing.Row(
                    name: "to \(row.share) in \(row.blocks)", skill: row.skill,
                    skillRange: ClosedRange(row.skillLow, row.skillHigh), coverage: nil)
            }
    }
}

extension ClosedRange<Double> {
    /// A range of two ends; `nil` if one is missing.
    init?(_ low: Double?, _ high: Double?) {
        guard let low, let high, low <= high else { return nil }
        self = low...high
    }
}
