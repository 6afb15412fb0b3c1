import BlockProduction
import EthereumTypes
import Primitives

/// Blocks that the consensus client fetches to propose them.
extension EngineNamespace {
    var buildingMethods: [RPCMethod] {
        PayloadVersion.allCases.map { version in
            RPCMethod(
                "engine_getPayloadV\(version.rawValue)", ["payloadId"],
                execution: { (_: RPCContext, id: PayloadID) in try getPayload(id, version) })
        }
    }

    /// The best version of a block at this moment; it never waits for a better one.
    private func getPayload(_ id: PayloadID, _ version: PayloadVersion) throws -> PayloadResult {
        guard let job = state.job(id) else { throw RPCError.unknownPayload }
        guard version.forks.contains(job.fork) else {
            throw RPCError.unsupportedFork(
                "engine_getPayloadV\(version.rawValue) does not serve blocks of \(job.fork.name)")
        }
        return PayloadResult(proposal: job.fetch(), version: version)
    }
}

/// The versions of `engine_getPayload`.
enum PayloadVersion: Int, CaseIterable, Sendable {
    case one = 1
    case two, three, four, five

    /// The forks whose blocks a version serves.
    var forks: Set<Fork> {
        switch self {
        case .one: [.paris]
        case .two: [.paris, .shanghai]
        case .three: [.cancun]
        case .four: [.prague]
        case .five: [.osaka, .bpo1, .bpo2, .bpo3, .bpo4, .bpo5]
        }
    }
}

/// A block to propose, in the form of one version of `engine_getPayload`.
struct PayloadResult: RPCResult {
    let proposal: ProposedBlock
    let version: PayloadVersion

    func write(to writer: inout JSONWriter) {
        let payload = ExecutionPayloadResult(block: proposal.block)
        switch version {
        case .one: payload.write(to: &writer)
        case .two, .three, .four, .five:
            writer.object { writer in
                writer.key("executionPayload")
                payload.write(to: &writer)
                writer.key("blockValue")
                writer.hexQuantity(proposal.value)
                if version == .two { return }
                writer.key("blobsBundle")
                writeBlobs(to: &writer)
                if version != .three {
                    writer.key("executionRequests")
                    writer.hexList(proposal.requests)
                }
                writer.key("shouldOverrideBuilder")
                writer.bool(false)
            }
        }
    }

    private func writeBlobs(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("commitments")
            writer.hexList(proposal.sidecars.flatMap(\.commitments))
            writer.key("proofs")
            writer.hexList(proposal.sidecars.flatMap(\.proofs))
            writer.key("blobs")
            writer.hexList(proposal.sidecars.flatMap(\.blobs))
        }
    }

    static let schema: JSONValue = ["type": "object"]
}
