// SPDX-License-Identifier: Apache-2.0

/// Names for requests, for the `X-Request-ID` field and the log.
///
/// A name is a random prefix, drawn once for each server, and a count: unlike a UUID it costs
/// next to nothing, and it shows the order of requests. It has 15 bytes because a string of that
/// length needs no memory of its own.
struct RequestIDs {
  private static let longest = 128
  private static let prefixLength = 6

  private var name: [UInt8]

  init() {
    var random = SystemRandomNumberGenerator()
    let digits = Array("0123456789abcdef".utf8)
    name = (0..<RequestIDs.prefixLength).map { _ in digits[Int(random.next() & 0xf)] }
    name += "-00000000".utf8
  }

  mutating func next() -> String {
    var index = name.count - 1
    // Counts in place: nearly always one digit changes.
    while index > RequestIDs.prefixLength {
      switch name[index] {
      case UInt8(ascii: "9"): name[index] = UInt8(ascii: "a")
      case UInt8(ascii: "f"):
        name[index] = UInt8(ascii: "0")
        index -= 1
        continue
      default: name[index] += 1
      }
      break
    }
    return String(decoding: name, as: UTF8.self)
  }

  /// Whether a client's name can be sent back and logged as it is.
  static func isSane(_ name: String) -> Bool {
    let bytes = name.utf8
    guard !bytes.isEmpty, bytes.count <= longest else { return false }
    return bytes.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "\"") }
  }
}
