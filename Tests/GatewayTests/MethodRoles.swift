/// Which role each method of JSON-RPC is for, said once more and by hand: a method that is not here has
/// a role that nobody has thought about, and a test fails.
enum MethodRoles {
    static let byName: [String: String] = {
        var roles: [String: String] = [:]
        for (role, names) in [("reader", reader), ("writer", writer), ("admin", admin)] {
            for name in names.split(whereSeparator: \.isWhitespace) { roles[String(name)] = role }
        }
        return roles
    }()

    /// What reads, and changes nothing for anybody else.
    private static let reader = """
        analytics_getAddress analytics_getAppearances analytics_getCounterparties
        analytics_getDeployments analytics_getHolders analytics_getNetwork
        analytics_getTokenTransfers analytics_getTokens apus_getBlocks apus_getEvents
        apus_getSeal apus_plugins apus_subscribe apus_unsubscribe erigon_getHeaderByNumber
        eth_accounts eth_baseFee eth_blobBaseFee eth_blockNumber eth_call eth_callMany
        eth_capabilities eth_chainId eth_coinbase eth_config eth_createAccessList
        eth_estimateGas eth_feeHistory eth_fillTransaction eth_gasPrice eth_getAccount
        eth_getAccountInfo eth_getBalance eth_getBlockAccessList eth_getBlockByHash
        eth_getBlockByNumber eth_getBlockReceipts eth_getBlockTransactionCountByHash
        eth_getBlockTransactionCountByNumber eth_getCode eth_getFilterChanges
        eth_getFilterLogs eth_getHeaderByHash eth_getHeaderByNumber eth_getLogs
        eth_getProof eth_getRawTransactionByBlockHashAndIndex
        eth_getRawTransactionByBlockNumberAndIndex eth_getRawTransactionByHash
        eth_getStorageAt eth_getStorageValues eth_getTransactionByBlockHashAndIndex
        eth_getTransactionByBlockNumberAndIndex eth_getTransactionByHash
        eth_getTransactionBySenderAndNonce eth_getTransactionCount
        eth_getTransactionReceipt eth_getUncleByBlockHashAndIndex
        eth_getUncleByBlockNumberAndIndex eth_getUncleCountByBlockHash
        eth_getUncleCountByBlockNumber eth_hashrate eth_maxPriorityFeePerGas eth_mining
        eth_newBlockFilter eth_newFilter eth_newPendingTransactionFilter
        eth_pendingTransactions eth_protocolVersion eth_simulateV1 eth_subscribe
        eth_syncing eth_uninstallFilter eth_unsubscribe net_listening net_peerCount
        net_version ots_getApiLevel ots_getBlockDetails ots_getBlockDetailsByHash
        ots_getBlockTransactions ots_getContractCreator ots_getInternalOperations
        ots_getTransactionBySenderAndNonce ots_getTransactionError ots_hasCode
        ots_searchTransactionsAfter ots_searchTransactionsBefore ots_traceTransaction
        personal_ecRecover prediction_activity prediction_feeWait prediction_fees
        prediction_inclusion prediction_predict rpc_discover rpc_modules txpool_content
        txpool_contentFrom txpool_inspect txpool_status web3_clientVersion web3_sha3
        """

    /// What sends, and what signs with a key of the node.
    private static let writer = """
        eth_resend eth_sendRawTransaction eth_sendRawTransactionConditional
        eth_sendRawTransactionSync eth_sendTransaction eth_sendTransactionSync eth_sign
        eth_signTransaction eth_signTypedData_v4 personal_sign
        """

    /// What traces, cheats, is about the node, or takes more than its namespace promises.
    private static let admin = """
        admin_addPeer admin_clearTxpool admin_datadir admin_nodeInfo admin_peers
        anvil_addBalance anvil_autoImpersonateAccount anvil_dealERC20
        anvil_dropAllTransactions anvil_dropTransaction anvil_dumpState anvil_getAutomine
        anvil_getGenesisTime anvil_getIntervalMining anvil_impersonateAccount
        anvil_loadState anvil_metadata anvil_mine anvil_mine_detailed anvil_nodeInfo
        anvil_removeBlockTimestampInterval anvil_removePoolTransactions anvil_reorg
        anvil_reset anvil_rollback anvil_setAutomine anvil_setBalance
        anvil_setBlockGasLimit anvil_setBlockTimestampInterval anvil_setCode
        anvil_setCoinbase anvil_setERC20Allowance anvil_setERC20Balance
        anvil_setIntervalMining anvil_setLoggingEnabled anvil_setMinGasPrice
        anvil_setNextBlockBaseFeePerGas anvil_setNextBlockPrevRandao anvil_setNonce
        anvil_setRpcUrl anvil_setStorageAt anvil_stopImpersonatingAccount debug_accountAt
        debug_accountRange debug_chainConfig debug_clearTxpool debug_codeByHash
        debug_dbGet debug_dumpBlock debug_getAccessibleState debug_getBadBlocks
        debug_getModifiedAccountsByHash debug_getModifiedAccountsByNumber
        debug_getRawBlock debug_getRawHeader debug_getRawReceipts debug_getRawTransaction
        debug_getRawTransactions debug_intermediateRoots debug_memStats debug_preimage
        debug_setHead debug_storageRangeAt debug_subscribe debug_traceBadBlock
        debug_traceBlock debug_traceBlockByHash debug_traceBlockByNumber debug_traceCall
        debug_traceCallMany debug_traceTransaction debug_unsubscribe
        eth_sendUnsignedTransaction evm_increaseTime evm_mine evm_revert evm_setAutomine
        evm_setNextBlockTimestamp evm_setTime evm_snapshot hardhat_addBalance
        hardhat_autoImpersonateAccount hardhat_dealERC20 hardhat_dropAllTransactions
        hardhat_dropTransaction hardhat_impersonateAccount hardhat_mine
        hardhat_removePoolTransactions hardhat_reset hardhat_setBalance hardhat_setCode
        hardhat_setCoinbase hardhat_setERC20Allowance hardhat_setERC20Balance
        hardhat_setLoggingEnabled hardhat_setMinGasPrice hardhat_setNextBlockBaseFeePerGas
        hardhat_setNonce hardhat_setPrevRandao hardhat_stopImpersonatingAccount
        miner_setEtherbase miner_setExtra miner_setGasLimit miner_start miner_stop
        testing_buildBlockV1 trace_block trace_blockOpcodeGas trace_call trace_callMany
        trace_filter trace_get trace_rawTransaction trace_replayBlockTransactions
        trace_replayTransaction trace_transaction trace_transactionOpcodeGas
        """
}
