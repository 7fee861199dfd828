// SPDX-License-Identifier: Apache-2.0

/// Reads numbers and flags as scripts spell them.
enum Spelling {
  /// Reads a number in decimal digits or, behind `0x`, in hex digits. A negative one reads as its
  /// two's complement of 64 bits.
  ///
  /// - Returns: nil for any other text.
  static func number(_ text: String) -> UInt64? {
    let isNegative = text.hasPrefix("-")
    let digits = isNegative ? text.dropFirst() : text[...]
    let isHex = digits.hasPrefix("0x") || digits.hasPrefix("0X")
    let magnitude = isHex ? UInt64(digits.dropFirst(2), radix: 16) : UInt64(digits)
    return magnitude.map { isNegative ? 0 &- $0 : $0 }
  }

  /// Reads names and numbers with `|` between them, and joins their bits.
  ///
  /// - Returns: nil if one of them is neither a name nor a number.
  static func flags(_ text: String, _ names: [String: UInt64]) -> UInt64? {
    var bits: UInt64 = 0
    for word in text.split(separator: "|") {
      guard let value = names[String(word)] ?? number(String(word)) else { return nil }
      bits |= value
    }
    return bits
  }
}

/// Reads the arguments of one operation.
struct Arguments {
  private let operation: TraceOperation

  init(_ operation: TraceOperation) { self.operation = operation }

  subscript(name: String) -> String? {
    operation.arguments.first { $0.name == name }?.value
  }

  func has(_ name: String) -> Bool { self[name] != nil }

  /// Whether none of these arguments is given.
  func lacks(_ names: String...) -> Bool { names.allSatisfy { self[$0] == nil } }

  /// The value of an argument that the operation must have.
  func required(_ name: String) throws(PlayFailure) -> String {
    guard let value = self[name] else {
      throw .untranslatable("the operation has no argument `\(name)`")
    }
    return value
  }

  /// The name of the object that the operation is about.
  var name: String {
    get throws(PlayFailure) { try required("name") }
  }

  func number(_ name: String) throws(PlayFailure) -> UInt64? {
    guard let text = self[name] else { return nil }
    guard let value = Spelling.number(text) else {
      throw .untranslatable("`\(name)=\(text)` is no number")
    }
    return value
  }

  func number(_ name: String, default value: UInt64) throws(PlayFailure) -> UInt64 {
    try number(name) ?? value
  }

  func u32(_ name: String, default value: UInt32) throws(PlayFailure) -> UInt32 {
    try number(name).map { UInt32(truncatingIfNeeded: $0) } ?? value
  }

  /// Whether a switch is on, which is a number other than 0. One that is not given is off.
  func isOn(_ name: String) throws(PlayFailure) -> Bool { try number(name, default: 0) != 0 }

  func flags(_ name: String, _ names: [String: UInt64]) throws(PlayFailure) -> UInt64? {
    guard let text = self[name] else { return nil }
    guard let bits = Spelling.flags(text, names) else {
      throw .untranslatable("`\(name)=\(text)` has a flag that nobody knows")
    }
    return bits
  }
}

/// Why an operation could not be played, or its answer could not be read.
enum PlayFailure: Error {
  /// The server could not be reached.
  case transport(TransportFailure)
  /// The player does not know how to do the operation over the API.
  case untranslatable(String)
  /// The server's answer lacks something that it ought to have.
  case unexpected(String)
}
