// SPDX-License-Identifier: Apache-2.0

/// The whole document as text, with the files' own comments and layout.
struct Bundle {
  private static let root = "openapi.yaml"

  let yaml: String

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

  /// Every kind of component that there is, in the order in which they are met.
  private static func kinds(of parts: [Part]) -> [Substring] {
    var kinds: [Substring] = []
    for component in parts.flatMap(\.components) where !kinds.contains(component.kind) {
      kinds.append(component.kind)
    }
    return kinds
  }
}
