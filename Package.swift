// swift-tools-version: 6.2
import PackageDescription

// Targets stand bottom-up: a target depends only on targets above it (TidyTests holds this).

/// Settings of a target without unsafe code.
let safe: [SwiftSetting] = [.strictMemorySafety(), .treatAllWarnings(as: .error)]

/// Settings of a target that owns C handles or raw memory; TidyTests lists the files that may.
let mayBeUnsafe: [SwiftSetting] = [.treatAllWarnings(as: .error)]

/// What programs allocate memory with, for all libraries in them.
let allocator = LinkerSetting.linkedLibrary("jemalloc")

let nio: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
    .product(name: "NIOHTTP1", package: "swift-nio"),
    .product(name: "NIOWebSocket", package: "swift-nio"),
    .product(name: "NIOSSL", package: "swift-nio-ssl"),
]

let httpClient: Target.Dependency = .product(
    name: "AsyncHTTPClient", package: "async-http-client")

let log: Target.Dependency = .product(name: "Logging", package: "swift-log")

let targets: [Target] = [
    // C libraries: module maps, no code.
    // Which library: scripts/rocksdb.
    .systemLibrary(
        name: "CRocksDB", pkgConfig: "rocksdb", providers: [.apt(["librocksdb-dev"])]),
    .systemLibrary(name: "CSecp256k1", providers: [.apt(["libsecp256k1-dev"])]),
    .systemLibrary(name: "COpenSSL", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CGMP", providers: [.apt(["libgmp-dev"])]),
    .systemLibrary(name: "CZlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CXGBoost", providers: [.apt(["libxgboost-dev"])]),
    .systemLibrary(name: "CHiredis", providers: [.apt(["libhiredis-dev"])]),

    // The one C kernel: batched Keccak with run-time dispatch.
    .target(name: "CKeccak"),

    .target(name: "Primitives", swiftSettings: safe),
    .target(
        name: "Cryptography",
        dependencies: ["Primitives", "CKeccak", "CSecp256k1", "COpenSSL", "CGMP"],
        swiftSettings: mayBeUnsafe),
    .target(
        name: "EthereumTypes", dependencies: ["Primitives", "Cryptography"], swiftSettings: safe),
    .target(name: "Trie", dependencies: ["Primitives", "Cryptography"], swiftSettings: safe),
    .target(name: "State", dependencies: ["EthereumTypes"], swiftSettings: mayBeUnsafe),
    .target(
        name: "EVM", dependencies: ["State", "EthereumTypes", "Cryptography"],
        swiftSettings: mayBeUnsafe),
    .target(name: "Execution", dependencies: ["EVM", "State", "Trie"], swiftSettings: safe),
    .target(
        name: "Storage", dependencies: ["State", "Trie", "CRocksDB"], swiftSettings: mayBeUnsafe),
    .target(
        name: "Compression", dependencies: ["Primitives", "CZlib"], swiftSettings: mayBeUnsafe),
    .target(
        name: "ChainFiles", dependencies: ["Primitives", "Compression"],
        swiftSettings: mayBeUnsafe),
    .target(name: "Chain", dependencies: ["Execution", "Storage"], swiftSettings: safe),
    .target(name: "TxPool", dependencies: ["Chain", log], swiftSettings: safe),
    .target(name: "BlockProduction", dependencies: ["TxPool", "Chain", log], swiftSettings: safe),
    .target(
        name: "RPC",
        dependencies: ["BlockProduction", "TxPool", "Chain", "Compression", log] + nio,
        swiftSettings: safe),
    .target(name: "Sync", dependencies: ["RPC", "Chain", log, httpClient], swiftSettings: safe),
    .target(
        name: "SpecRunner", dependencies: ["Sync", "RPC", "TxPool", "Chain", "Execution"],
        swiftSettings: safe),
    // What a plugin is and what it is given (product ApusPlugin).
    .target(
        name: "PluginAPI",
        dependencies: [
            "RPC", "TxPool", "Chain", log, .product(name: "NIOPosix", package: "swift-nio"),
        ],
        swiftSettings: safe),
    // Copies of answers that several gateways share; the owner of hiredis.
    .target(
        name: "Redis",
        dependencies: [
            "Primitives", "CHiredis", .product(name: "NIOPosix", package: "swift-nio"),
        ],
        swiftSettings: mayBeUnsafe),
    .target(
        name: "Analytics", dependencies: ["PluginAPI", "RPC", "Chain"], swiftSettings: safe),
    // REST in front of the node: routes, tokens and roles, limits, cache, pages.
    .target(
        name: "Gateway",
        dependencies: [
            "PluginAPI", "RPC", "TxPool", "Chain", "Storage", "EVM", "Redis", log, httpClient,
            .product(name: "Hummingbird", package: "hummingbird"),
            .product(name: "HummingbirdTLS", package: "hummingbird"),
            .product(name: "JWTKit", package: "jwt-kit"),
            .product(name: "HTTPTypes", package: "swift-http-types"),
            .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
        ] + nio,
        swiftSettings: safe),
    .target(
        name: "Node",
        dependencies: [
            "Gateway", "PluginAPI", "Sync", "RPC", "BlockProduction", "TxPool", "Chain",
            "ChainFiles", log,
            httpClient,
            .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            .product(name: "TOMLKit", package: "TOMLKit"),
        ],
        swiftSettings: safe),
    .target(
        name: "Prediction", dependencies: ["PluginAPI", "RPC", "TxPool", "CXGBoost"],
        swiftSettings: mayBeUnsafe),
    .executableTarget(
        name: "apus",
        dependencies: [
            "Node", "Gateway", "Analytics", "PluginAPI", "Prediction", "SpecRunner",
            .product(name: "ArgumentParser", package: "swift-argument-parser"),
        ],
        swiftSettings: safe, linkerSettings: [allocator]),
    .executableTarget(
        name: "apus-bench",
        dependencies: [
            "SpecRunner", "Node", "Analytics", "Prediction", "PluginAPI", log,
            .product(name: "Hummingbird", package: "hummingbird"),
        ] + nio,
        path: "Benchmarks/apus-bench", swiftSettings: safe, linkerSettings: [allocator]),

    .target(name: "TestSupport", dependencies: ["State", "Storage"], path: "Tests/TestSupport"),
    // What `make fuzz` runs under libFuzzer; here on its corpus and random changes of it.
    .target(
        name: "FuzzTargets", dependencies: ["EVM"], path: "Fuzz/Targets", exclude: ["Fuzz.swift"],
        swiftSettings: safe),
    .testTarget(name: "FuzzTests", dependencies: ["FuzzTargets", "TestSupport"]),
    .testTarget(name: "PrimitivesTests", dependencies: ["Primitives", "TestSupport"]),
    .testTarget(
        name: "CryptographyTests", dependencies: ["Cryptography", "CKeccak", "TestSupport"]),
    .testTarget(name: "EthereumTypesTests", dependencies: ["EthereumTypes", "TestSupport"]),
    .testTarget(name: "TrieTests", dependencies: ["Trie", "TestSupport"]),
    .testTarget(name: "StateTests", dependencies: ["State", "TestSupport"]),
    .testTarget(name: "EVMTests", dependencies: ["EVM", "TestSupport"]),
    .testTarget(name: "ExecutionTests", dependencies: ["Execution", "TestSupport"]),
    .testTarget(name: "SpecRunnerTests", dependencies: ["SpecRunner", "Chain", "TestSupport"]),
    .testTarget(name: "StorageTests", dependencies: ["Storage", "TestSupport"]),
    // What the crash tests run and kill.
    .executableTarget(name: "CrashWriter", dependencies: ["Chain"], path: "Tests/CrashWriter"),
    .testTarget(name: "CompressionTests", dependencies: ["Compression", "TestSupport"]),
    .testTarget(name: "ChainFilesTests", dependencies: ["ChainFiles", "TestSupport"]),
    .testTarget(
        name: "ChainTests", dependencies: ["Chain", "CrashWriter", "SpecRunner", "TestSupport"]),
    .testTarget(name: "TxPoolTests", dependencies: ["TxPool", "Chain", "TestSupport"]),
    .testTarget(
        name: "BlockProductionTests", dependencies: ["BlockProduction", "Chain", "TestSupport"]),
    .testTarget(name: "RPCTests", dependencies: ["RPC", "Compression", "TestSupport"]),
    // The example of docs/plugins.md, which also is a package of its own.
    .target(
        name: "LargestTransfer", dependencies: ["PluginAPI", "RPC", "Chain"],
        path: "examples/plugin/Sources/LargestTransfer", swiftSettings: safe),
    .testTarget(
        name: "PluginAPITests",
        dependencies: ["PluginAPI", "RPC", "Chain", "LargestTransfer", "TestSupport"]),
    .testTarget(name: "SyncTests", dependencies: ["Sync", "RPC", "Chain", "TestSupport"]),
    .testTarget(
        name: "AnalyticsTests", dependencies: ["Analytics", "RPC", "Chain", "TestSupport"]),
    .testTarget(name: "RedisTests", dependencies: ["Redis", "TestSupport"]),
    .testTarget(
        name: "GatewayTests",
        dependencies: [
            "Gateway", "Analytics", "Prediction", "Node", "PluginAPI", "RPC", "Chain",
            "TestSupport", httpClient, .product(name: "NIOSSL", package: "swift-nio-ssl"),
        ]),
    .testTarget(name: "NodeTests", dependencies: ["Node", "TestSupport"]),
    .testTarget(name: "PredictionTests", dependencies: ["Prediction", "TestSupport"]),
    // The real daemon as a child process.
    .testTarget(name: "EndToEndTests", dependencies: ["apus", "Primitives", "RPC", "TestSupport"]),
    .testTarget(name: "TidyTests"),
]

let package = Package(
    name: "apus",
    products: [
        .executable(name: "apus", targets: ["apus"]),
        .library(
            name: "ApusPlugin",
            targets: [
                "PluginAPI", "RPC", "TxPool", "Chain", "Storage", "State", "EthereumTypes",
                "Primitives",
            ]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.30.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/vapor/jwt-kit", from: "5.7.1"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.0"),
    ],
    targets: targets
)
