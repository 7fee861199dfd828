// SPDX-License-Identifier: Apache-2.0

/// How the API writes a run of bytes as text: two hex digits for each byte, without a prefix.
public enum HexBytes {
  /// The rule in words, for a client whose text is not of this form.
  public static let rule = "must be hex digits, two for each byte"

  private static let digits = Array("0123456789abcdef".utf8)

  /// Writes bytes as text, with lower-case digits.
  public static func text(of bytes: some Collection<UInt8>) -> String {
    var text: [UInt8] = []
    text.reserveCapacity(bytes.count * 2)
    for byte in bytes {
      text.append(digits[Int(byte >> 4)])
      text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// Reads bytes from text, with digits of either case; nil for a text that breaks `rule`.
  public static func parse(_ text: String) -> [UInt8]? {
    guard text.utf8.count.isMultiple(of: 2) else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.utf8.count / 2)
    var high: UInt8?
    for character in text.utf8 {
      guard let digit = value(of: character) else { return nil }
      if let upper = high {
        bytes.append(upper << 4 | digit)
        high = nil
      } else {
        high = digit
      }
    }
    return bytes
  }

  private static func value(of character: UInt8) -> UInt8? {
    switch character {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): character - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}

extension ObjectReader {
  /// Reads a field that is a run of bytes, as `HexBytes` defines it. Only the limit of the whole
  /// body bounds their number.
  ///
  /// - Returns: nil where the field is missing, null or wrong; faults are noted as by `text`.
  public func bytes(_ name: String, required: Bool = false) -> [UInt8]? {
    guard let text = text(name, required: required, limit: .max) else { return nil }
    guard let bytes = HexBytes.parse(text) else {
      fault(.invalidField, name, HexBytes.rule)
      return nil
    }
    return bytes
  }
}
