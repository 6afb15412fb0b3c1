import Cryptography
import EVM
import EthereumTypes
import Primitives
import State
import TestSupport
import Testing

/// Calls, creations and the end of frames.
struct SystemTests {
    static let contract = TestMachine.contract
    static let callee = TestMachine.callee

    private func machine(
        _ fork: Fork, _ code: String, callee: Bytes, balance: Wei = 1000
    ) -> TestMachine {
        TestMachine(
            fork,
            [
                Self.contract: .init(nonce: 1, balance: balance, code: assemble(code)),
                Self.callee: .init(nonce: 1, code: callee),
            ])
    }

    private func word(_ result: MessageResult) -> UInt256? { UInt256(bigEndian: result.output) }

    @Test func `a call gets at most all but one 64th of the gas`() {
        // The callee returns its gas right at its start.
        let callee = returning("GAS")
        let code = "32 0 0 0 0 0xca11ee 1000000 CALL POP 32 0 RETURN"
        let after = machine(.london, code, callee: callee)
        let left = 100_000 - 7 * 3 - 2600 - 6  // memory of 32 bytes: 3
        let available = left + 3
        #expect(word(after.call(gas: 100_000)) == UInt256(available - available / 64 - 2))
        // Before EIP-150 asking for more than there is fails.
        let before = machine(.homestead, code, callee: callee)
        #expect(before.call(gas: 100_000).halt == .outOfGas)
    }

    @Test func `value comes with a stipend`() {
        let code = "32 0 0 0 1 0xca11ee 0 CALL POP 32 0 RETURN"
        #expect(word(machine(.london, code, callee: returning("GAS")).call()) == 2298)
    }

    @Test func `a failed call gives nothing back, a reverted one its gas and output`() {
        let failed = machine(
            .london, "0 0 0 0 0 0xca11ee 50000 CALL 0 MSTORE 32 0 RETURN", callee: [0xfe])
        let result = failed.call(gas: 100_000)
        #expect(word(result) == 0)
        #expect(result.gasLeft < 50_000)

        let reverted = machine(
            .london, "32 0 0 0 0 0xca11ee 50000 CALL POP 32 0 RETURN",
            callee: assemble("7 0 SSTORE 42 0 MSTORE 32 0 REVERT"))
        let second = reverted.call(gas: 100_000)
        #expect(word(second) == 42)
        #expect(second.gasLeft > 50_000)
        #expect(reverted.state.storage(Self.callee, 0) == 0)
    }

    @Test func `a call without the money fails but keeps its gas`() {
        let machine = machine(
            .london, "0 0 0 0 1001 0xca11ee 50000 CALL 0 MSTORE 32 0 RETURN", callee: [0])
        let result = machine.call(gas: 100_000)
        #expect(word(result) == 0)
        #expect(result.gasLeft > 100_000 - 15_000)
    }

    @Test func `calls nest 1024 deep and no deeper`() {
        // Calls itself with all gas and counts the calls that succeed.
        for decoding in [Decoding.never, .always] {
            let machine = machine(.homestead, "0", callee: [])
            machine.state.setCode(
                Self.contract, assemble("0 0 0 0 0 0xc0de 25000 GAS SUB CALL 0 SLOAD ADD 0 SSTORE"))
            machine.evm.decoding = decoding
            let result = machine.call(gas: 60_000_000)
            #expect(result.halt == nil)
            #expect(machine.state.storage(Self.contract, 0) == 1024)
        }
    }

    @Test(arguments: [
        "1 0 SSTORE", "0 0 LOG0", "0 0 0 CREATE", "0 0 0 0 CREATE2", "0 SELFDESTRUCT", "1 1 TSTORE",
        "0 0 0 0 1 0xca11ee 0 CALL",
    ])
    func `nothing is changed inside of a static call`(_ code: String) {
        for decoding in [Decoding.never, .always] {
            let machine = machine(
                .osaka, "0 0 0 0 0xca11ee 90000 STATICCALL 0 MSTORE 32 0 RETURN",
                callee: assemble(code))
            machine.evm.decoding = decoding
            let result = machine.call(gas: 200_000)
            #expect(word(result) == 0)
            #expect(result.gasLeft < 120_000, "All gas of the callee is gone.")
            let direct = machine.evm.processMessageCall(
                Message(
                    kind: .call, caller: TestMachine.sender, recipient: Self.callee,
                    codeAddress: Self.callee, value: .zero, data: [], gas: 100_000, isStatic: true),
                in: TransactionEnvironment(origin: TestMachine.sender, gasPrice: 1))
            #expect(direct.halt == .writeProtection)
        }
    }

    @Test func `delegate calls keep caller, value and storage`() {
        let callee = assemble("CALLER 0 SSTORE CALLVALUE 1 SSTORE ADDRESS 2 SSTORE")
        let machine = machine(.london, "0 0 0 0 0xca11ee 100000 DELEGATECALL", callee: callee)
        _ = machine.call(value: 5)
        #expect(machine.state.storage(Self.contract, 0) == TestMachine.sender.uint256)
        #expect(machine.state.storage(Self.contract, 1) == 5)
        #expect(machine.state.storage(Self.contract, 2) == Self.contract.uint256)
    }

