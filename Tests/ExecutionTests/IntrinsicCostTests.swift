import EthereumTypes
import Primitives
import Testing

import Execution

@Suite struct IntrinsicCostTests {
    private func transaction(
        to: Address? = .zero, data: Bytes = [], accessList: AccessList = [],
        authorizations: Int = 0
    ) -> Transaction {
        let authorization = Authorization(
            chainId: .zero, address: .zero, nonce: 0, yParity: 0, r: .one, s: .one)
        return Transaction(
            type: .legacy, chainId: nil, nonce: 0, maxPriorityFeePerGas: .zero,
            maxFeePerGas: .zero, gasLimit: 0, to: to, data: data, accessList: accessList,
            authorizationList: Array(repeating: authorization, count: authorizations))
    }

    @Test(arguments: [(Fork.frontier, 21_000 as Gas), (.homestead, 53_000), (.osaka, 53_000)])
    func `a creation costs more from Homestead on`(fork: Fork, cost: Gas) {
        #expect(calculateIntrinsicCost(transaction(to: nil), at: fork).intrinsic == cost)
    }

    @Test(arguments: [
        (Fork.frontier, 21_212 as Gas), (.constantinople, 21_212), (.istanbul, 21_056),
        (.prague, 21_056),
    ])
    func `data is cheaper from Istanbul on`(fork: Fork, cost: Gas) {
        let call = transaction(data: [0, 1, 0, 2, 3])
        #expect(calculateIntrinsicCost(call, at: fork).intrinsic == cost)
    }

    @Test(arguments: [(0, 0 as Gas), (1, 2), (32, 2), (33, 4)])
    func `creation code costs two gas a word from Shanghai on`(size: Int, cost: Gas) {
        let create = transaction(to: nil, data: Bytes(repeating: 0, count: size))
        let before = calculateIntrinsicCost(create, at: .paris).intrinsic
        #expect(calculateIntrinsicCost(create, at: .shanghai).intrinsic == before + cost)
    }

    @Test func `access lists and authorizations are paid for by entry`() {
        let list = [
            AccessListEntry(address: .zero, storageKeys: [.zero, .zero]),
            AccessListEntry(address: .zero, storageKeys: []),
        ]
        let call = transaction(accessList: list, authorizations: 2)
        let cost = calculateIntrinsicCost(call, at: .prague).intrinsic
        #expect(cost == 21_000 + 2 * 2_400 + 2 * 1_900 + 2 * 25_000)
    }

    @Test func `the floor counts ten gas a token from Prague on`() {
        let call = transaction(data: [0, 1, 0, 2, 3])
        #expect(calculateIntrinsicCost(call, at: .cancun).floor == 0)
        #expect(calculateIntrinsicCost(call, at: .prague).floor == 21_000 + 10 * (2 + 3 * 4))
    }
}
