// SPDX-License-Identifier: Apache-2.0

/// How the API writes a 64-bit quantity as text, as in `0x1f00`.
public enum HexText {
  /// Writes a quantity as `0x` and lower-case digits, without leading zeros.
  public static func of(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }

  /// Reads a quantity from `0x` and 1 to 16 digits of either case; nil for any other text.
  public static func parse(_ text: String) -> UInt64? { Hex.parse(text.utf8) }
}
