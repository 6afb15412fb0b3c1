/// The instructions of decoded code.
///
/// Some are those of byte code, others do the work of two to five: a push or copy together with what
/// consumes it, a comparison together with the jump that depends on it. `Decoder` chooses them.
///
/// 256 cases exactly, so that a `switch` needs no range check.
enum Operation: UInt8, BitwiseCopyable {
    case next, stop, leave, jump, jumpIf, jumpTo, jumpToIf, jumpToIfZero, jumpToIfLess
    case jumpToUnlessLess, jumpToIfGreater, jumpToUnlessGreater, jumpToIfSignedLess
    case jumpToUnlessSignedLess, jumpToIfSignedGreater, jumpToUnlessSignedGreater, jumpToIfEqual
    case jumpToUnlessEqual, jumpToIfCopiesLess, jumpToUnlessCopiesLess, jumpToIfCopiesSignedLess
    case jumpToUnlessCopiesSignedLess, jumpToIfCopiesEqual, jumpToUnlessCopiesEqual
    case jumpToIfCopyLessThanConstant, jumpToUnlessCopyLessThanConstant
    case jumpToIfCopyGreaterThanConstant, jumpToUnlessCopyGreaterThanConstant
    case jumpToIfCopyEqualConstant, jumpToUnlessCopyEqualConstant, jumpToIfCopy, jumpToUnlessCopy
    case `return`, revert, selfDestruct, add, addConstant, addCopy, addCopies, addConstantAndCopy
    case multiply, multiplyConstant, multiplyCopy, multiplyCopies, multiplyConstantAndCopy, and
    case andConstant, andCopy, andCopies, andConstantAndCopy, or, orConstant, orCopy, orCopies
    case orConstantAndCopy, xor, xorConstant, xorCopy, xorCopies, xorConstantAndCopy, equal
    case equalConstant, equalCopy, equalCopies, equalConstantAndCopy, subtract, subtractConstant
    case subtractCopy, subtractCopies, subtractConstantAndCopy, subtractCopyAndConstant
    case subtractSwapped, less, lessConstant, lessCopy, lessCopies, lessConstantAndCopy
    case lessCopyAndConstant, greater, greaterConstant, greaterCopy, signedLess, signedLessConstant
    case signedLessCopy, signedLessCopies, signedLessConstantAndCopy, signedLessCopyAndConstant
    case signedGreater, signedGreaterConstant, signedGreaterCopy, shiftLeft, shiftLeftConstant
    case shiftLeftCopyByConstant, shiftLeftSwapped, shiftRight, shiftRightConstant
    case shiftRightCopyByConstant, shiftRightSwapped, shiftRightSigned, shiftRightSignedConstant
    case shiftRightSignedCopyByConstant, shiftRightSignedSwapped, byte, byteConstant, signExtend
    case signExtendConstant, isZero, isNotZero, isZeroCopy, not, countLeadingZeros, divide
    case signedDivide, modulo, signedModulo, addModulo, multiplyModulo, divideByConstant
    case moduloConstant, exponentiate, hash, pushSmall, push, pushTwo, pushAndCopy, copyAndPush
    case pop, popMany, copy, copyTop, copySecond, copyThird, copyTwo, swap, swapOne, swapTwo
    case swapAndSwap, swapAndPop, swapOneAndPop, swapAndCopy, copyAndSwap, popAndSwap, popAndCopy
    case load, loadAtConstant, loadAtCopy, store, storeAtConstant, storeAtCopy, storeCopyAtCopy
    case storeConstantAtCopy, storeSwapped, storeByte, memorySize, address, caller, callValue
    case callDataSize, returnDataSize, origin, gasPrice, coinbase, timestamp, number, difficulty
    case gasLimit, chainId, baseFee, blobBaseFee, selfBalance, callDataLoad, callDataCopy, codeCopy
    case returnDataCopy, memoryCopy, balance, externalCodeSize, externalCodeCopy, externalCodeHash
    case blockHash, blobHash, storageLoad, storageStore, transientLoad, transientStore, log, gas
    case create, create2, call, callCode, delegateCall, staticCall, unused193, unused194, unused195
    case unused196, unused197, unused198, unused199, unused200, unused201, unused202, unused203
    case unused204, unused205, unused206, unused207, unused208, unused209, unused210, unused211
    case unused212, unused213, unused214, unused215, unused216, unused217, unused218, unused219
    case unused220, unused221, unused222, unused223, unused224, unused225, unused226, unused227
    case unused228, unused229, unused230, unused231, unused232, unused233, unused234, unused235
    case unused236, unused237, unused238, unused239, unused240, unused241, unused242, unused243
    case unused244, unused245, unused246, unused247, unused248, unused249, unused250, unused251
    case unused252, unused253, unused254, unused255
}
