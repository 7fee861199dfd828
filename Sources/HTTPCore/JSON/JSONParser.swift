// SPDX-License-Identifier: Apache-2.0

/// A strict JSON parser (RFC 8259). A text is one value in UTF-8, with nothing around it but white
/// space.
///
/// The parser does not recurse, so a deeply nested document cannot exhaust the stack.
public struct JSONParser {
  /// Why a text is not JSON, and where.
  public struct Failure: Error, Equatable, Sendable {
    /// Where the text stops being JSON, in bytes from its beginning.
    public let offset: Int
    /// What is wrong there, in words.
    public let reason: String
  }

  private let bytes: [UInt8]
  private let depthLimit: Int
  private var index = 0
  private var document: JSONDocument
  /// The arrays and objects that have begun and not ended, outermost first, by their nodes.
  private var open: [Int] = []

  /// Parses a text.
  ///
  /// A member whose name its object has had before is no failure. It is marked, and
  /// `ObjectReader` reports it together with the other faults of a body.
  ///
  /// - Parameter depthLimit: how many arrays and objects may be open at once.
  /// - Throws: `Failure` for a text that is not JSON, is nested more deeply than `depthLimit`, or
  ///   is too large for 32-bit offsets.
  public static func parse(_ bytes: [UInt8], depthLimit: Int = 64) throws(Failure) -> JSONDocument {
    guard bytes.count < Int(Int32.max) else { throw Failure(offset: 0, reason: "too large") }
    var parser = JSONParser(bytes, depthLimit)
    try parser.run()
    return parser.document
  }

  private init(_ bytes: [UInt8], _ depthLimit: Int) {
    self.bytes = bytes
    self.depthLimit = depthLimit
    document = JSONDocument(bytes: bytes)
    document.nodes.reserveCapacity(min(bytes.count / 8 + 4, 1 << 16))
  }

  // MARK: Structure

  private mutating func run() throws(Failure) {
    if bytes.contains(where: { $0 >= 0x80 }) {
      if String(validating: bytes, as: UTF8.self) == nil {
        throw Failure(offset: JSONParser.firstInvalidByte(of: bytes), reason: "not UTF-8")
      }
    }
    skipSpace()
    try value()
    while !open.isEmpty { try step() }
    skipSpace()
    if index != bytes.count { throw failure("text behind the document") }
  }

  /// The offset of the first byte that belongs to no character in UTF-8.
  private static func firstInvalidByte(of bytes: [UInt8]) -> Int {
    var decoder = Unicode.UTF8.ForwardParser()
    var rest = bytes.makeIterator()
    var offset = 0
    while case .valid(let scalar) = decoder.parseScalar(from: &rest) { offset += scalar.count }
    return offset
  }

  /// Reads the next element of the innermost array or the next member of the innermost object,
  /// or its closing bracket.
  private mutating func step() throws(Failure) {
    let container = open[open.count - 1]
    let isObject = document.nodes[container].kind == .object
    let end = isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")
    skipSpace()
    if peek == end {
      index += 1
      closeContainer(container)
      return
    }
    if document.nodes[container].count > 0 {
      guard peek == UInt8(ascii: ",") else {
        throw failure(isObject ? "expected , or }" : "expected , or ]")
      }
      index += 1
      skipSpace()
    }
    document.nodes[container].count += 1
    if isObject { try name() }
    try value()
  }

  private mutating func closeContainer(_ container: Int) {
    document.nodes[container].next = Int32(document.nodes.count)
    if document.nodes[container].kind == .object { findDuplicates(in: container) }
    open.removeLast()
  }

  private mutating func name() throws(Failure) {
    guard peek == UInt8(ascii: "\"") else { throw failure("expected a member's name") }
    try string()
    skipSpace()
    guard peek == UInt8(ascii: ":") else { throw failure("expected :") }
    index += 1
    skipSpace()
  }

  private mutating func value() throws(Failure) {
    switch peek {
    case UInt8(ascii: "{"): try openContainer(.object)
    case UInt8(ascii: "["): try openContainer(.array)
    case UInt8(ascii: "\""): try string()
    case UInt8(ascii: "t"): try literal("true", .bool)
    case UInt8(ascii: "f"): try literal("false", .bool)
    case UInt8(ascii: "n"): try literal("null", .null)
    case let byte? where byte == UInt8(ascii: "-") || isDigit(byte): try number()
    case nil: throw failure("the document ends too early")
    default: throw failure("expected a value")
    }
  }

  private mutating func openContainer(_ kind: JSONDocument.Kind) throws(Failure) {
    guard open.count < depthLimit else {
      throw failure("nested deeper than \(depthLimit)")
    }
    open.append(document.nodes.count)
    document.nodes.append(.init(kind: kind, start: Int32(index), end: Int32(index)))
    index += 1
  }

