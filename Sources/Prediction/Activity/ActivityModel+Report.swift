extension ActivityModel {
    /// What the walk forward measured, for a terminal.
    public var table: String {
        var lines = [
            "activity; errors are of square roots",
            "  forecast                 best rule               rule      model   skill"
                + "   95 % interval    pinball   cover   width   verdict",
        ]
        for part in parts {
            let record = part.record
            let cells = [
                "  " + TextTable.left(part.name, 25), TextTable.left(record.rule.rawValue, 20),
                TextTable.number(record.ruleError, 3, 9), TextTable.number(record.error, 3, 11),
                TextTable.number(record.skill, 3, 8),
                TextTable.interval(record.skillLow, record.skillHigh),
                TextTable.number(record.pinballSkill, 3, 9),
                TextTable.number(record.coverage, 3, 8), TextTable.number(record.width, 1, 8),
                "   " + (record.hasWon ? "skill" : "no skill"),
            ]
            lines.append(cells.joined())
        }
        return lines.joined(separator: "\n")
    }

    /// What a drawing shows.
    public var drawn: [BacktestDrawing.Row] {
        parts.map { part in
            BacktestDrawing.Row(
                name: part.name, skill: part.record.skill,
                skillRange: ClosedRange(part.record.skillLow, part.record.skillHigh),
                coverage: part.record.coverage)
        }
    }
}

extension ActivityModel.Part {
    /// Such as "gas, 10 blocks".
    public var name: String {
        let what = quantity == .gasUsed ? "gas" : "transactions"
        return switch scale {
        case .blocks: "\(what), \(horizon) blocks"
        case .tenMinutes: "\(what), hour"
        }
    }
}
