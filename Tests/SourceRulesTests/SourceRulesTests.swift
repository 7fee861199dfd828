// SPDX-License-Identifier: Apache-2.0
import Testing

/// The rules of the house that a reader of one file would not notice to be broken.
@Suite struct SourceRulesTests {
  /// What a target may import. Targets that are not named may import what they like.
  private static let allowed: [String: Set<String>] = [
    "Locking": ["Glibc", "Musl"],
    "Hashing": ["CNettle"],
    "SeededRandom": [],
    "HTTPCore": ["Hashing", "Locking", "Synchronization"],
    "MicroHTTPD": [
      "CMicroHTTPD", "Glibc", "HTTPCore", "Locking", "Logging", "Musl",
      "Synchronization",
    ],
    "IOMMUHardware": ["Glibc", "Locking", "Musl", "Synchronization"],
    "IOMMUFDABI": [],
    "IOMMUFD": ["DequeModule", "IOMMUFDABI", "Locking"],
    "SMMUDriver": ["IOMMUFD", "IOMMUHardware", "Locking"],
    "MockDriver": ["IOMMUFD", "Locking"],
    "ControlPlane": [
      "DequeModule", "HTTPCore", "Hashing", "IOMMUFD", "IOMMUHardware", "Locking",
      "SeededRandom", "Synchronization",
    ],
    "Conformance": ["FoundationEssentials", "HTTPCore", "IOMMUFDABI"],
    "viommu-conform": ["ArgumentParser", "Conformance", "FoundationEssentials", "Glibc", "Musl"],
  ]

  /// Targets that touch memory by hand: the wrappers of C, the locks, the program, and the tools
  /// that measure and attack it.
  private static let unsafeTargets: Set<String> = [
    "MicroHTTPD", "Hashing", "Locking", "viommud", "viommu-bench", "viommu-ceiling",
    "viommu-conform",
    "viommu-fuzz", "viommu-hwfuzz",
  ]

  /// The machine's memory, whose pages have stable addresses that many threads use at once.
  private static let unsafeFolder = "Sources/IOMMUHardware/Memory/"

  private static let longestFile = 500
  private static let longestFunction = 70
  private static let longestLine = 100
  private static let fullestFolder = 15

  @Test func sourcesAreFound() {
    // Without files every rule below would hold.
    #expect(SourceFile.sources.count > 100)
    #expect(Set(SourceFile.sources.map(\.target)).isSuperset(of: SourceRulesTests.allowed.keys))
    #expect(SourceFile.all.contains { $0.path.hasSuffix("SourceRulesTests.swift") })
    #expect(SourceFile.all.contains { !$0.functions.isEmpty && !$0.imports.isEmpty })
  }

  @Test func targetsImportNothingThatTheyMustNotKnow() {
    for file in SourceFile.sources {
      guard let allowed = SourceRulesTests.allowed[file.target] else { continue }
      for module in file.imports where !allowed.contains(module) {
        Issue.record("\(file.path) imports \(module)")
      }
    }
  }

  @Test func foundationIsForProgramsAlone() {
    // The traces' library reads files; it is linked into its program and into tests.
    let users = ["viommud", "Conformance", "viommu-conform", "openapi-bundle"]
    // A plugin of the build is no part of the product, and the package manager hands it URLs.
    for file in SourceFile.sources where file.target != "BundleOpenAPI" {
      for module in file.imports where module.hasPrefix("Foundation") {
        #expect(users.contains(file.target) && module == "FoundationEssentials", "\(file.path)")
      }
    }
  }

  @Test func libmicrohttpdIsCalledInOneTarget() {
    // The tools for measuring are C programs in Swift's clothes, outside of the server.
    let callers = ["MicroHTTPD", "viommu-bench", "viommu-ceiling"]
    for file in SourceFile.sources where file.imports.contains("CMicroHTTPD") {
      #expect(callers.contains(file.target), "\(file.path)")
    }
  }