  private mutating func append(
    _ kind: JSONDocument.Kind, _ start: Int, _ end: Int, hasEscapes: Bool = false
  ) {
    document.nodes.append(
      .init(
        kind: kind, hasEscapes: hasEscapes, start: Int32(start), end: Int32(end),
        next: Int32(document.nodes.count + 1)))
  }

  // MARK: Scalars

  private mutating func literal(_ text: String, _ kind: JSONDocument.Kind) throws(Failure) {
    let start = index
    for byte in text.utf8 {
      guard peek == byte else { throw failure("expected \(text)") }
      index += 1
    }
    append(kind, start, index)
  }

  private mutating func number() throws(Failure) {
    let start = index
    if peek == UInt8(ascii: "-") { index += 1 }
    if peek == UInt8(ascii: "0") { index += 1 } else { try digits() }
    if peek == UInt8(ascii: ".") {
      index += 1
      try digits()
    }
    if peek == UInt8(ascii: "e") || peek == UInt8(ascii: "E") {
      index += 1
      if peek == UInt8(ascii: "+") || peek == UInt8(ascii: "-") { index += 1 }
      try digits()
    }
    append(.number, start, index)
  }

  private mutating func digits() throws(Failure) {
    guard let first = peek, isDigit(first) else { throw failure("expected a digit") }
    while let byte = peek, isDigit(byte) { index += 1 }
  }

  private func isDigit(_ byte: UInt8) -> Bool {
    byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
  }

  private mutating func string() throws(Failure) {
    index += 1
    let start = index
    var hasEscapes = false
    while let byte = peek {
      if byte == UInt8(ascii: "\"") {
        append(.string, start, index, hasEscapes: hasEscapes)
        index += 1
        return
      }
      if byte < 0x20 { throw failure("a control character in a string") }
      if byte == UInt8(ascii: "\\") {
        hasEscapes = true
        try escape()
      } else {
        index += 1
      }
    }
    throw failure("a string without an end")
  }

  private mutating func escape() throws(Failure) {
    index += 1
    switch peek {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"),
      UInt8(ascii: "f"), UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
      index += 1
    case UInt8(ascii: "u"):
      try unicodeEscape()
    default:
      throw failure("an unknown escape")
    }
  }

  /// Reads the rest of one `\uXXXX`, or of the two that make a surrogate pair. Half a pair is a
  /// failure, since it stands for no character.
  private mutating func unicodeEscape() throws(Failure) {
    let first = try codeUnit()
    if first >= 0xdc00, first < 0xe000 { throw failure("half a surrogate pair") }
    guard first >= 0xd800, first < 0xdc00 else { return }
    guard peek == UInt8(ascii: "\\"), index + 1 < bytes.count,
      bytes[index + 1] == UInt8(ascii: "u")
    else { throw failure("half a surrogate pair") }
    index += 1
    let second = try codeUnit()
    guard second >= 0xdc00, second < 0xe000 else { throw failure("half a surrogate pair") }
  }

  private mutating func codeUnit() throws(Failure) -> UInt32 {
    index += 1
    guard index + 4 <= bytes.count, bytes[index..<index + 4].allSatisfy({ Hex.value($0) != nil })
    else { throw failure("expected four hex digits") }
    let value = JSONEscapes.codeUnit(bytes[...], at: index)
    index += 4
    return value
  }

  // MARK: Helpers

  private var peek: UInt8? { index < bytes.count ? bytes[index] : nil }

  private mutating func skipSpace() {
    while index < bytes.count {
      switch bytes[index] {
      case 0x20, 0x09, 0x0a, 0x0d: index += 1
      default: return
      }
    }
  }

  private func failure(_ reason: String) -> Failure { Failure(offset: index, reason: reason) }

  /// Marks the members of an object whose names have occurred in it before.
  ///
  /// Comparing each pair of names is fastest for the small objects that clients send. A hostile
  /// client can send one with very many members, so that a larger object goes through a set.
  private mutating func findDuplicates(in container: Int) {
    let count = Int(document.nodes[container].count)
    guard count > 1 else { return }
    var names: [Int] = []
    names.reserveCapacity(count)
    var child = container + 1
    for _ in 0..<count {
      names.append(child)
      child = Int(document.nodes[child + 1].next)
    }
    if count > 16 {
      var seen: Set<String> = []
      for name in names where !seen.insert(document.text(document.nodes[name])).inserted {
        document.nodes[name].isRepeated = true
      }
      return
    }
    for (position, name) in names.enumerated() {
      let isRepeated = names[..<position].contains { isSameName($0, name) }
      if isRepeated { document.nodes[name].isRepeated = true }
    }
  }

  private func isSameName(_ left: Int, _ right: Int) -> Bool {
    let (left, right) = (document.nodes[left], document.nodes[right])
    if left.hasEscapes || right.hasEscapes { return document.text(left) == document.text(right) }
    return bytes[Int(left.start)..<Int(left.end)] == bytes[Int(right.start)..<Int(right.end)]
  }
}
