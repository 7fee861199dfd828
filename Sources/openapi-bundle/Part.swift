// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials

/// One file of the document. It has the form of an OpenAPI document, with the paths and components
/// of one resource.
struct Part {
  /// The file's name without its folder.
  let name: String
  /// The lines outside of `paths` and `components`. In `openapi.yaml` they are the rest of the
  /// document; other files have only comments here.
  private(set) var head: [Substring] = []
  /// The lines below `paths`.
  private(set) var paths: [Substring] = []
  /// The lines below each kind of component, such as `schemas`, in the order of the file.
  private(set) var components: [(kind: Substring, lines: [Substring])] = []

  private enum Place { case head, paths, components }

  /// Reads a file.
  ///
  /// - Throws: `BundleError` when the file cannot be read, or when a line among the components
  ///   stands below no kind of them.
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

  /// Whether the head has more than comments and empty lines.
  var hasHead: Bool { head.contains { !$0.isEmpty && !$0.hasPrefix("#") } }
}
