import Execution
import SpecRunner
import Testing

@Suite struct RefusalTests {
    @Test func `names of both generations stand for the same refusal`() {
        let refusal = Refusal.transaction(.nonceTooLow(account: 1, transaction: 0))
        #expect(refusal.satisfies("TR_NonceTooLow"))
        #expect(refusal.satisfies("TransactionException.NONCE_MISMATCH_TOO_LOW"))
        #expect(!refusal.satisfies("TransactionException.NONCE_MISMATCH_TOO_HIGH"))
    }

    @Test func `one of several names suffices`() {
        let refusal = Refusal.transaction(.intrinsicGasTooLow(have: 0, want: 1))
        let names =
            "TransactionException.INSUFFICIENT_ACCOUNT_FUNDS"
            + "|TransactionException.INTRINSIC_GAS_TOO_LOW"
        #expect(refusal.satisfies(names))
    }

    @Test func `a transaction's fault is the block's`() {
        let refusal = Refusal.block(.transaction(index: 3, .noBlobs))
        #expect(refusal.satisfies("TransactionException.TYPE_3_TX_ZERO_BLOBS"))
    }

    @Test func `a node that fails refuses nothing, not even where no reason is expected`() {
        #expect(Refusal.unknownParent.isExpected(by: nil))
        #expect(Refusal.unknownParent.isExpected(by: "UnknownParent"))
        #expect(!Refusal.unknownParent.isExpected(by: "InvalidTimestamp"))
        #expect(!Refusal.failed("the disk").isExpected(by: nil))
        #expect(!Refusal.failed("the disk").isExpected(by: "UnknownParent"))
    }

    @Test func `an unknown name is satisfied by nothing`() {
        #expect(!Refusal.unknownParent.satisfies("SomethingElse"))
        #expect(!Refusal.undecodable("").satisfies(""))
    }
}
