import Foundation
import Hummingbird
import Logging

/// A Hummingbird server with one route that answers a constant: what the library allows on this
/// machine, beside which the gateway is measured.
///
///     apus-bench hummingbird BODY
func bareServer(_ body: String) async throws {
    let router = Router()
    let answer = ByteBuffer(string: body)
    router.get("api/balance/{address}") { _, _ in
        Response(
            status: .ok, headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: answer))
    }
    var logger = Logger(label: "bare")
    logger.logLevel = .error
    let application = Application(
        router: router, configuration: .init(address: .hostname("127.0.0.1", port: 0)),
        onServerRunning: { channel in
            FileHandle.standardOutput.write(
                Data("hummingbird on \(channel.localAddress?.port ?? 0)\n".utf8))
        }, logger: logger)
    try await application.run()
}
