// SPDX-License-Identifier: Apache-2.0

/// The whole document as text, put together line by line, so that the comments and the layout of
/// the files are kept.
struct Bundle {
  private static let root = "openapi.yaml"

  let yaml: String

  /// Puts the document together. What stands before the paths comes from `openapi.yaml`.
  ///
  /// - Throws: `BundleError` when `openapi.yaml` is missing, or another file has members besides
  ///   `paths` and `components`.
  init(_ parts: [Part]) throws {
    guard let root = parts.first(where: { $0.name == Bundle.root }) else {
      throw BundleError("\(Bundle.root) is not among the files")
    }
    for part in parts where part.name != Bundle.root && part.hasHead {
      throw BundleError("\(part.name) has more than paths and components")
    }
    var lines = root.head
    while lines.last?.isEmpty == true { lines.removeLast() }
    lines += ["", "paths:"] + parts.flatMap(\.paths)
    lines += ["", "components:"]
    for kind in Bundle.kinds(of: parts) {
      lines.append("  \(kind):")
      for part in parts {
        for component in part.components where component.kind == kind { lines += component.lines }
      }
    }
    yaml = lines.joined(separator: "\n") + "\n"
  }

  /// Every kind of component in the files, in the order in which each occurs first.
  private static func kinds(of parts: [Part]) -> [Substring] {
    var kinds: [Substring] = []
    for component in parts.flatMap(\.components) where !kinds.contains(component.kind) {
      kinds.append(component.kind)
    }
    return kinds
  }
}
