// What the plugin keeps, and the layout of every key and value.
//
// Numbers in keys are big-endian. `~` is the complement: the largest first. Values are varints (seven
// bits a byte, the low ones first) unless a length is given; amounts are a count of bytes and the
// bytes, without leading zeros.
//
//   table           key                                              value
//   ──────────────  ───────────────────────────────────────────────  ────────────────────────────────
//   addresses       address[20]                                      `AddressRecord`
//   pages           address[20] ‖ list[1] ‖ place of the first       entries of a `PagedList`
//   peers           address[20] ‖ peer[20]                           `PeerTotals`, or empty
//   peer_ranks      address[20] ‖ ~rank[2] ‖ peer[20]                empty; ranks of the peer's count so far
//   contracts       address[20] ‖ block[8] ‖ call[4]                 `Deployment`
//   deployments     creator[20] ‖ block[8] ‖ call[4]                 contract address[20]
//   transfers       block[8] ‖ page[4]                               sixteen `TokenTransfer`
//   tokens          token[20]                                        `TokenTotals`
//   holdings        holder[20] ‖ token[20] ‖ id[32] of ERC-1155      `Holding`
//   holder_ranks    token[20] ‖ ~rank[2] ‖ holder[20] ‖ id[32]       empty; rank of the balance
//   network_hours   hour[4]                                          `NetworkTotals`
//   network_days    day[4]                                           `NetworkTotals`
//   wealth_ranks    ~rank[2] ‖ address[20]                           empty; `Rank.wealth` of the balance
//   wealth          rank[2]                                          count, sum of that rank
//   movements       block[8] ‖ transaction[4]                        `InnerMovement`s, in their order
//
// A write costs about as much for one byte as for a hundred, so the record of an address holds all
// that changes whenever something happens to it: its sums, the last entries of its lists, and its
// peers and holdings as long as they are few. Only what no longer fits is in the other tables:
//
//   list            place                          entries a page
//   ──────────────  ─────────────────────────────  ──────────────
//   appearances     block[8] ‖ transaction[4]      16
//   payments        block[8]                       16               outside of transactions
//   transfers       block[8] ‖ log[4] ‖ item[4]    16
//   hours           hour[4]                        8                what it did in each
//
// A page is written once, when it is full. Payments are a list of their own: a coinbase has one in
// every block, and its transactions are found without reading these. The peers of an address (the
// holdings alike) leave its record for good when there are more than four. What two addresses had to
// do with each other is in the record of each that has few peers, and needs no reading there. In
// `peers` it stands if neither record has it, and from sixteen interactions on, because who lists the
// most of them reads many; before that the entry of a peer is empty. A peer with a single interaction
// has no rank: such peers stand in `peers` by address as they should. A higher rank is added and the
// lower ones stay: in the order of the ranks a peer comes first where it belongs.
//
// `movements` has what block and receipts do not tell: value that moved inside of transactions.
//
// `hour` and `day` count from 1970, UTC. A rank is the logarithm of a number in
// steps of an eighth octave (`Rank`; of small balances a whole one): who has more never has a lower one,
// and there is something to write only when a number has grown by a tenth.

import PluginAPI
import Primitives

/// The tables of the plugin.
enum Table {
    static let addresses = PluginTable(0, "addresses", .point)
    static let pages = PluginTable(1, "pages", .ordered)
    static let peers = PluginTable(2, "peers", .point)
    static let peerRanks = PluginTable(3, "peer_ranks", .ordered)
    static let contracts = PluginTable(4, "contracts", .ordered)
    static let deployments = PluginTable(5, "deployments", .ordered)
    static let transfers = PluginTable(6, "transfers", .ordered)
    static let tokens = PluginTable(7, "tokens", .point)
    static let holdings = PluginTable(8, "holdings", .point)
    static let holderRanks = PluginTable(9, "holder_ranks", .ordered)
    static let networkHours = PluginTable(10, "network_hours", .point)
    static let networkDays = PluginTable(11, "network_days", .point)
    static let wealthRanks = PluginTable(12, "wealth_ranks", .ordered)
    static let wealth = PluginTable(13, "wealth", .point)
    static let movements = PluginTable(14, "movements", .point)

    static let all = [
        addresses, pages, peers, peerRanks, contracts, deployments, transfers, tokens, holdings,
        holderRanks, networkHours, networkDays, wealthRanks, wealth, movements,
    ]
}

/// The logarithm of a number in steps of an eighth octave.
enum Rank {
    /// 0 for zero; 1 to 8 for 1 to 8; then eight ranks an octave, up to 2^256.
    static func of(_ number: UInt256) -> UInt16 {
        if let small = number.asUInt64, small < 9 { return UInt16(small) }
        let octave = number.bitWidth - 1
        let fraction = (number >> (octave - 3)).l0 & 7
        return UInt16(octave - 2) * 8 + UInt16(fraction)
    }

    /// The rank of a balance among all: an octave up to 2^60 wei, which is about an ether, as
    /// most accounts have less, are never among the richest, and would move with each payment.
    static func wealth(_ balance: Wei) -> UInt16 {
        balance.bitWidth <= 60 ? UInt16(balance.bitWidth) : of(balance)
    }

    /// The least number of a rank.
    static func least(_ rank: UInt16) -> UInt256 {
        if rank < 9 { return UInt256(UInt64(rank)) }
        let octave = UInt64(rank / 8) + 2
        return UInt256(8 + UInt64(rank % 8)) << (octave - 3)
    }
}
