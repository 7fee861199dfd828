// SPDX-License-Identifier: Apache-2.0
import SeededRandom

/// Takes numbers from the bytes of a fuzzer's input. Beyond the end of the input it gives zeros.
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
  /// Makes up an input of `count` bytes, rounded down to a multiple of 8.
  mutating func input(_ count: Int) -> [UInt8] {
    (0..<count / 8).flatMap { _ in
      let value = next()
      return (0..<8).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    }
  }
}
