public import EthereumTypes
public import Primitives

extension Genesis {
    /// The genesis of a devnet: one fork's rules from the first block on, funded accounts, and the
    /// contracts that a chain of that fork is expected to have. `genesis/dev.json` is the same for
    /// the default accounts, as a file.
    ///
    /// - Parameters:
    ///   - config: the chain's forks and id.
    ///   - timestamp: in seconds.
    ///   - balances: who is funded, with how much, in wei.
    ///   - baseFee: of the genesis block; used from London on.
    ///   - gasLimit: of the genesis block.
    public static func devnet(
        config: ChainConfig, timestamp: Timestamp, balances: [Address: Wei], baseFee: Wei,
        gasLimit: Gas
    ) -> Genesis {
        var alloc: [Address: GenesisAccount] = [:]
        let fork = config.fork(number: 0, timestamp: timestamp, isPostMerge: true)
        for contract in PredeployedContract.all where contract.fork <= fork {
            guard let address = Address(hex: contract.address),
                let code = Hex.decode(contract.code)
            else { preconditionFailure("the predeployed contracts are well-formed hex") }
            alloc[address] = GenesisAccount(balance: .zero, nonce: 1, code: code, storage: [:])
        }
        for (address, balance) in balances { alloc[address] = GenesisAccount(balance: balance) }
        return Genesis(
            config: config, timestamp: timestamp, gasLimit: gasLimit, difficulty: .zero,
            alloc: alloc, baseFeePerGas: fork >= .london ? baseFee : nil)
    }
}
