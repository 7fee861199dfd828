// SPDX-License-Identifier: Apache-2.0

/// Writes a JSON document into a byte buffer, without white space. Members and elements stand in
/// the order of the calls.
public struct JSONWriter: Sendable {
  /// What has been written so far, in UTF-8.
  public internal(set) var bytes: [UInt8]
  /// Whether a comma has to be written before the next member or element.
  var needsComma = false

  /// Begins with an empty buffer.
  ///
  /// - Parameter capacity: how many bytes to make room for at first; the buffer grows as needed.
  ///   The C library's allocator keeps blocks of up to about 1,000 bytes at hand. To reserve more
  ///   costs more time than it saves.
  public init(capacity: Int = 480) {
    bytes = []
    bytes.reserveCapacity(capacity)
  }

  /// Discards what was written and keeps the storage for the next document.
  public mutating func reset() {
    bytes.removeAll(keepingCapacity: true)
    needsComma = false
  }

  // MARK: Containers

  /// Writes an object.
  ///
  /// - Parameter members: writes the members of the object.
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

  /// Writes an array.
  ///
  /// - Parameters:
  ///   - elements: what the array is made of.
  ///   - element: is called for each of them, and writes it as exactly one value.
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

  /// Writes the name of a member, whose value must follow.
  ///
  /// The name is written as it is, so it may have no quote, backslash or control character.
  /// `memberName` is for names that come from elsewhere.
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
  /// Writes `true` or `false`.
  public mutating func bool(_ value: Bool) { literal(value ? "true" : "false") }

  /// Writes an integer in decimal digits.
  public mutating func int(_ value: Int) {
    separate()
    Decimal.append(value, to: &bytes)
    needsComma = true
  }

  /// Writes a string, and escapes the characters that JSON does not allow in one (RFC 8259,
  /// section 7).
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

  /// Writes a 64-bit quantity as a string of `0x` and lower-case hex digits without leading zeros,
  /// as in `"0x1f00"`.
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

  /// Writes a value that is JSON already, byte by byte as it is.
  public mutating func raw(_ document: some Collection<UInt8>) {
    separate()
    bytes.append(contentsOf: document)
    needsComma = true
  }

  /// Writes the members of another object into the one that is open.
  ///
  /// - Parameter document: the JSON of the other object, without white space.
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

  /// Writes a member whose value is a string.
  public mutating func field(_ name: String, text value: String) {
    key(name)
    text(value)
  }

  /// Writes a member whose value is a string, or null for nil.
  public mutating func field(_ name: String, text value: String?) {
    key(name)
    if let value { text(value) } else { null() }
  }

  /// Writes a member whose value is an integer.
  public mutating func field(_ name: String, int value: Int) {
    key(name)
    int(value)
  }

  /// Writes a member whose value is an integer, or null for nil.
  public mutating func field(_ name: String, int value: Int?) {
    key(name)
    if let value { int(value) } else { null() }
  }

  /// Writes a member whose value is a boolean.
  public mutating func field(_ name: String, bool value: Bool) {
    key(name)
    bool(value)
  }

  /// Writes a member whose value is a 64-bit quantity, as `hex` writes it.
  public mutating func field(_ name: String, hex value: UInt64) {
    key(name)
    hex(value)
  }
}

/// Writes and reads decimal digits as bytes, which is faster than to do it by way of `String`.
public enum Decimal {
  /// Appends the digits of an integer, behind a minus sign if it is negative.
  public static func append(_ value: Int, to bytes: inout [UInt8]) {
    if value < 0 { bytes.append(UInt8(ascii: "-")) }
    append(value.magnitude, to: &bytes)
  }

  /// Appends the digits of a non-negative integer.
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

  /// Reads 1 to 18 digits without a sign or a leading zero. 18 digits always fit into an `Int`.
  ///
  /// - Returns: nil for any other text.
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
  /// Writes the name of a member, with escapes where it needs them. The member's value must follow.
  public mutating func memberName(_ name: String) {
    text(name)
    bytes.append(UInt8(ascii: ":"))
    needsComma = false
  }
}
