// swift-tools-version: 6.2
import PackageDescription

// A plugin in a package of its own. Outside of this repository, name the repository's address
// instead of the path.
let package = Package(
    name: "largest-transfer",
    products: [.library(name: "LargestTransfer", targets: ["LargestTransfer"])],
    dependencies: [.package(name: "apus", path: "../..")],
    targets: [
        .target(
            name: "LargestTransfer",
            dependencies: [.product(name: "ApusPlugin", package: "apus")])
    ]
)
