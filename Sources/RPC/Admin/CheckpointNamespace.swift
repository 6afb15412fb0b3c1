import Chain
import Foundation
import Primitives

/// The folder that copies of the chain may be made in while the node runs.
///
/// Callers name a copy and never a path, so they can reach nothing else on the disk.
public struct CheckpointFolder: Sendable {
    /// Copies in the folder at most. Each keeps tables that the chain itself no longer needs.
    static let largestCount = 100
    /// Characters of a name at most.
    static let longestName = 64

    /// The path of the folder; made with the first copy.
    public let path: String

    /// The folder at a path.
    public init(path: String) {
        self.path = path
    }

    /// The path of a copy that is to be made.
    func path(of name: String) throws(RPCError) -> String {
        let isName =
            (1...Self.longestName).contains(name.utf8.count) && name.first != "."
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
                    UInt8(ascii: "."):
                    true
                default: false
                }
            }
        guard isName else {
            throw .invalidParams(
                "a checkpoint is named by up to \(Self.longestName) letters, digits, '-', '_' and "
                    + "'.', and does not begin with '.'")
        }
        let files = FileManager.default
        do {
            try files.createDirectory(
                atPath: path, withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700])
            guard try files.contentsOfDirectory(atPath: path).count < Self.largestCount else {
                throw RPCError.server("there are \(Self.largestCount) checkpoints; remove some")
            }
        } catch let error as RPCError {
            throw error
        } catch {
            throw .server("the checkpoint folder cannot be used")
        }
        let copy = path + "/" + name
        guard !files.fileExists(atPath: copy) else {
            throw .server("checkpoint \(name) exists already")
        }
        return copy
    }
}

/// Copies of the chain while the node runs. There only where the operator named a folder for them.
struct CheckpointNamespace: Sendable {
    let services: RPCServices
    let folder: CheckpointFolder

    var methods: [RPCMethod] {
        [
            RPCMethod(
                "admin_checkpoint", ["name"],
                result: Schema.object(
                    "Checkpoint",
                    [
                        "name": Schema.text, "number": Schema.quantity, "hash": Schema.hash,
                        "stateRoot": Schema.hash, "genesisHash": Schema.hash,
                    ]), command: checkpoint)
        ]
    }

    /// Makes a copy of the database, complete or not there, that a node can be started on.
    ///
    /// - Parameter name: its name in the folder; `block-` and the head's number if left out.
    private func checkpoint(_: RPCContext, _ name: String?) async throws -> JSONValue {
        let name = name ?? "block-\(services.blockchain.head.number)"
        let head = try await services.blockchain.checkpoint(to: try folder.path(of: name))
        return [
            "name": .string(name),
            "number": .string(UInt256(head.number).hexQuantity),
            "hash": .string(head.hash.description),
            "stateRoot": .string(head.header.stateRoot.description),
            "genesisHash": .string(services.blockchain.genesisHash.description),
        ]
    }
}