    @Test func `return data is bounded and goes away with the next call`() {
        let callee = assemble("3 0 RETURN")
        let call = "0 0 0 0 0 0xca11ee 50000 CALL POP "
        let inside = machine(.london, call + "3 0 0 RETURNDATACOPY", callee: callee)
        #expect(inside.call().halt == nil)
        let outside = machine(.london, call + "3 1 0 RETURNDATACOPY", callee: callee)
        #expect(outside.call().halt == .returnDataOutOfBounds)
        let next = machine(
            .london, call + "0 0 0 0 0 0xbeef 0 CALL POP RETURNDATASIZE 0 MSTORE 32 0 RETURN",
            callee: callee)
        #expect(word(next.call()) == 0)
    }

    // MARK: Creation

    /// Puts initialisation code into memory and creates from it.
    private func creation(of initCode: String, _ instruction: String = "0 CREATE") -> String {
        let code = assemble(initCode)
        precondition(code.count <= 32)
        let word = UInt256(bigEndian: code + Bytes(repeating: 0, count: 32 - code.count)) ?? .zero
        let operands =
            instruction == "0 CREATE" ? "\(code.count) 0 0 CREATE" : "7 \(code.count) 0 0 CREATE2"
        return "\(word.hexQuantity) 0 MSTORE \(operands) 0 MSTORE 32 0 RETURN"
    }

    @Test func `a created contract has its address, code and nonce`() {
        // Returns one byte of code: 0x5b.
        let initCode = "0x5b 0 MSTORE8 1 0 RETURN"
        for (fork, nonce) in [(Fork.homestead, 0 as Nonce), (.spuriousDragon, 1)] {
            let machine = machine(fork, creation(of: initCode), callee: [])
            let address = contractAddress(creator: Self.contract, nonce: 1)
            #expect(word(machine.call()) == address.uint256)
            #expect(machine.state.code(address) == [0x5b])
            #expect(machine.state.nonce(address) == nonce)
            #expect(machine.state.nonce(Self.contract) == 2)
        }
        let machine = machine(.osaka, creation(of: initCode, "CREATE2"), callee: [])
        let address = contractAddress(
            creator: Self.contract, salt: Hash256(7 as UInt256),
            initCodeHash: keccak256(assemble(initCode)))
        #expect(word(machine.call()) == address.uint256)
        #expect(machine.state.code(address) == [0x5b])
    }

