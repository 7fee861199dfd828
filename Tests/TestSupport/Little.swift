// SPDX-License-Identifier: Apache-2.0

/// Numbers as a command's struct has them: bytes in hex digits, little-endian.
package struct Little {
  package private(set) var text = ""

  package init() {}

  package mutating func u32(_ words: UInt32...) {
    for word in words { add(UInt64(word), bytes: 4) }
  }
  package mutating func u64(_ words: UInt64...) { for word in words { add(word, bytes: 8) } }

  private mutating func add(_ word: UInt64, bytes: Int) {
    for index in 0..<bytes {
      let digits = String(UInt8(truncatingIfNeeded: word >> (8 * UInt64(index))), radix: 16)
      text += digits.utf8.count == 1 ? "0" + digits : digits
    }
  }

  package static func u32(_ words: UInt32...) -> String {
    var little = Little()
    for word in words { little.u32(word) }
    return little.text
  }

  package static func u64(_ words: UInt64...) -> String {
    var little = Little()
    for word in words { little.u64(word) }
    return little.text
  }

  /// The number of 32 bits at a place of some bytes.
  package static func u32(of bytes: String?, at offset: Int) -> UInt32? {
    let digits = Array((bytes ?? "").utf8).dropFirst(2 * offset).prefix(8)
    guard digits.count == 8 else { return nil }
    return stride(from: 6, through: 0, by: -2).reduce(UInt32(0)) { number, place in
      let start = digits.startIndex + place
      let byte = UInt32(String(decoding: digits[start..<start + 2], as: UTF8.self), radix: 16)
      return number << 8 | (byte ?? 0)
    }
  }
}
