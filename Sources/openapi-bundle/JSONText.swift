// SPDX-License-Identifier: Apache-2.0
import Yams

/// Writes the document as JSON, with its members in the order of the YAML.
enum JSONText {
  /// Writes a node of the document.
  ///
  /// - Throws: `BundleError` for an alias and for a name that is not a scalar, which JSON cannot
  ///   express.
  static func of(_ node: Node) throws -> String {
    var text = ""
    try write(node, to: &text)
    return text
  }

  private static func write(_ node: Node, to text: inout String) throws {
    switch node {
    case .mapping(let mapping):
      try writeAll(mapping, "{", "}", to: &text) { member, text in
        guard let name = member.key.string else {
          throw BundleError("a member's name is not text: \(member.key)")
        }
        quote(name, to: &text)
        text += ":"
        try write(member.value, to: &text)
      }
    case .sequence(let sequence):
      try writeAll(sequence, "[", "]", to: &text) { try write($0, to: &$1) }
    case .scalar(let scalar): write(scalar, of: node, to: &text)
    case .alias: throw BundleError("the document has an alias, which JSON has not")
    }
  }

  private static func writeAll<Elements: Sequence>(
    _ elements: Elements, _ open: String, _ close: String, to text: inout String,
    _ write: (Elements.Element, inout String) throws -> Void
  ) rethrows {
    text += open
    var isFirst = true
    for element in elements {
      if !isFirst { text += "," }
      isFirst = false
      try write(element, &text)
    }
    text += close
  }

  /// Writes a scalar of the type that the JSON schema of YAML gives it. By that schema a date is a
  /// string.
  private static func write(_ scalar: Node.Scalar, of node: Node, to text: inout String) {
    guard scalar.style == .plain || scalar.style == .any else {
      return quote(scalar.string, to: &text)
    }
    switch node.tag {
    case Tag(.null): text += "null"
    case Tag(.bool): text += node.bool == true ? "true" : "false"
    case Tag(.int): text += node.int.map { "\($0)" } ?? scalar.string
    case Tag(.float): text += node.float.map { "\($0)" } ?? scalar.string
    default: quote(scalar.string, to: &text)
    }
  }

  private static func quote(_ string: String, to text: inout String) {
    text += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\t": text += "\\t"
      case "\r": text += "\\r"
      case "\0"..<" ":
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }
}
