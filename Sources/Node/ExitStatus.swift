/// What the process's exit status says, by the numbers of `sysexits.h`, so that scripts and
/// systemd can tell what to do: a wrong configuration needs a person, a taken port a moment.
public enum ExitStatus: Int32, Sendable {
    /// Flags or arguments that the command does not understand (ArgumentParser's own).
    case usage = 64
    /// A file that was read holds wrong data: genesis, database.
    case data = 65
    /// A file that should be there is not.
    case noInput = 66
    /// Something outside is in the way: the port is taken.
    case unavailable = 69
    /// A defect of Apus.
    case software = 70
    /// Reading or writing failed: full disk, broken device.
    case io = 74
    /// Another process holds the data directory; trying later may work.
    case temporary = 75
    /// The configuration is wrong, or does not fit the data directory.
    case configuration = 78
}

/// An error for the person who started the process: what is wrong, where, and what to do.
public struct StartupError: Error, CustomStringConvertible, Sendable {
    /// The status with which the process ends.
    public let status: ExitStatus
    /// One line for a person.
    public let description: String

    /// - Parameters:
    ///   - status: the exit status.
    ///   - description: what is wrong, where, and what to do about it.
    public init(_ status: ExitStatus, _ description: String) {
        self.status = status
        self.description = description
    }
}
