import Primitives

/// A message to a subscriber, in geth's form.
enum RPCNotification {
    /// - Parameters:
    ///   - namespace: of the method that subscribed.
    ///   - result: the JSON text of what is told.
    static func encode(_ namespace: String, _ id: String, _ result: Bytes) -> Bytes {
        var writer = JSONWriter(capacity: result.count + 128)
        writer.object { writer in
            writer.key("jsonrpc")
            writer.string("2.0")
            writer.key("method")
            writer.string(namespace + "_subscription")
            writer.key("params")
            writer.object { writer in
                writer.key("subscription")
                writer.string(id)
                writer.key("result")
                writer.raw(result)
            }
        }
        return writer.bytes
    }
}
