// SPDX-License-Identifier: Apache-2.0

/// Writes a JSON document into a byte buffer: members in the order of the calls, no white space.
public struct JSONWriter: Sendable {
  /// What was written so far.
  public internal(set) var bytes: [UInt8]
  /// Whether the next member or element is preceded by a comma.
  var needsComma = false

  /// - Parameter capacity: bytes to make room for. Up to about 1,000 the C library's allocator
  ///   has them at hand; more than that costs more than it saves.
  public init(capacity: Int = 480) {
    bytes = []
    bytes.reserveCapacity(capacity)
  }

  /// Forgets what was written and keeps the storage.
  public mutating func reset() {
    bytes.removeAll(keepingCapacity: true)
    needsComma = false
  }

  // MARK: Containers

  /// Writes an object, whose members `members` writes.
  @inlinable
  public mutating func object(_ members: (inout JSONWriter) -> Void) {
    beginObject()
    members(&self)
    endObject()
  }

  /// Begins an object; `endObject` must follow.
  public mutating func beginObject() { open(UInt8(ascii: "{")) }
  /// Ends the object that was begun last.
  public mutating func endObject() { close(UInt8(ascii: "}")) }
  /// Begins an array; `endArray` must follow.
  public mutating func beginArray() { open(UInt8(ascii: "[")) }
  /// Ends the array that was begun last.
  public mutating func endArray() { close(UInt8(ascii: "]")) }

  /// Writes an array, of which `write` writes each element.
  @inlinable
  public mutating func array<Elements: Sequence>(
    of elements: Elements, _ element: (inout JSONWriter, Elements.Element) -> Void
  ) {
    beginArray()
    for each in elements { element(&self, each) }
    endArray()
  }

  private mutating func open(_ bracket: UInt8) {
    separate()
    bytes.append(bracket)
    needsComma = false
  }

  private mutating func close(_ bracket: UInt8) {
    bytes.append(bracket)
    needsComma = true
  }

  private mutating func separate() {
    if needsComma { bytes.append(UInt8(ascii: ",")) }
  }

  /// Writes a member's name; it must need no escape.
  public mutating func key(_ name: String) {
    separate()
    bytes.append(UInt8(ascii: "\""))
    bytes.append(contentsOf: name.utf8)
    bytes.append(UInt8(ascii: "\""))
    bytes.append(UInt8(ascii: ":"))
    needsComma = false
  }

  // MARK: Values

  /// Writes `null`.
  public mutating func null() { literal("null") }
  /// Writes a truth value.
  public mutating func bool(_ value: Bool) { literal(value ? "true" : "false") }

  /// Writes an integer.
  public mutating func int(_ value: Int) {
    separate()
    Decimal.append(value, to: &bytes)
    needsComma = true
  }

  /// A string; escapes what JSON cannot carry.
  public mutating func text(_ value: String) {
    separate()
    bytes.append(UInt8(ascii: "\""))
    if value.utf8.allSatisfy({ $0 >= 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") })
    {
      bytes.append(contentsOf: value.utf8)
    } else {
      for byte in value.utf8 { escape(byte) }
    }
    bytes.append(UInt8(ascii: "\""))
    needsComma = true
  }

  /// A 64-bit quantity: a hex string, `"0x1f00"`.
  public mutating func hex(_ value: UInt64) {
    separate()
    bytes.append(contentsOf: "\"0x".utf8)
    var shift = value == 0 ? 0 : (63 - value.leadingZeroBitCount) & ~3
    while shift >= 0 {
      bytes.append(Hex.digit(value >> UInt64(shift)))
      shift -= 4
    }
    bytes.append(UInt8(ascii: "\""))
    needsComma = true
  }

  /// A value that was written before, as it is.
  public mutating func raw(_ document: some Collection<UInt8>) {
    separate()
    bytes.append(contentsOf: document)
    needsComma = true
  }

  /// Writes the members of an object that was written before.
  public mutating func merge(object document: [UInt8]) {
    guard document.count > 2 else { return }
    separate()
    bytes.append(contentsOf: document[1..<document.count - 1])
    needsComma = true
  }

  private mutating func literal(_ value: String) {
    separate()
    bytes.append(contentsOf: value.utf8)
    needsComma = true
  }

  private mutating func escape(_ byte: UInt8) {
    switch byte {
    case UInt8(ascii: "\""): bytes.append(contentsOf: "\\\"".utf8)
    case UInt8(ascii: "\\"): bytes.append(contentsOf: "\\\\".utf8)
    case 0x0a: bytes.append(contentsOf: "\\n".utf8)
    case ..<0x20:
      bytes.append(contentsOf: "\\u00".utf8)
      bytes.append(Hex.digit(UInt64(byte >> 4)))
      bytes.append(Hex.digit(UInt64(byte)))
    default: bytes.append(byte)
    }
  }

  // MARK: Members

  /// Writes a member that is a text.
  public mutating func field(_ name: String, text value: String) {
    key(name)
    text(value)
  }

  /// Writes a member that is a text, or null.
  public mutating func field(_ name: String, text value: String?) {
    key(name)
    if let value { text(value) } else { null() }
  }

  /// Writes a member that is an integer.
  public mutating func field(_ name: String, int value: Int) {
    key(name)
    int(value)
  }

  /// Writes a member that is an integer, or null.
  public mutating func field(_ name: String, int value: Int?) {
    key(name)
    if let value { int(value) } else { null() }
  }

  /// Writes a member that is a truth value.
  public mutating func field(_ name: String, bool value: Bool) {
    key(name)
    bool(value)
  }

  /// Writes a member that is a number in hexadecimal, as a text.
  public mutating func field(_ name: String, hex value: UInt64) {
    key(name)
    hex(value)
  }
}

/// Decimal digits without going through `String`.
public enum Decimal {
  /// Appends an integer's digits.
  public static func append(_ value: Int, to bytes: inout [UInt8]) {
    if value < 0 { bytes.append(UInt8(ascii: "-")) }
    append(value.magnitude, to: &bytes)
  }

  /// Appends an integer's digits.
  public static func append(_ value: UInt, to bytes: inout [UInt8]) {
    if value < 10 {
      bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value))
      return
    }
    var divisor: UInt = 10
    while value / divisor >= 10 { divisor &*= 10 }
    var rest = value
    while divisor > 0 {
      bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest / divisor))
      rest %= divisor
      divisor /= 10
    }
  }

  /// The value of 1 to 18 digits without a sign or a leading zero; nil for anything else.
  public static func parse(_ text: some Collection<UInt8>) -> Int? {
    guard !text.isEmpty, text.count <= 18 else { return nil }
    if text.count > 1, text.first == UInt8(ascii: "0") { return nil }
    var value = 0
    for byte in text {
      guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
      value = value * 10 + Int(byte - UInt8(ascii: "0"))
    }
    return value
  }
}

extension JSONWriter {
  /// Writes a member's name that may need escapes.
  public mutating func memberName(_ name: String) {
    text(name)
    bytes.append(UInt8(ascii: ":"))
    needsComma = false
  }
}
