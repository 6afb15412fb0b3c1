//  Accounts that run the code of others: EIP-7702.

import EthereumTypes
import Primitives
import State

/// The code of a delegation: `0xef0100 ‖ address`.
private let delegationPrefix: Bytes = [0xef, 0x01, 0x00]

/// The address that `code` delegates to; nil if it is no delegation: EELS `is_valid_delegation` and
/// `get_delegated_code_address`.
func delegate(in code: Bytes) -> Address? {
    guard code.count == 23, code.starts(with: delegationPrefix) else { return nil }
    return Address(code.dropFirst(3))
}

/// Sets one delegation of a transaction, or skips it if it is not valid: the loop's body of EELS
/// `set_delegation`, with its steps.
func setDelegation(_ authorization: Authorization, chainId: UInt64, state: JournaledState) {
    // 1. Signed for this chain, or for all.
    guard authorization.chainId.isZero || authorization.chainId == UInt256(chainId) else { return }
    // 2. The nonce can be incremented.
    guard authorization.nonce < .max else { return }
    // 3. The signature is valid.
    guard let authority = authorization.authority() else { return }
    // 4. The authority becomes warm, whatever follows.
    _ = state.warm(authority)
    // 5. It has no code but a delegation.
    let code = state.code(authority)
    guard code.isEmpty || delegate(in: code) != nil else { return }
    // 6. The nonce is the authority's.
    guard state.nonce(authority) == authorization.nonce else { return }
    // 7. An account that exists was charged too much.
    if state.exists(authority) {
        state.addRefund(
            Int(TransactionGas.authorization - TransactionGas.authorizationOfExisting))
    }
    // 8. The zero address takes a delegation back.
    state.setCode(
        authority,
        authorization.address == .zero ? [] : delegationPrefix + authorization.address.bytes)
    // 9. The authorization cannot be used again.
    state.setNonce(authority, authorization.nonce + 1)
}
