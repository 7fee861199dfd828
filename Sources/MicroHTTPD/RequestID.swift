// SPDX-License-Identifier: Apache-2.0

/// Names for requests, for the `X-Request-ID` field and the log.
///
/// A name is a random prefix, drawn once for each server, and a count: unlike a UUID it costs
/// next to nothing, and it shows the order of requests.
struct RequestIDs {
  private static let longest = 128

  private let prefix: [UInt8]
  private var count: UInt64 = 0

  init() {
    prefix = RequestIDs.digits(UInt64.random(in: 0...UInt64(UInt32.max)), width: 8) + [0x2d]
  }

  mutating func next() -> String {
    count &+= 1
    // As many digits as there are, so that a name stays within a small string for long.
    let width = max(4, (UInt64.bitWidth - count.leadingZeroBitCount + 3) / 4)
    return String(decoding: prefix + RequestIDs.digits(count, width: width), as: UTF8.self)
  }

  /// Whether a client's name can be sent back and logged as it is.
  static func isSane(_ name: String) -> Bool {
    let bytes = name.utf8
    guard !bytes.isEmpty, bytes.count <= longest else { return false }
    return bytes.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "\"") }
  }

  private static func digits(_ value: UInt64, width: Int) -> [UInt8] {
    (0..<width).map { index in
      let digit = UInt8(value >> UInt64(4 * (width - 1 - index)) & 0xf)
      return digit < 10 ? 0x30 + digit : 0x57 + digit
    }
  }
}
