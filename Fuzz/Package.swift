// swift-tools-version: 6.2
import PackageDescription

// The fuzz targets, apart from the node's package: libFuzzer instruments every module below them, and
// the node's own libraries are not needed. `Sources` is a link to the node's sources; `make fuzz`
// builds and runs.

let modules: [Target] = [
    .systemLibrary(name: "CSecp256k1"),
    .systemLibrary(name: "COpenSSL"),
    .systemLibrary(name: "CGMP"),
    .target(name: "CKeccak"),
    .target(name: "Primitives"),
    .target(
        name: "Cryptography",
        dependencies: ["Primitives", "CKeccak", "CSecp256k1", "COpenSSL", "CGMP"]),
    .target(name: "EthereumTypes", dependencies: ["Primitives", "Cryptography"]),
    .target(name: "State", dependencies: ["EthereumTypes"]),
    .target(name: "EVM", dependencies: ["State", "EthereumTypes", "Cryptography"]),
]

let package = Package(
    name: "fuzz",
    targets: modules + [
        .executableTarget(
            name: "fuzz", dependencies: ["EVM"], path: "Targets",
            // libFuzzer has the `main`.
            swiftSettings: [.unsafeFlags(["-parse-as-library"])])
    ])
