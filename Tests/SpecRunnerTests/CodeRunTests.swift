import EVM
import EthereumTypes
import Execution
import Primitives
import SpecRunner
import Testing

@Suite struct CodeRunTests {
    /// MSTORE(0, 2 + 3), RETURN(0, 32).
    private static let five: Bytes = [
        0x60, 0x02, 0x60, 0x03, 0x01, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3,
    ]

    @Test func `code is run at the receiver's address`() {
        var run = CodeRun(fork: .osaka)
        run.code = Self.five
        let result = run.execute()
        #expect(result.output == UInt256(5).bigEndianBytes)
        #expect(result.halt == nil)
        #expect(result.gasUsed == 22)
        #expect(result.state.accounts[run.receiver]?.code == Self.five)
    }

    @Test func `sender and receiver have geth's addresses`() {
        let run = CodeRun(fork: .osaka)
        #expect(run.sender.description == "0x000000000000000000000000000073656e646572")
        #expect(run.receiver.description == "0x0000000000000000000000007265636569766572")
    }

    @Test func `initialisation code makes a contract`() {
        var run = CodeRun(fork: .osaka)
        run.action = .create
        // CODECOPY(0, 8, 1), RETURN(0, 1): the byte after it.
        run.code = [0x60, 0x01, 0x80, 0x60, 0x0a, 0x5f, 0x39, 0x5f, 0xf3, 0x00]
        run.input = [0x5b]
        let result = run.execute()
        #expect(result.output == [0x5b])
        let address = contractAddress(creator: run.sender, nonce: 0)
        #expect(result.state.accounts[address]?.code == [0x5b])
    }

    @Test func `value must be there`() {
        var run = CodeRun(fork: .osaka)
        run.value = 1
        #expect(run.execute().halt == .insufficientBalance)
        run.accounts[run.sender] = GenesisAccount(balance: 1)
        #expect(run.execute().halt == nil)
    }

    @Test func `the prestate is a genesis file or its accounts`() throws {
        let accounts: JSONValue = [
            "0x00000000000000000000000000000000000000aa": ["balance": "0x7", "code": "0x00"]
        ]
        let address = Address(lowBytesOf: 0xaa)
        var run = CodeRun(fork: .berlin)
        try run.setPrestate(accounts)
        #expect(run.accounts[address]?.balance == 7)
        #expect(run.fork == .berlin)

        try run.setPrestate([
            "alloc": accounts, "timestamp": "0x9", "difficulty": "0x0",
            "config": [
                "chainId": .number("5"), "terminalTotalDifficulty": .number("0"),
                "shanghaiTime": .number("0"),
            ],
        ])
        #expect(run.accounts[address]?.code == [0])
        #expect(run.block.timestamp == 9)
        #expect(run.chainId == 5)
        #expect(run.fork == .shanghai)
    }

    @Test func `each measured run starts from the same state`() {
        var run = CodeRun(fork: .osaka)
        // SSTORE(0, SLOAD(0) + 1), and the code fails from the second time on.
        run.code = [0x5f, 0x54, 0x60, 0x01, 0x01, 0x5f, 0x55, 0x00]
        #expect(run.measure(runs: 5).count == 5)
        #expect(run.execute().state.accounts[run.receiver]?.storage == [0: 1])
    }

    @Test func `a dump has the root and the accounts`() throws {
        var run = CodeRun(fork: .osaka)
        run.code = Self.five
        let dump = try JSONValue(parsing: run.execute().dump)
        #expect(dump["root"]?.stringValue == run.execute().state.stateRoot().description)
        #expect(
            dump["accounts"]?[run.receiver.description]?["code"]?.stringValue
                == Hex.encode(Self.five))
    }
}
