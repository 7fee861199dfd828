// SPDX-License-Identifier: Apache-2.0

/// 64-bit quantities as text, `0x1f00`.
public enum HexText {
  /// A number as the API writes it: `0x` and lower case digits, without leading zeros.
  public static func of(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }

  /// `0x` and 1 to 16 digits; nil for anything else.
  public static func parse(_ text: String) -> UInt64? { Hex.parse(text.utf8) }
}
