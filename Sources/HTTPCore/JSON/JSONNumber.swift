// SPDX-License-Identifier: Apache-2.0

/// Reads integers from JSON numbers and strings.
enum JSONNumber {
  /// What a client is told whose value is no 64-bit quantity.
  static let quantityRule =
    "expected a 64-bit quantity: a string \"0x…\" of 1 to 16 hex digits, or an integer"

  /// The value of a number that is an integer in the range of `Int`, in any of JSON's spellings
  /// (`8`, `8.0`, `8e0`); nil for any other number.
  static func int(_ raw: ArraySlice<UInt8>) -> Int? {
    if raw.first == UInt8(ascii: "-") {
      guard let magnitude = magnitude(raw.dropFirst()) else { return nil }
      return Int(exactly: magnitude).map { -$0 }
    }
    return magnitude(raw).flatMap { Int(exactly: $0) }
  }

  /// The value of a hex string or of a non-negative integer; nil for anything else.
  static func quantity(_ value: JSONValue) -> UInt64? {
    switch value.kind {
    case .string: Hex.parse(value.rawScalar) ?? value.string.flatMap { Hex.parse($0.utf8) }
    case .number: magnitude(value.rawScalar)
    default: nil
    }
  }

  /// The value of a number without a sign; nil beyond 64 bits, and for one that is no integer.
  private static func magnitude(_ raw: ArraySlice<UInt8>) -> UInt64? {
    var value: UInt64 = 0
    for byte in raw {
      guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return spelled(raw) }
      let (product, overflows) = value.multipliedReportingOverflow(by: 10)
      let (sum, carries) = product.addingReportingOverflow(UInt64(byte - UInt8(ascii: "0")))
      if overflows || carries { return nil }
      value = sum
    }
    return raw.isEmpty ? nil : value
  }

  /// The value of a number that has a fraction or an exponent and is an integer all the same.
  private static func spelled(_ raw: ArraySlice<UInt8>) -> UInt64? {
    guard let number = Double(String(decoding: raw, as: UTF8.self)) else { return nil }
    // Above 2^53 a double no longer holds every integer, so the value could be another one.
    guard number <= 9_007_199_254_740_992 else { return nil }
    if number == 0 { return 0 }
    return UInt64(exactly: number)
  }
}
