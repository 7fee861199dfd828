// SPDX-License-Identifier: Apache-2.0

/// A member of a C structure: an unsigned integer of 8, 16, 32 or 64 bits.
enum StructField: Equatable {
  case u8(UInt8)
  case u16(UInt16)
  case u32(UInt32)
  case u64(UInt64)

  var byteCount: Int {
    switch self {
    case .u8: 1
    case .u16: 2
    case .u32: 4
    case .u64: 8
    }
  }

  var value: UInt64 {
    switch self {
    case .u8(let value): UInt64(value)
    case .u16(let value): UInt64(value)
    case .u32(let value): UInt64(value)
    case .u64(let value): value
    }
  }
}

/// Writes and reads the bytes of C structures in little-endian order. In all structures that are
/// used here the members are aligned without padding.
enum StructBytes {
  static func pack(_ fields: [StructField]) -> [UInt8] {
    fields.flatMap { field in
      (0..<field.byteCount).map { UInt8(truncatingIfNeeded: field.value >> UInt64($0 * 8)) }
    }
  }

  /// The argument of an ioctl: a structure that begins with its own size, a 32-bit integer.
  ///
  /// - Parameter fields: the members behind the size.
  static func argument(_ fields: StructField...) -> [UInt8] {
    let size = 4 + fields.map(\.byteCount).reduce(0, +)
    return pack([.u32(UInt32(truncatingIfNeeded: size))] + fields)
  }

  /// The bytes with zeros appended until they have the given size; longer ones are left as they
  /// are.
  static func padded(_ bytes: [UInt8], to size: Int) -> [UInt8] {
    bytes + Array(repeating: 0, count: max(0, size - bytes.count))
  }

  /// Reads an integer of 1 to 8 bytes; nil if some of them lie beyond the end.
  private static func number(_ bytes: [UInt8], at offset: Int, count: Int) -> UInt64? {
    guard offset + count <= bytes.count else { return nil }
    return bytes[offset..<offset + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  static func u8(_ bytes: [UInt8], at offset: Int) -> UInt8? {
    number(bytes, at: offset, count: 1).map { UInt8(truncatingIfNeeded: $0) }
  }

  static func u32(_ bytes: [UInt8], at offset: Int) -> UInt32? {
    number(bytes, at: offset, count: 4).map { UInt32(truncatingIfNeeded: $0) }
  }

  static func u64(_ bytes: [UInt8], at offset: Int) -> UInt64? {
    number(bytes, at: offset, count: 8)
  }

  // MARK: Hex

  /// Writes bytes as the API does: two hex digits for each.
  static func hex(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef")
    return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
  }

  /// Reads what `hex` has written, also with `0x` before it; nil for any other text.
  static func bytes(hex text: String) -> [UInt8]? {
    let digits = Array((text.hasPrefix("0x") ? text.dropFirst(2) : text[...]).utf8)
    guard digits.count.isMultiple(of: 2) else { return nil }
    var bytes: [UInt8] = []
    for index in stride(from: 0, to: digits.count, by: 2) {
      let pair = String(decoding: digits[index..<index + 2], as: UTF8.self)
      guard let byte = UInt8(pair, radix: 16) else { return nil }
      bytes.append(byte)
    }
    return bytes
  }
}
