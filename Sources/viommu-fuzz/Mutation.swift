// SPDX-License-Identifier: Apache-2.0
import SeededRandom

/// Spoils the bytes of requests.
enum Mutation {
  private typealias Way = @Sendable (inout [UInt8], inout SplitMix64) -> Void

  /// Bytes that tend to confuse parsers when they occur where none expects them.
  private static let poison: [[UInt8]] = [
    [0], [0xff], [0x0d], [0x0a], [0x0d, 0x0a, 0x0d, 0x0a], [0x20, 0x20], [0x09], [0x3a],
    Array("\r\nContent-Length: 5\r\n".utf8), Array("\r\nTransfer-Encoding: chunked\r\n".utf8),
    Array("%00".utf8), Array("%zz".utf8), Array("..".utf8), Array("\u{feff}".utf8),
    Array("18446744073709551616".utf8), Array("-1".utf8), Array("1e999".utf8),
    Array("0x".utf8), Array("\"".utf8), Array("\\ud800".utf8), Array("[[[[[[[[".utf8),
    Array("{\"a\":{\"a\":".utf8), Array("null".utf8), [0xc3, 0x28], [0xed, 0xa0, 0x80],
  ]

  /// Flips a bit, replaces a byte, inserts a piece of `poison`, removes a range, doubles a range,
  /// cuts the end off, and inserts a range many times.
  private static let ways: [Way] = [
    { bytes, random in
      bytes[place(bytes, &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
    },
    { bytes, random in bytes[place(bytes, &random)] = UInt8.random(in: 0...255, using: &random) },
    { bytes, random in
      bytes.insert(
        contentsOf: poison[Int.random(in: 0..<poison.count, using: &random)],
        at: place(bytes, &random))
    },
    { bytes, random in bytes.removeSubrange(range(bytes, &random)) },
    { bytes, random in
      let part = Array(bytes[range(bytes, &random)])
      bytes.insert(contentsOf: part, at: place(bytes, &random))
    },
    { bytes, random in bytes.removeSubrange(place(bytes, &random)...) },
    { bytes, random in
      let part = bytes[range(bytes, &random)]
      let times = Int.random(in: 1...100, using: &random)
      bytes.insert(
        contentsOf: repeatElement(part, count: times).joined(), at: place(bytes, &random))
    },
  ]

  /// Changes the bytes in one of the ways or, half of the time, in more.
  static func spoil(_ bytes: inout [UInt8], _ random: inout SplitMix64) {
    repeat {
      if bytes.isEmpty { return }
      ways[Int.random(in: 0..<ways.count, using: &random)](&bytes, &random)
    } while random.once(in: 2)
  }

  private static func place(_ bytes: [UInt8], _ random: inout SplitMix64) -> Int {
    Int.random(in: 0..<bytes.count, using: &random)
  }

  /// A random range of at most 64 bytes.
  private static func range(_ bytes: [UInt8], _ random: inout SplitMix64) -> Range<Int> {
    let start = place(bytes, &random)
    return start..<min(bytes.count, start + Int.random(in: 1...64, using: &random))
  }
}
