// Keys that tests sign with: the first of the mnemonic that every development chain uses,
// "test test test test test test test test test test test junk".

public import Cryptography
import Primitives

/// Private keys that are the same in every run.
public enum FixedKeys {
    /// 0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266.
    public static let alice = key(
        "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
    /// 0x70997970c51812dc3a010c7d01b50e0d17dc79c8.
    public static let bob = key(
        "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d")
    /// 0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc.
    public static let carol = key(
        "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a")
    /// 0x90f79bf6eb2c4f870365e785982e1f101e93b906.
    public static let dave = key(
        "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6")

    /// All of them.
    public static let all = [alice, bob, carol, dave]

    private static func key(_ hex: String) -> PrivateKey {
        guard let key = UInt256(hex: hex).flatMap({ PrivateKey($0) }) else {
            preconditionFailure("A fixed key is valid.")
        }
        return key
    }
}