  @Test func memoryIsTouchedByHandOnlyWhereItMustBe() {
    for file in SourceFile.sources
    where !SourceRulesTests.unsafeTargets.contains(file.target)
      && !file.path.hasPrefix(SourceRulesTests.unsafeFolder)
    {
      for (index, line) in file.code.enumerated() {
        let words = line.split { !$0.isLetter && $0 != "_" && $0 != "@" }
        if words.contains("unsafe") { Issue.record("\(file.path):\(index + 1)") }
      }
    }
  }

  @Test func publicDeclarationsAreDocumented() {
    let declarations = SourceFile.sources.filter { file in
      file.lines.contains { $0.hasPrefix("public ") }
    }
    #expect(declarations.count > 50)
    for file in SourceFile.sources {
      for line in file.undocumentedDeclarations { Issue.record("\(file.path):\(line)") }
    }
  }

  @Test func declarationsWithoutADocCommentAreFound() {
    let file = SourceFile(
      path: "Sources/Example/Example.swift",
      lines: [
        "public import Locking", "", "/// Has one.", "@frozen", "public struct One {",
        "  public let two = 2", "  /// Has one.", "  @inlinable public func three() {}",
        "  @inlinable public func four() {}", "  let five = 5", "}",
      ])
    #expect(file.undocumentedDeclarations == [6, 9])
  }

  @Test func filesBeginWithTheirLicence() {
    for file in SourceFile.all {
      #expect(file.lines.first == "// SPDX-License-Identifier: Apache-2.0", "\(file.path)")
    }
  }

  @Test func filesStayReadable() {
    for file in SourceFile.all {
      let count = file.lines.count - (file.lines.last == "" ? 1 : 0)
      #expect(count <= SourceRulesTests.longestFile, "\(file.path)")
    }
  }

  @Test func foldersShowWhatIsInThem() {
    let folders = Dictionary(grouping: SourceFile.sources) { file in
      file.path.split(separator: "/").dropLast().joined(separator: "/")
    }
    #expect(folders.count > 30)
    for (folder, files) in folders {
      #expect(files.count <= SourceRulesTests.fullestFolder, "\(folder)")
    }
  }

  @Test func functionsStayReadable() {
    for file in SourceFile.all {
      for (line, count) in file.functions where count > SourceRulesTests.longestFunction {
        Issue.record("\(file.path):\(line) has \(count) lines")
      }
    }
  }

  @Test func linesFitTheScreen() {
    for file in SourceFile.all {
      // A test may have a document as it goes over the wire, in one line.
      let lines = file.top == "Tests" ? file.code : file.lines.map(String.init)
      for (index, line) in lines.enumerated()
      where line.utf8.count > SourceRulesTests.longestLine
        && line.count > SourceRulesTests.longestLine
      {
        Issue.record("\(file.path):\(index + 1) has \(line.count) columns")
      }
    }
  }

  @Test func noLockHoldsABareFunction() {
    for file in SourceFile.all {
      for (index, line) in file.code.enumerated() where line.contains("Locked<") {
        // `LockedFunction` says why.
        if line.contains("->") { Issue.record("\(file.path):\(index + 1)") }
      }
    }
  }

  @Test func nothingIsLeftForLater() {
    // Put together here, so that this file has none of the words.
    let words = ["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]
    for file in SourceFile.all {
      for (index, line) in file.lines.enumerated() where line.utf8.contains(words) {
        Issue.record("\(file.path):\(index + 1)")
      }
    }
  }

  @Test func noPathOfAMachineIsWrittenDown() {
    let places = ["/wo" + "rk/", "/fa" + "rm/", "/opt" + "/", "/ho" + "me/", "/ro" + "ot/"]
    for file in SourceFile.all {
      for (index, line) in file.lines.enumerated() {
        for place in places where line.contains(place) {
          Issue.record("\(file.path):\(index + 1) has \(place)")
        }
      }
    }
  }
}

extension Substring.UTF8View {
  /// Whether one of the words stands in the line by itself.
  fileprivate func contains(_ words: [String]) -> Bool {
    let isWord = { (byte: UInt8) in
      byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7a || byte == 0x5f || byte >= 0x30 && byte <= 0x39
    }
    return split { !isWord($0) }.contains { part in words.contains { part.elementsEqual($0.utf8) } }
  }
}
