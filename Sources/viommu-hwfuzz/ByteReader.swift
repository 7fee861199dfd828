// SPDX-License-Identifier: Apache-2.0
import SeededRandom

/// Takes numbers from a fuzzer's bytes; behind their end everything is zero.
struct ByteReader {
  private let bytes: [UInt8]
  private var position = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  var isAtEnd: Bool { position >= bytes.count }

  mutating func byte() -> UInt8 {
    guard position < bytes.count else { return 0 }
    defer { position += 1 }
    return bytes[position]
  }

  mutating func half() -> UInt32 { UInt32(byte()) | UInt32(byte()) << 8 }
  mutating func word() -> UInt32 { half() | half() << 16 }
  mutating func doubleword() -> UInt64 { UInt64(word()) | UInt64(word()) << 32 }
}

extension SplitMix64 {
  /// That many bytes, rounded down to whole words, as a fuzzer's input.
  mutating func input(_ count: Int) -> [UInt8] {
    (0..<count / 8).flatMap { _ in
      let value = next()
      return (0..<8).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    }
  }
}
