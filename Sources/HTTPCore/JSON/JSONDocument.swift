// SPDX-License-Identifier: Apache-2.0

/// A parsed JSON document: the bytes that it was read from, and a flat list of its values.
///
/// The values stand in the list in document order. A subtree is therefore a contiguous run of the
/// list, and no value needs an allocation of its own. The text of a string is decoded only when
/// somebody asks for it.
public struct JSONDocument: Sendable {
  /// What a value is (RFC 8259, section 3).
  public enum Kind: UInt8, Sendable {
    case null, bool, number, string, array, object

    /// The kind in words, as the details of problems name it: `a string`, `null`.
    public var noun: String {
      switch self {
      case .null: "null"
      case .bool: "a boolean"
      case .number: "a number"
      case .string: "a string"
      case .array: "an array"
      case .object: "an object"
      }
    }
  }

  /// One value, or the name of a member, which stands just before the member's value.
  struct Node: Sendable {
    var kind: Kind
    /// Whether this is a string with escapes in it, which have to be decoded.
    var hasEscapes = false
    /// Whether this is the name of a member, and an earlier member of the same object has it too.
    var isRepeated = false
    /// Where a scalar lies in `bytes`; the quotes of a string are left out.
    var start: Int32
    var end: Int32
    /// How many elements an array has, or how many members an object has.
    var count: Int32 = 0
    /// The index of the node that follows the whole subtree of this one.
    var next: Int32 = 0
  }

  /// The text that the document was read from, in UTF-8.
  public let bytes: [UInt8]
  var nodes: [Node] = []

  init(bytes: [UInt8]) { self.bytes = bytes }

  /// The outermost value, which the whole text spells.
  public var root: JSONValue { JSONValue(document: self, index: 0) }

  func text(_ node: Node) -> String {
    let raw = bytes[Int(node.start)..<Int(node.end)]
    return node.hasEscapes
      ? JSONEscapes.decode(raw) : String(decoding: raw, as: UTF8.self)
  }

  func nameEquals(_ node: Node, _ name: String) -> Bool {
    if node.hasEscapes { return text(node) == name }
    let length = Int(node.end - node.start)
    guard length == name.utf8.count else { return false }
    var index = Int(node.start)
    for byte in name.utf8 {
      if bytes[index] != byte { return false }
      index += 1
    }
    return true
  }
}

/// One value of a document, of any kind.
///
/// It is an index into the document, which it keeps alive.
public struct JSONValue: Sendable {
  let document: JSONDocument
  let index: Int

  private var node: JSONDocument.Node { document.nodes[index] }

  /// What the value is.
  public var kind: JSONDocument.Kind { node.kind }

  /// The text of a string, with its escapes decoded; nil for a value of another kind.
  public var string: String? { kind == .string ? document.text(node) : nil }

  /// The value of a boolean; nil for a value of another kind.
  public var bool: Bool? {
    kind == .bool ? document.bytes[Int(node.start)] == UInt8(ascii: "t") : nil
  }

  /// The value as a 64-bit quantity, which is a string of `0x` and 1 to 16 hex digits, or a
  /// non-negative integer; nil for anything else.
  public var quantity: UInt64? { JSONNumber.quantity(self) }

  /// The bytes of a scalar as the document has them. A string is without its quotes, and its
  /// escapes are not decoded.
  public var rawScalar: ArraySlice<UInt8> { document.bytes[Int(node.start)..<Int(node.end)] }

  /// How many elements an array has; 0 for anything else.
  public var elementCount: Int { kind == .array ? Int(node.count) : 0 }

  /// The elements of an array; empty for anything else.
  public var elements: [JSONValue] {
    guard kind == .array else { return [] }
    var result: [JSONValue] = []
    result.reserveCapacity(Int(node.count))
    var child = index + 1
    for _ in 0..<node.count {
      result.append(JSONValue(document: document, index: child))
      child = Int(document.nodes[child].next)
    }
    return result
  }

  /// The members of an object in document order; empty for anything else.
  public var members: [(name: String, value: JSONValue)] {
    guard kind == .object else { return [] }
    var result: [(String, JSONValue)] = []
    var child = index + 1
    for _ in 0..<node.count {
      result.append(
        (document.text(document.nodes[child]), JSONValue(document: document, index: child + 1)))
      child = Int(document.nodes[child + 1].next)
    }
    return result
  }

  /// The value of the first member of an object that has this name; nil when no member has it, or
  /// when the value is no object.
  public func member(_ name: String) -> JSONValue? {
    guard kind == .object else { return nil }
    var child = index + 1
    for _ in 0..<node.count {
      if document.nameEquals(document.nodes[child], name) {
        return JSONValue(document: document, index: child + 1)
      }
      child = Int(document.nodes[child + 1].next)
    }
    return nil
  }

  /// Writes the value without white space.
  ///
  /// - Parameter substitute: is given each string and says what to write in its place. The names
  ///   of members are written as they are.
  public func write(to writer: inout JSONWriter, substitute: (String) -> String = { $0 }) {
    switch kind {
    case .null, .bool, .number:
      writer.raw(rawScalar)
    case .string:
      writer.text(substitute(string ?? ""))
    case .array:
      writer.beginArray()
      for element in elements { element.write(to: &writer, substitute: substitute) }
      writer.endArray()
    case .object:
      writer.beginObject()
      for member in members {
        writer.memberName(member.name)
        member.value.write(to: &writer, substitute: substitute)
      }
      writer.endObject()
    }
  }
}

/// Decodes the escapes in JSON strings (RFC 8259, section 7).
enum JSONEscapes {
  /// Decodes the bytes between the quotes of a string, which the parser has found well formed.
  static func decode(_ raw: ArraySlice<UInt8>) -> String {
    var units: [UInt8] = []
    units.reserveCapacity(raw.count)
    var index = raw.startIndex
    while index < raw.endIndex {
      if raw[index] != UInt8(ascii: "\\") {
        units.append(raw[index])
        index += 1
      } else if raw[index + 1] == UInt8(ascii: "u") {
        index = appendScalar(raw, at: index, to: &units)
      } else {
        units.append(simple(raw[index + 1]))
        index += 2
      }
    }
    return String(decoding: units, as: UTF8.self)
  }

  /// Decodes one `\uXXXX`, or the two of a surrogate pair, and returns the index behind it.
  private static func appendScalar(
    _ raw: ArraySlice<UInt8>, at index: Int, to units: inout [UInt8]
  ) -> Int {
    var value = codeUnit(raw, at: index + 2)
    var next = index + 6
    if value >= 0xd800, value < 0xdc00 {
      let low = codeUnit(raw, at: next + 2)
      value = 0x10000 + ((value - 0xd800) << 10) + (low - 0xdc00)
      next += 6
    }
    if let scalar = Unicode.Scalar(value) { units.append(contentsOf: Array(String(scalar).utf8)) }
    return next
  }

  /// The value of four hex digits.
  static func codeUnit(_ raw: ArraySlice<UInt8>, at index: Int) -> UInt32 {
    var value: UInt32 = 0
    for offset in 0..<4 {
      value = value << 4 | UInt32(truncatingIfNeeded: Hex.value(raw[index + offset]) ?? 0)
    }
    return value
  }

  /// The byte that a backslash and this character stand for.
  private static func simple(_ byte: UInt8) -> UInt8 {
    switch byte {
    case UInt8(ascii: "b"): 0x08
    case UInt8(ascii: "f"): 0x0c
    case UInt8(ascii: "n"): 0x0a
    case UInt8(ascii: "r"): 0x0d
    case UInt8(ascii: "t"): 0x09
    default: byte
    }
  }
}
