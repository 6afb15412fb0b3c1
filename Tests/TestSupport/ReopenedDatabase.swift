import Foundation
public import Storage

extension Database {
    /// Opens a database that a test had open a moment ago: its owner may still be letting go.
    public static func reopening(_ options: DatabaseOptions) throws -> Database {
        for _ in 0..<500 {
            do {
                return try Database(options)
            } catch StorageError.locked {
                Thread.sleep(forTimeInterval: 0.01)
            } catch StorageError.inputOutput {
                // Both clear away old logs.
                Thread.sleep(forTimeInterval: 0.01)
            }
        }
        return try Database(options)
    }
}
