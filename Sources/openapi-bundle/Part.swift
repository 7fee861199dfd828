// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials

/// One file of the document: an OpenAPI document by its form, with the paths and the components of
/// one resource.
struct Part {
  /// The file's name without its folder.
  let name: String
  /// The lines before `paths` and `components`: of `openapi.yaml` the rest of the document, of
  /// others nothing but comments.
  private(set) var head: [Substring] = []
  /// The lines below `paths`.
  private(set) var paths: [Substring] = []
  /// The lines below each kind of component, `schemas` for example, in the order of the file.
  private(set) var components: [(kind: Substring, lines: [Substring])] = []

  private enum Place { case head, paths, components }

  /// Reads a file.
  ///
  /// - Throws: `BundleError` when it cannot be read or has lines where none are expected.
  init(path: String) throws {
    guard let text = try? String(contentsOf: URL(filePath: path), encoding: .utf8) else {
      throw BundleError("\(path) cannot be read")
    }
    name = String(path.split(separator: "/").last ?? "")
    var place = Place.head
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      if let first = line.first, first != " ", first != "#" {
        switch line {
        case "paths:": place = .paths
        case "components:": place = .components
        default: place = .head
        }
        if place != .head { continue }
      }
      try take(line, at: place, of: path)
    }
  }

  private mutating func take(_ line: Substring, at place: Place, of path: String) throws {
    switch place {
    case .head: head.append(line)
    case .paths: if !line.isEmpty { paths.append(line) }
    case .components:
      if line.isEmpty { return }
      if line.hasPrefix("  "), line.dropFirst(2).first != " ", line.hasSuffix(":") {
        components.append((line.dropFirst(2).dropLast(), []))
      } else if components.isEmpty {
        throw BundleError("\(path): a line stands below no kind of component: \(line)")
      } else {
        components[components.count - 1].lines.append(line)
      }
    }
  }

  /// Whether the head says anything.
  var hasHead: Bool { head.contains { !$0.isEmpty && !$0.hasPrefix("#") } }
}
