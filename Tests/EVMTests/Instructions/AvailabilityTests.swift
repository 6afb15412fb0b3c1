import EVM
import EthereumTypes
import Primitives
import Testing

/// Which instructions there are in which fork.
struct AvailabilityTests {
    @Test(arguments: [
        (Opcode.delegatecall, Fork.homestead), (.revert, .byzantium),
        (.returndatasize, .byzantium), (.returndatacopy, .byzantium), (.staticcall, .byzantium),
        (.shl, .constantinople), (.shr, .constantinople), (.sar, .constantinople),
        (.create2, .constantinople), (.extcodehash, .constantinople), (.chainid, .istanbul),
        (.selfbalance, .istanbul), (.basefee, .london), (.push0, .shanghai), (.tload, .cancun),
        (.tstore, .cancun), (.mcopy, .cancun), (.blobhash, .cancun), (.blobbasefee, .cancun),
        (.clz, .osaka),
    ])
    func `an instruction exists from its fork on`(_ opcode: Opcode, _ first: Fork) {
        for fork in Fork.allCases {
            let code = Bytes(repeating: Opcode.msize.rawValue, count: 7) + [opcode.rawValue]
            for decoding in [Decoding.never, .always] {
                let machine = TestMachine(fork, code: code)
                machine.evm.decoding = decoding
                let halt = machine.call().halt
                if fork < first {
                    #expect(halt == .invalidOpcode(opcode.rawValue), "\(fork)")
                } else {
                    #expect(halt == (opcode == .revert ? .reverted : nil), "\(fork)")
                }
            }
        }
    }

    @Test func `what no fork defines fails, and takes all gas`() {
        for opcode in Opcode.allCases where opcode.name == nil || opcode == .invalid {
            for decoding in [Decoding.never, .always] {
                let machine = TestMachine(.osaka, code: [opcode.rawValue])
                machine.evm.decoding = decoding
                let result = machine.call()
                #expect(result.halt == .invalidOpcode(opcode.rawValue))
                #expect(result.gasLeft == 0)
            }
        }
    }

    @Test func `every defined instruction checks its operands and its room`() {
        let schedule = GasSchedule.of(.osaka)
        for opcode in Opcode.allCases {
            let info = schedule.pointee.instructions[Int(opcode.rawValue)]
            guard info.isDefined else { continue }
            let operands = Int(info.minHeight) / 32
            for decoding in [Decoding.never, .always] {
                if operands > 0 {
                    let code =
                        Bytes(
                            repeating: Opcode.msize.rawValue, count: operands - 1) + [
                            opcode.rawValue
                        ]
                    let machine = TestMachine(.osaka, code: code)
                    machine.evm.decoding = decoding
                    #expect(machine.call().halt?.isStackUnderflow == true, "\(opcode)")
                }
                if Int(info.maxHeight) / 32 < 1024 {
                    let code =
                        Bytes(repeating: Opcode.msize.rawValue, count: 1024)
                        + [opcode.rawValue] + Bytes(repeating: 0, count: opcode.immediateSize)
                    let machine = TestMachine(.osaka, code: code)
                    machine.evm.decoding = decoding
                    #expect(machine.call().halt?.isStackOverflow == true, "\(opcode)")
                }
            }
        }
    }
}

extension Halt {
    fileprivate var isStackUnderflow: Bool {
        if case .stackUnderflow(let have, let needed) = self { have < needed } else { false }
    }

    fileprivate var isStackOverflow: Bool {
        if case .stackOverflow(let have, let limit) = self { have > limit } else { false }
    }
}
