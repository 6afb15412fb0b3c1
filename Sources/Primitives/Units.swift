// The units of the protocol's quantities, named so that a signature says what it counts.

/// A sequence of bytes: RLP, code, call data, keys and values.
public typealias Bytes = [UInt8]

/// An amount of gas.
public typealias Gas = UInt64

/// An amount of money in wei, 10⁻¹⁸ ether.
public typealias Wei = UInt256

/// The number of transactions an account has sent, or of contracts it has created.
public typealias Nonce = UInt64

/// The number of a block; genesis is 0.
public typealias BlockNumber = UInt64

/// A time in seconds since the Unix epoch.
public typealias Timestamp = UInt64
