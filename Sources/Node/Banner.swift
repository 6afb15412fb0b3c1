import Cryptography
import EthereumTypes
import Foundation
import Primitives

/// What a devnet prints on standard output at its start, in anvil's form: programs parse it.
struct Banner {
    let accounts: DevAccounts
    let balance: Wei
    let chainId: UInt64
    let genesis: Header
    let isQuiet: Bool

    /// The lines before the last.
    func lines() -> [String] {
        guard !isQuiet else { return [] }
        var lines = ["", "apus \(apusVersion)", ""]
        func section(_ title: String, _ body: [String]) {
            lines += [title, "==================", ""] + body + [""]
        }
        if !accounts.isEmpty {
            let ether = Self.ether(balance)
            section(
                "Available Accounts",
                accounts.accounts.enumerated().map {
                    "(\($0)) \($1.address.checksummed) (\(ether) ETH)"
                })
            section(
                "Private Keys",
                accounts.accounts.enumerated().map { "(\($0)) \(Hex.encode($1.key.bytes))" })
            section(
                "Wallet",
                [
                    "Mnemonic:          \(accounts.mnemonic)",
                    "Derivation path:   \(accounts.derivationPath)",
                ])
        }
        section("Chain ID", [String(chainId)])
        if let baseFee = genesis.baseFeePerGas { section("Base Fee", [baseFee.description]) }
        section("Gas Limit", [String(genesis.gasLimit)])
        section("Genesis Timestamp", [String(genesis.timestamp)])
        section("Genesis Number", [String(genesis.number)])
        return lines
    }

    /// The same facts for `--config-out`, with the names and decimal texts that anvil uses.
    func configuration() -> Bytes {
        let value: JSONValue = [
            "available_accounts": .array(
                accounts.accounts.map { .string($0.address.checksummed) }),
            "private_keys": .array(
                accounts.accounts.map { .string(Hex.encode($0.key.bytes)) }),
            "wallet": [
                "derivation_path": .string(accounts.derivationPath),
                "mnemonic": .string(accounts.mnemonic),
            ],
            "base_fee": .string((genesis.baseFeePerGas ?? .zero).description),
            "gas_limit": .string(String(genesis.gasLimit)),
            "gas_price": .string((genesis.baseFeePerGas ?? .zero).description),
            "genesis_timestamp": .string(String(genesis.timestamp)),
        ]
        return value.encoded()
    }

    /// Wei as ether with all eighteen decimals.
    private static func ether(_ wei: Wei) -> String {
        let digits = wei.description
        let padded = String(repeating: "0", count: max(0, 19 - digits.count)) + digits
        return padded.dropLast(18) + "." + padded.suffix(18)
    }
}
