public import Primitives

/// What a contract wrote to the log of its transaction: Yellow Paper 4.4.1.
public struct Log: Hashable, Sendable {
    /// The contract.
    public var address: Address
    /// Zero to four indexed words; by Solidity's custom the first is the event's hash.
    public var topics: [Hash256]
    /// What is not indexed.
    public var data: Bytes

    /// A log of these parts.
    public init(address: Address, topics: [Hash256], data: Bytes) {
        self.address = address
        self.topics = topics
        self.data = data
    }
}

extension RLPEncoder {
    /// Appends `[[address, [topic…], data]…]`.
    public mutating func append(_ logs: [Log]) {
        list { entries in
            for log in logs {
                entries.list { fields in
                    fields.append(log.address)
                    fields.list { topics in
                        for topic in log.topics { topics.append(topic) }
                    }
                    fields.append(log.data)
                }
            }
        }
    }
}

extension RLPDecoder {
    /// Reads a list of logs.
    public mutating func logs() throws(RLPError) -> [Log] {
        var entries = try list()
        var logs: [Log] = []
        while !entries.isAtEnd {
            var fields = try entries.list()
            let address = try fields.address()
            var topicItems = try fields.list()
            var topics: [Hash256] = []
            while !topicItems.isAtEnd { topics.append(try topicItems.hash()) }
            let data = Bytes(try fields.bytes())
            try fields.finish()
            logs.append(Log(address: address, topics: topics, data: data))
        }
        return logs
    }
}
