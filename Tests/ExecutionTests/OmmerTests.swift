import EthereumTypes
import Execution
import Primitives
import Testing

/// Which blocks beside the chain a block may name. Block 10, on nine blocks, names some.
@Suite struct OmmerTests {
    private let config: ChainConfig
    /// The genesis block and the nine after it.
    private let chain: [Header]

    init() {
        var config = ChainConfig.single(.berlin, chainId: 1)
        config.setActivation(of: .paris, to: .totalDifficulty(.max))
        self.config = config
        var chain = [
            Header(
                parentHash: .zero, coinbase: .zero, stateRoot: .zero, difficulty: 200_000,
                number: 0, gasLimit: 30_000_000, timestamp: 0)
        ]
        for index in 0..<9 { chain.append(Self.child(of: chain[index])) }
        self.chain = chain
    }

    /// A valid child; one with another mark is another.
    private static func child(of parent: Header, mark: UInt8 = 0) -> Header {
        Header(
            parentHash: parent.hash(), coinbase: .zero, stateRoot: .zero,
            difficulty: calculateBlockDifficulty(
                number: parent.number + 1, timestamp: parent.timestamp + 13,
                parentTimestamp: parent.timestamp, parentDifficulty: parent.difficulty,
                parentHasOmmers: false, at: .berlin),
            number: parent.number + 1, gasLimit: parent.gasLimit, timestamp: parent.timestamp + 13,
            extraData: [mark])
    }

    /// A block beside the chain's.
    private func sibling(at number: Int, mark: UInt8 = 1) -> Header {
        Self.child(of: chain[number - 1], mark: mark)
    }

    /// Why block 10 may not name these.
    ///
    /// - Parameter earlier: what block 8 has named.
    private func refusal(of ommers: [Header], earlier: [Header] = []) -> InvalidBlock? {
        var header = Self.child(of: chain[9])
        header.ommersHash = ommersHash(of: ommers)
        return refusal(of: Block(header: header, ommers: ommers), earlier: earlier)
    }

    private func refusal(of block: Block, earlier: [Header] = []) -> InvalidBlock? {
        let parent = ParentBlock(
            header: chain[9], state: InMemoryState(accounts: [:]),
            ancestors: chain.reversed().map {
                Ancestor(header: $0, ommers: $0.number == 8 ? earlier : [])
            }
        ) { _ in .zero }
        do throws(BlockExecutionError) {
            // Seals are looked at when all else of the headers is found right.
            _ = try executeBlock(
                block, senders: [], on: parent, config: config, isSealed: { _ in false })
        } catch {
            if case .invalid(let reason) = error { return reason == .seal ? nil : reason }
        }
        Issue.record("neither refused nor asked for its seal")
        return nil
    }

    @Test func `blocks beside the last six may be named, two at most`() {
        for number in 4...9 { #expect(refusal(of: [sibling(at: number)]) == nil) }
        let three = [sibling(at: 9), sibling(at: 8), sibling(at: 7)]
        #expect(refusal(of: Array(three.prefix(2))) == nil)
        #expect(refusal(of: three) == .tooManyOmmers(3))
    }

    @Test func `an ommer is of the last six blocks' time`() {
        #expect(
            refusal(of: [sibling(at: 9), sibling(at: 3)])
                == .ommer(index: 1, .parentNotAncestor))
        let stranger = Self.child(of: sibling(at: 8))
        #expect(refusal(of: [stranger]) == .ommer(index: 0, .parentNotAncestor))
    }

    @Test func `an ommer is named once`() {
        let ommer = sibling(at: 7)
        #expect(refusal(of: [ommer, ommer]) == .ommer(index: 1, .duplicate))
        #expect(refusal(of: [ommer], earlier: [ommer]) == .ommer(index: 0, .duplicate))
        #expect(refusal(of: [ommer], earlier: [sibling(at: 7, mark: 2)]) == nil)
    }

    @Test func `an ommer is no ancestor, and no child of the block's parent`() {
        #expect(refusal(of: [chain[9]]) == .ommer(index: 0, .isAncestor))
        #expect(refusal(of: [chain[5]]) == .ommer(index: 0, .isAncestor))
        #expect(refusal(of: [sibling(at: 10)]) == .ommer(index: 0, .isSibling))
    }

    /// Without difficulty it would need no work, and be paid for like one that has done it.
    @Test func `an ommer without difficulty is refused`() {
        var ommer = sibling(at: 9)
        let difficulty = ommer.difficulty
        ommer.difficulty = .zero
        #expect(
            refusal(of: [ommer])
                == .ommer(index: 0, .header(.difficulty(have: .zero, want: difficulty))))
        // Dressed as a block after the merge, with London's fields.
        ommer.gasLimit *= 2
        ommer.baseFeePerGas = BaseFee.initial
        #expect(refusal(of: [ommer]) == .ommer(index: 0, .header(.headerField(.baseFeePerGas))))
    }

    @Test func `the header of an ommer is checked like any other`() {
        func refusal(_ change: (inout Header) -> Void) -> InvalidBlock? {
            var ommer = sibling(at: 9)
            change(&ommer)
            return self.refusal(of: [ommer])
        }
        let parent = chain[8]
        #expect(
            refusal { $0.difficulty = 131_073 }
                == .ommer(
                    index: 0,
                    .header(.difficulty(have: 131_073, want: sibling(at: 9).difficulty))))
        #expect(
            refusal { $0.timestamp = parent.timestamp }
                == .ommer(
                    index: 0,
                    .header(.timestamp(have: parent.timestamp, parent: parent.timestamp))))
        #expect(
            refusal { $0.number = 10 } == .ommer(index: 0, .header(.number(have: 10, want: 9))))
        #expect(
            refusal { $0.gasLimit = 1 }
                == .ommer(index: 0, .header(.gasLimit(have: 1, parent: parent.gasLimit))))
        #expect(
            refusal { $0.gasUsed = $0.gasLimit + 1 }
                == .ommer(
                    index: 0,
                    .header(
                        .gasUsedAboveLimit(
                            gasUsed: parent.gasLimit + 1, gasLimit: parent.gasLimit))))
    }

    @Test func `the header names the ommers`() {
        let ommer = sibling(at: 9)
        let block = Block(header: Self.child(of: chain[9]), ommers: [ommer])
        #expect(
            refusal(of: block)
                == .ommersHash(have: .emptyOmmers, want: ommersHash(of: [ommer])))
    }
}
