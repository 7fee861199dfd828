// SPDX-License-Identifier: Apache-2.0

/// Finds where a response ends that declares its length.
///
/// It must take less time than the server that is measured. So it looks for the end of the header
/// section and for Content-Length, and checks nothing else.
enum ResponseParser {
  private static let lengthName = Array("\ncontent-length:".utf8)

  struct Found {
    let status: Int
    let bodyLength: Int
    /// The length of the whole response, in bytes.
    let length: Int
  }

  /// Finds the response that the bytes begin with.
  ///
  /// - Parameter count: how many of the bytes have come; the others are not looked at.
  /// - Returns: nil if a part of the response is missing.
  static func parse(_ bytes: [UInt8], count: Int) -> Found? {
    unsafe bytes.withUnsafeBufferPointer { bytes in
      // Each loop below checks that its indices stay below the count.
      let bytes = unsafe UnsafeBufferPointer(rebasing: bytes[..<count])
      guard let headEnd = unsafe headEnd(bytes) else { return nil }
      let bodyLength = unsafe declaredLength(bytes, before: headEnd)
      guard bytes.count >= headEnd + bodyLength else { return nil }
      let status = unsafe number(bytes, from: 9)
      return Found(status: status, bodyLength: bodyLength, length: headEnd + bodyLength)
    }
  }

  @unsafe private static func headEnd(_ bytes: UnsafeBufferPointer<UInt8>) -> Int? {
    var index = 3
    while index < bytes.count {
      // The section ends in CR LF CR LF, and `index` looks for the last of these. Another byte is
      // none of the four, so that the last comes at the earliest four bytes behind it.
      switch unsafe bytes[index] {
      case UInt8(ascii: "\n"):
        if unsafe bytes[index - 2] == UInt8(ascii: "\n") { return index + 1 }
        index += 2
      case UInt8(ascii: "\r"): index += 1
      default: index += 4
      }
    }
    return nil
  }

  @unsafe private static func declaredLength(
    _ bytes: UnsafeBufferPointer<UInt8>, before end: Int
  ) -> Int {
    var index = 0
    while index + lengthName.count < end {
      if unsafe bytes[index] == UInt8(ascii: "\n"), unsafe isLength(bytes, at: index) {
        return unsafe number(bytes, from: index + lengthName.count)
      }
      index += 1
    }
    return 0
  }

  @unsafe private static func isLength(
    _ bytes: UnsafeBufferPointer<UInt8>, at start: Int
  ) -> Bool {
    for offset in 1..<lengthName.count
    where unsafe bytes[start + offset] | 0x20 != lengthName[offset] | 0x20 {
      return false
    }
    return true
  }

  @unsafe private static func number(
    _ bytes: UnsafeBufferPointer<UInt8>, from start: Int
  ) -> Int {
    var value = 0
    var index = start
    while index < bytes.count, value < 1 << 40 {
      let byte = unsafe bytes[index]
      if byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") {
        value = value * 10 + Int(byte - UInt8(ascii: "0"))
      } else if byte != UInt8(ascii: " ") || value > 0 {
        break
      }
      index += 1
    }
    return value
  }
}
