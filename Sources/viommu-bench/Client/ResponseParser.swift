// SPDX-License-Identifier: Apache-2.0

/// Finds the ends of responses of declared length.
///
/// It has to be faster than the server that it measures, so it looks for two things only.
enum ResponseParser {
  private static let lengthName = Array("\ncontent-length:".utf8)

  struct Found {
    let status: Int
    let bodyLength: Int
    /// Bytes of the response, head and body.
    let length: Int
  }

  /// A whole response at the start of the first `count` bytes.
  ///
  /// - Returns: nil while some of it is missing.
  static func parse(_ bytes: [UInt8], count: Int) -> Found? {
    unsafe bytes.withUnsafeBufferPointer { bytes in
      // Indices stay below the count, which each loop checks.
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
      // Most bytes rule out three more places at once.
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
