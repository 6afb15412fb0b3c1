import PluginAPI
import Primitives
import Storage

/// The peers of an address, wherever they stand.
extension PluginView {
    /// Peers in no order, up to a limit.
    func peers(of address: Address, limit: Int) throws -> [Address: PeerTotals] {
        guard let record = try record(of: address) else { return [:] }
        var peers: [Address: PeerTotals] = [:]
        guard record.hasManyPeers else {
            for peer in record.peers.prefix(limit) { peers[peer.address] = peer.totals }
            return peers
        }
        try forEach(Table.peers, prefix: KeyBuilder.address(address)) { key, value in
            let peer = try Self.peer(key[20...])
            peers[peer] = try totals(of: peer, with: address, value)
            return peers.count < limit
        }
        return peers
    }

    /// The peers with the most interactions, the ones with equally many by address. Exact: who has
    /// more never stands in a lower rank, and the last rank that is looked at is read to its end.
    func topPeers(
        of address: Address, limit: Int
    ) throws -> [(peer: Address, totals: PeerTotals)] {
        guard let record = try record(of: address) else { return [] }
        var found: [(peer: Address, totals: PeerTotals)] =
            record.hasManyPeers
            ? try ranked(address, of: record.peerCount, limit: limit)
            : record.peers.filter { $0.totals.interactions > 0 }.map { ($0.address, $0.totals) }
        if record.hasManyPeers, found.count < limit {
            // All that have a rank were found. The others have one interaction each, and stand in
            // the order of their addresses; of the peers in between no more have a rank than those.
            let known = Set(found.map(\.peer))
            try forEach(Table.peers, prefix: KeyBuilder.address(address)) { key, value in
                let peer = try Self.peer(key[20...])
                guard !known.contains(peer) else { return true }
                let totals = try totals(of: peer, with: address, value)
                if totals.interactions > 0 { found.append((peer, totals)) }
                return found.count < limit
            }
        }
        found.sort {
            ($1.totals.interactions, $0.peer) < ($0.totals.interactions, $1.peer)
        }
        return Array(found.prefix(limit))
    }

    /// Those that have a rank.
    private func ranked(
        _ address: Address, of count: UInt64, limit: Int
    ) throws -> [(peer: Address, totals: PeerTotals)] {
        var found: [Address] = []
        var known: Set<Address> = []
        var rank: UInt16?
        try forEach(Table.peerRanks, prefix: KeyBuilder.address(address)) { key, _ in
            let current = ~(UInt16(key[20]) << 8 | UInt16(key[21]))
            if current != rank, found.count >= limit { return false }
            // Of the ranks below sixteen each is one number: the first addresses are the ones.
            if current < 16, found.count >= limit { return false }
            rank = current
            // The highest rank of a peer is the one that it has; the others are of before.
            let peer = try Self.peer(key[22...])
            if known.insert(peer).inserted { found.append(peer) }
            return true
        }
        return try totals(of: found, with: address, of: count)
    }

    /// What an address had to do with some of its peers.
    private func totals(
        of peers: [Address], with address: Address, of count: UInt64
    ) throws -> [(peer: Address, totals: PeerTotals)] {
        var found: [(peer: Address, totals: PeerTotals)] = []
        found.reserveCapacity(peers.count)
        // To go through all in order takes a tenth of the time that as many searches do.
        if UInt64(peers.count) * 8 > count {
            let wanted = Set(peers)
            try forEach(Table.peers, prefix: KeyBuilder.address(address)) { key, value in
                let peer = try Self.peer(key[20...])
                if wanted.contains(peer) {
                    found.append((peer, try totals(of: peer, with: address, value)))
                }
                return true
            }
        } else {
            for peer in peers {
                let key = Indexing.peerKey(address, peer)
                guard let value = try value(Table.peers, key) else { break }
                found.append((peer, try totals(of: peer, with: address, value)))
            }
        }
        guard found.count == peers.count else {
            throw StorageError.corrupted("a peer in the analytics' tables")
        }
        return found
    }

    /// What the table of peers says of one: nothing if that has few peers itself, so that its record
    /// knows.
    private func totals(
        of peer: Address, with address: Address, _ value: Bytes
    ) throws -> PeerTotals {
        guard value.isEmpty else { return try PeerTotals(decoding: value) }
        let known = try record(of: peer)?.peers.first { $0.address == address }
        guard let known else { throw StorageError.corrupted("a peer in the analytics' tables") }
        return known.totals.reversed
    }

    private static func peer(_ bytes: ArraySlice<UInt8>) throws(StorageError) -> Address {
        guard let peer = Address(bytes) else {
            throw .corrupted("a peer in the analytics' tables")
        }
        return peer
    }
}
