public import Cryptography
public import Primitives

/// The accounts that a devnet funds and signs for, derived from a mnemonic (BIP-39, BIP-32).
public struct DevAccounts: Sendable {
    /// One account.
    public struct Account: Sendable {
        /// Its address.
        public let address: Address
        /// Its key.
        public let key: PrivateKey
    }

    /// The mnemonic that devnets have in common.
    public static let defaultMnemonic =
        "test test test test test test test test test test test junk"
    /// Ethereum's path, up to the account's index.
    public static let defaultDerivationPath = "m/44'/60'/0'/0/"

    /// The phrase.
    public let mnemonic: String
    /// The path, up to the account's index; ends in a slash.
    public let derivationPath: String
    /// The accounts in order.
    public let accounts: [Account]

    /// Whether there are none.
    public var isEmpty: Bool { accounts.isEmpty }

    /// Derives the accounts 0 to `count` - 1.
    ///
    /// - Throws: `StartupError` for a phrase whose words or checksum are wrong, or a bad path.
    public init(mnemonic: String, derivationPath: String, count: Int) throws(StartupError) {
        let path = derivationPath.hasSuffix("/") ? derivationPath : derivationPath + "/"
        let seed: Bytes
        do throws(MnemonicError) {
            seed = try Mnemonic.seed(mnemonic, passphrase: "")
        } catch {
            throw StartupError(.configuration, "--mnemonic: \(error)")
        }
        var accounts: [Account] = []
        for index in 0..<count {
            do throws(HDKeyError) {
                guard let key = try HDKey(seed: seed)?.derive(path: path + String(index)) else {
                    throw HDKeyError.unusableIndex(UInt32(index))
                }
                accounts.append(Account(address: key.address, key: key))
            } catch {
                throw StartupError(
                    .configuration, "--derivation-path: '\(derivationPath)': \(error)")
            }
        }
        self.mnemonic = mnemonic
        self.derivationPath = path
        self.accounts = accounts
    }
}
