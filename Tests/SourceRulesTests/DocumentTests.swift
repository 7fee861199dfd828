// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// The README and the articles, held against the files that they speak of.
@Suite struct DocumentTests {
  private static let longestReadme = 250

  /// The root of the package: three levels above this file.
  private static let root = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  /// The README and every article, by their paths from the root.
  static let documents: [String] = {
    let names =
      FileManager.default.enumerator(atPath: root.appending(path: "Sources").path)?
      .compactMap { $0 as? String } ?? []
    return ["README.md"] + names.filter { $0.hasSuffix(".md") }.sorted().map { "Sources/\($0)" }
  }()

  private static func text(_ path: String) throws -> String {
    try String(contentsOf: root.appending(path: path), encoding: .utf8)
  }

  @Test func articlesAreFound() { #expect(DocumentTests.documents.count > 15) }

  @Test func readmeCanBeReadInOneGo() throws {
    let lines = try DocumentTests.text("README.md").split(
      separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.count <= DocumentTests.longestReadme + 1)
  }

  @Test(arguments: documents)
  func linksLeadSomewhere(_ document: String) throws {
    let folder = DocumentTests.root.appending(path: document).deletingLastPathComponent()
    for target in try DocumentTests.links(in: DocumentTests.text(document)) {
      let parts = target.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
      let file =
        parts[0].isEmpty
        ? DocumentTests.root.appending(path: document) : folder.appending(path: String(parts[0]))
      #expect(FileManager.default.fileExists(atPath: file.path), "\(document): \(target)")
      guard parts.count == 2, let text = try? String(contentsOf: file, encoding: .utf8) else {
        continue
      }
      #expect(DocumentTests.anchors(of: text).contains(String(parts[1])), "\(document): \(target)")
    }
  }

  @Test func everyArticleIsInTheIndex() throws {
    let index = "Sources/viommud/viommud.docc/viommud.md"
    let folder = DocumentTests.root.appending(path: index).deletingLastPathComponent()
    let listed = try DocumentTests.links(in: DocumentTests.text(index)).map {
      folder.appending(path: $0).standardizedFileURL.path
    }
    for document in DocumentTests.documents where document != index {
      let path = DocumentTests.root.appending(path: document).standardizedFileURL.path
      #expect(listed.contains(path), "\(document)")
    }
  }

  /// The targets of links that are no addresses of the web.
  private static func links(in text: String) -> [String] {
    text.matches(of: /\]\(([^)\s]+)\)/).map { String($0.output.1) }
      .filter { !$0.contains("://") }
  }

  /// What a forge makes of the headings.
  private static func anchors(of text: String) -> Set<String> {
    let headings = text.split(separator: "\n").filter { $0.hasPrefix("#") }
    return Set(
      headings.map { heading in
        heading.drop { $0 == "#" || $0 == " " }.lowercased().filter {
          $0.isLetter || $0.isNumber || $0 == " " || $0 == "-"
        }.replacing(" ", with: "-")
      })
  }
}
