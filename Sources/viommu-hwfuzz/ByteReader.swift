// SPDX-License-Identifier: Apache-2.0

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

/// The numbers of a seed (SplitMix64).
struct SeededBytes {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
    return value ^ value >> 31
  }

  mutating func input(_ count: Int) -> [UInt8] {
    (0..<count / 8).flatMap { _ in
      let value = next()
      return (0..<8).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    }
  }
}
