// SPDX-License-Identifier: Apache-2.0
import Yams

/// Checks that every reference in the document leads to something.
enum References {
  /// Checks all references of the document.
  ///
  /// - Throws: `BundleError`, which names each reference that leads nowhere.
  static func check(_ document: Node) throws {
    var dangling: Set<String> = []
    collect(document, in: document, &dangling)
    guard dangling.isEmpty else {
      throw BundleError("nothing is at \(dangling.sorted().joined(separator: ", "))")
    }
  }

  private static func collect(_ node: Node, in document: Node, _ dangling: inout Set<String>) {
    switch node {
    case .mapping(let mapping):
      for (key, value) in mapping {
        if key.string == "$ref", let target = value.string {
          if !leads(target, in: document) { dangling.insert(target) }
        } else {
          collect(value, in: document, &dangling)
        }
      }
    case .sequence(let sequence):
      for value in sequence { collect(value, in: document, &dangling) }
    default: break
    }
  }

  private static func leads(_ target: String, in document: Node) -> Bool {
    guard target.hasPrefix("#/") else { return false }
    var node = document
    for part in target.dropFirst(2).split(separator: "/") {
      guard let next = node.mapping?[String(part)] else { return false }
      node = next
    }
    return true
  }
}
