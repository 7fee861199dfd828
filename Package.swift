// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  // Checked at run time in every debug build and so by every test; in a release build the checks
  // would cost a request a twentieth of its time.
  .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
]

let package = Package(
  name: "viommud",
  products: [
    .executable(name: "viommud", targets: ["viommud"])
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    // For the build and for tests: reads the OpenAPI document.
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: [
    .systemLibrary(
      name: "CMicroHTTPD", pkgConfig: "libmicrohttpd",
      providers: [.apt(["libmicrohttpd-dev"])]),
    .systemLibrary(
      name: "CNettle", pkgConfig: "nettle", providers: [.apt(["nettle-dev"])]),
    .target(name: "Hashing", dependencies: ["CNettle"], swiftSettings: strict),
    .target(name: "Locking", swiftSettings: strict),
    .target(name: "SeededRandom", swiftSettings: strict),
    .target(name: "TestSupport", dependencies: ["HTTPCore"], path: "Tests/TestSupport"),
    .target(name: "HTTPCore", dependencies: ["Hashing", "Locking"], swiftSettings: strict),
    .target(
      name: "MicroHTTPD",
      dependencies: [
        "CMicroHTTPD", "HTTPCore", "Locking", .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),
    .target(name: "IOMMUHardware", dependencies: ["Locking"], swiftSettings: strict),
    .target(name: "IOMMUFDABI", swiftSettings: strict),
    .target(
      name: "IOMMUFD",
      dependencies: [
        "IOMMUFDABI", "Locking", .product(name: "DequeModule", package: "swift-collections"),
      ],
      swiftSettings: strict),
    .target(
      name: "SMMUDriver", dependencies: ["IOMMUFD", "IOMMUHardware", "Locking"],
      swiftSettings: strict),
    .target(
      name: "MockDriver", dependencies: ["IOMMUFD", "Locking"], swiftSettings: strict),
    .target(
      name: "ControlPlane",
      dependencies: [
        "SeededRandom",
        "HTTPCore", "Hashing", "IOMMUFD", "IOMMUHardware", "Locking",
        .product(name: "DequeModule", package: "swift-collections"),
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "openapi-bundle",
      dependencies: [
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Yams", package: "Yams"),
      ],
      swiftSettings: strict),
    .plugin(
      name: "BundleOpenAPI", capability: .buildTool(), dependencies: ["openapi-bundle"],
      path: "Sources/BundleOpenAPI"),
    .target(name: "OpenAPIDocument", swiftSettings: strict, plugins: ["BundleOpenAPI"]),
    .target(
      name: "Conformance", dependencies: ["HTTPCore", "IOMMUFDABI"], swiftSettings: strict),
    .executableTarget(
      name: "viommu-conform",
      dependencies: [
        "Conformance", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: strict),
    .testTarget(
      name: "ConformanceTests",
      dependencies: [
        "Conformance", "ControlPlane", "HTTPCore", "IOMMUFD", "MockDriver", "SMMUDriver",
      ]),
    .executableTarget(
      name: "viommud",
      dependencies: [
        "ControlPlane", "HTTPCore", "Locking", "MicroHTTPD", "MockDriver", "OpenAPIDocument",
        "SMMUDriver", .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),
    .testTarget(
      name: "MicroHTTPDTests",
      dependencies: [
        "HTTPCore", "Locking", "MicroHTTPD", "RawHTTPClient",
        .product(name: "Logging", package: "swift-log"),
      ]),
    .testTarget(
      name: "ConcurrencyTests",
      dependencies: [
        "ControlPlane", "HTTPCore", "IOMMUFD", "IOMMUHardware", "Locking", "MicroHTTPD",
        "MockDriver", "RawHTTPClient", "SMMUDriver",
        .product(name: "Logging", package: "swift-log"),
      ]),
    .testTarget(
      name: "KernelTests",
      dependencies: ["ControlPlane", "HTTPCore", "IOMMUFD", "MockDriver", "SMMUDriver"]),
    .target(name: "RawHTTPClient", path: "Tests/RawHTTPClient"),
    .testTarget(
      name: "APITests",
      dependencies: [
        "TestSupport",
        "ControlPlane", "HTTPCore", "IOMMUFD", "Locking", "MicroHTTPD", "MockDriver",
        "RawHTTPClient", "SMMUDriver", .product(name: "Logging", package: "swift-log"),
      ]),
    .testTarget(name: "HTTPCoreTests", dependencies: ["HTTPCore"]),
    .testTarget(
      name: "IOMMUHardwareTests",
      dependencies: ["SeededRandom", "IOMMUHardware", "Locking", "TestSupport"]),
    .testTarget(
      name: "ControlPlaneTests",
      dependencies: [
        "SeededRandom",
        "ControlPlane", "HTTPCore", "Hashing", "IOMMUFD", "IOMMUFDABI", "IOMMUHardware",
        "MockDriver", "SMMUDriver",
      ]),
    .testTarget(
      name: "SMMUTests",
      dependencies: [
        "SeededRandom", "TestSupport",
        "ControlPlane", "HTTPCore", "IOMMUFD", "IOMMUHardware", "Locking", "MockDriver",
        "SMMUDriver",
      ]),
    .testTarget(name: "SourceRulesTests"),
    .testTarget(
      name: "OpenAPITests",
      dependencies: [
        "ControlPlane", "HTTPCore", "IOMMUFD", "MockDriver", "OpenAPIDocument", "SMMUDriver",
        .product(name: "Yams", package: "Yams"),
      ]),
    .executableTarget(
      name: "viommu-fuzz",
      dependencies: [
        "SeededRandom", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "viommu-hwfuzz",
      dependencies: [
        "SeededRandom",
        "IOMMUHardware", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: strict),
    .executableTarget(name: "viommu-ceiling", dependencies: ["CMicroHTTPD"]),
    .executableTarget(
      name: "viommu-bench",
      dependencies: [
        "CMicroHTTPD", "IOMMUFD", "IOMMUHardware", "Locking", "SMMUDriver",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: strict),
  ]
)