    @Test func `addresses are those of EIP-1014 and of mainnet`() {
        #expect(
            contractAddress(
                creator: .zero, salt: .zero, initCodeHash: keccak256([0] as Bytes)
            ).description == "0x4d1a2e2bb4f88f0250f26ffff098b0b30b26bf38")
        let creator = Address(hex: "0x6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0") ?? .zero
        #expect(
            contractAddress(creator: creator, nonce: 0).description
                == "0xcd234a471b72ba2f1ccf0a70fcaba648a5eecd8d")
    }

    @Test func `an occupied address cannot be used`() {
        let address = contractAddress(creator: Self.contract, nonce: 1)
        for occupant in [
            FixedState.Entry(nonce: 1), .init(code: [0]), .init(storage: [1: 1]),
        ] {
            let machine = TestMachine(
                .osaka,
                [
                    Self.contract: .init(
                        nonce: 1, code: assemble(creation(of: "0 0 RETURN"))),
                    address: occupant,
                ])
            let result = machine.call(gas: 100_000)
            #expect(word(result) == 0)
            #expect(result.gasLeft < 2000, "The gas of the creation is gone.")
            #expect(machine.state.nonce(Self.contract) == 2)
            let direct = machine.evm.processMessageCall(
                .create(
                    from: TestMachine.sender, at: address, value: .zero, initCode: [], gas: 1000),
                in: TransactionEnvironment(origin: TestMachine.sender, gasPrice: 1))
            #expect(direct == MessageResult(halt: .addressCollision, gasLeft: 0, output: []))
        }
    }

    private func create(_ fork: Fork, _ initCode: Bytes, gas: Gas) -> (MessageResult, Bytes) {
        let machine = TestMachine(fork, [:])
        let address = contractAddress(creator: TestMachine.sender, nonce: 0)
        let result = machine.evm.processMessageCall(
            .create(
                from: TestMachine.sender, at: address, value: .zero, initCode: initCode, gas: gas),
            in: TransactionEnvironment(origin: TestMachine.sender, gasPrice: 1))
        return (result, machine.state.code(address))
    }

    @Test func `what cannot be stored is empty in Frontier and fails afterwards`() {
        let initCode = assemble("10 0 RETURN")
        let cost: Gas = 6 + 3 + 2000
        #expect(create(.frontier, initCode, gas: cost - 1).0.halt == nil)
        #expect(create(.frontier, initCode, gas: cost - 1).1 == [])
        #expect(create(.homestead, initCode, gas: cost - 1).0.halt == .codeStoreOutOfGas)
        #expect(create(.homestead, initCode, gas: cost).1.count == 10)
    }

    @Test func `code has a greatest size and a reserved first byte`() {
        let atLimit = assemble("24576 0 RETURN")
        let above = assemble("24577 0 RETURN")
        #expect(create(.spuriousDragon, atLimit, gas: 10_000_000).0.halt == nil)
        #expect(create(.spuriousDragon, above, gas: 10_000_000).0.halt == .codeTooLarge)
        #expect(create(.tangerineWhistle, above, gas: 10_000_000).0.halt == nil)
        let reserved = assemble("0xef 0 MSTORE8 1 0 RETURN")
        #expect(create(.berlin, reserved, gas: 100_000).0.halt == nil)
        #expect(create(.london, reserved, gas: 100_000).0.halt == .invalidCodePrefix)
    }

    @Test func `initialisation code has a greatest size from Shanghai on`() {
        for (fork, size, halt) in [
            (Fork.paris, 49153, nil as Halt?), (.shanghai, 49152, nil),
            (.shanghai, 49153, .initCodeTooLarge),
        ] {
            let machine = TestMachine(fork, code: assemble("\(size) 0 0 CREATE"))
            #expect(machine.call(gas: 10_000_000).halt == halt)
        }
    }

    // MARK: SELFDESTRUCT

    @Test func `self-destruction deletes the account until Cancun`() {
        for (fork, isDeleted) in [(Fork.shanghai, true), (.cancun, false)] {
            let machine = TestMachine(fork, code: assemble("0xbeef SELFDESTRUCT"))
            _ = machine.call()
            machine.state.finishTransaction(emptyAccounts: .deleteTouched)
            #expect(machine.state.exists(Self.contract) == !isDeleted)
            #expect(machine.state.balance(Self.contract) == 0)
            #expect(machine.state.balance(Address(lowBytesOf: 0xbeef as UInt256)) == 1000)
        }
    }

    @Test func `since Cancun what the transaction has created is still deleted`() {
        // The initialisation code destroys its own account, in favour of itself.
        let machine = machine(.cancun, creation(of: "ADDRESS SELFDESTRUCT"), callee: [])
        let address = contractAddress(creator: Self.contract, nonce: 1)
        machine.state.setBalance(address, 77)
        #expect(word(machine.call()) == address.uint256)
        machine.state.finishTransaction(emptyAccounts: .deleteTouched)
        #expect(!machine.state.exists(address))
        #expect(machine.state.balance(address) == 0)
    }

    @Test func `the refund for self-destruction ends with London`() {
        for (fork, refund) in [(Fork.frontier, 24000), (.berlin, 24000), (.london, 0)] {
            let machine = TestMachine(fork, code: assemble("0xbeef SELFDESTRUCT"))
            _ = machine.call()
            #expect(machine.state.refund == refund)
        }
    }

    // MARK: Delegations

    @Test func `a delegation runs the delegate's code on the account, from Prague on`() {
        let delegation: Bytes = [0xef, 0x01, 0x00] + Self.callee.bytes
        for (fork, runs) in [(Fork.cancun, false), (.prague, true)] {
            let authority = Address(lowBytesOf: 0xa07 as UInt256)
            let machine = TestMachine(
                fork,
                [
                    Self.contract: .init(
                        nonce: 1, code: assemble("0 0 0 0 0 0xa07 100000 CALL 0 MSTORE 32 0 RETURN")
                    ),
                    Self.callee: .init(nonce: 1, code: assemble("ADDRESS 0 SSTORE")),
                    authority: .init(nonce: 1, code: delegation),
                ])
            #expect(word(machine.call()) == (runs ? 1 : 0))
            #expect(machine.state.storage(authority, 0) == (runs ? authority.uint256 : 0))
            #expect(machine.state.code(authority) == delegation)
        }
    }

    @Test func `a delegation costs the access of the delegate`() {
        let authority = Address(lowBytesOf: 0xa07 as UInt256)
        for (delegate, cost) in [
            (Address(lowBytesOf: 0xbeef as UInt256), 21 + 2600 + 2600 as Gas),
            (Self.contract, 21 + 2600 + 100),  // Warm; it runs without gas and fails.
            (Address(w0: 0, w1: 0, w2: 4), 21 + 2600 + 100),  // A precompile: empty code.
        ] {
            let machine = TestMachine(
                .prague,
                [
                    Self.contract: .init(nonce: 1, code: assemble("0 0 0 0 0 0xa07 0 CALL")),
                    authority: .init(nonce: 1, code: [0xef, 0x01, 0x00] + delegate.bytes),
                ])
            #expect(100_000 - machine.call(gas: 100_000).gasLeft == cost)
        }
    }
}
