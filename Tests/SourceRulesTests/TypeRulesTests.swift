// SPDX-License-Identifier: Apache-2.0
import Testing

/// A type that is told in many pieces is several types.
@Suite struct TypeRulesTests {
  private static let mostExtensionFiles = 4

  @Test func noTypeIsToldInMoreThanAFewExtensionFiles() {
    var files: [String: Set<String>] = [:]
    let declared = Set(SourceFile.sources.flatMap { $0.types(after: Self.declarations) })
    for file in SourceFile.sources {
      for name in file.types(after: ["extension"]) where declared.contains(name) {
        files[name, default: []].insert(file.path)
      }
    }
    #expect(files.values.contains { $0.count > 1 })
    for (name, paths) in files where paths.count > Self.mostExtensionFiles {
      Issue.record("\(name) has extensions in \(paths.sorted().joined(separator: ", "))")
    }
  }

  @Test func typesAreFoundByWhatDeclaresThem() {
    let file = SourceFile(
      path: "Sources/Example/Example.swift",
      lines: [
        "public final class One: Two {", "}", "extension Three {", "  struct Inner {}", "}",
        "private extension Four: Five where T: Six {",
      ])
    #expect(file.types(after: Self.declarations) == ["Example.One"])
    #expect(file.types(after: ["extension"]) == ["Example.Three", "Example.Four"])
  }

  private static let declarations = ["struct", "class", "enum", "protocol", "actor"]
}

extension SourceFile {
  private static let modifiers: Set<Substring> = [
    "public", "package", "internal", "private", "fileprivate", "final", "indirect",
  ]

  /// The names that stand behind a keyword at the left margin, each with the target in front, so
  /// that types of other modules are not taken for one of ours.
  fileprivate func types(after keywords: [String]) -> [String] {
    lines.compactMap { line in
      guard line.first?.isLetter == true else { return nil }
      var words = line.split { !$0.isLetter && !$0.isNumber && $0 != "_" }[...]
      while let word = words.first, Self.modifiers.contains(word) { words = words.dropFirst() }
      guard let keyword = words.first, keywords.contains(String(keyword)),
        let name = words.dropFirst().first
      else { return nil }
      return "\(target).\(name)"
    }
  }
}
