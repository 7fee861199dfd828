// SPDX-License-Identifier: Apache-2.0

/// Data that a caller hands to a driver through iommufd, which carries it without looking at it
/// (`struct iommu_user_data`).
public struct UserData: Sendable, Equatable, Codable {
  /// Which struct the bytes are (`enum iommu_hwpt_data_type` and its like); 0 says that there is
  /// none.
  public var type: UInt32
  /// The struct as it lies in the caller's memory: little-endian, as long as the caller says.
  public var bytes: [UInt8]
  /// Whether the caller's pointer leads to memory that cannot be read. The bytes then only say how
  /// many there would be, because the kernel checks the length before it reads.
  public var isUnreadable = false

  /// Wraps the bytes of a struct.
  public init(type: UInt32, bytes: [UInt8]) {
    self.type = type
    self.bytes = bytes
  }

  /// Wraps a struct that is made of 64-bit words, as the two words of a stream table entry are.
  public init(type: UInt32, words: [UInt64]) {
    self.init(type: type, bytes: words.flatMap { word in LittleEndian.bytes(of: word) })
  }

  /// Reads the bytes as a struct of the driver's (`iommu_copy_struct_from_user`).
  ///
  /// A caller that was built for an older and shorter version of the struct leaves out the last
  /// fields; they read as 0.
  ///
  /// - Parameters:
  ///   - type: the type of data that the driver takes.
  ///   - minimum: the length of the struct's first version in bytes.
  ///   - size: the length of the struct's present version in bytes.
  ///   - field: the field of the request that a refusal names.
  /// - Throws: `EINVAL` for another type, or for fewer or more bytes; `EFAULT` when the bytes
  ///   cannot be read.
  public func copy(
    type: UInt32, minimum: Int, size: Int, field: String
  ) throws(Refusal) -> LittleEndian {
    guard self.type == type else {
      throw Refusal(.EINVAL, field: field, "the driver takes data of type \(type) here")
    }
    guard bytes.count >= minimum, bytes.count <= size else {
      throw Refusal(.EINVAL, field: field, "data of type \(type) has \(minimum) to \(size) bytes")
    }
    if isUnreadable { throw Refusal(.EFAULT, field: field, "the data was not handed over") }
    return LittleEndian(bytes, size: size)
  }
}

/// Bytes in which little-endian numbers lie, as they do in the structs of the kernel's ABI.
///
/// Offsets are in bytes, and a number that is read or written must lie within the bytes: callers
/// take offsets from the ABI's structs, never from a client.
public struct LittleEndian: Sendable, Equatable {
  /// All bytes, as many as `init(_:size:)` was told.
  public private(set) var bytes: [UInt8]

  /// Takes the first bytes of a struct.
  ///
  /// - Parameter size: how many bytes to keep. When `bytes` has fewer, the rest is 0.
  public init(_ bytes: [UInt8], size: Int) {
    self.bytes = Array(bytes.prefix(size))
    while self.bytes.count < size { self.bytes.append(0) }
  }

  /// The byte at an offset.
  public func u8(_ offset: Int) -> UInt8 { bytes[offset] }
  /// The 16-bit number whose lowest byte is at an offset.
  public func u16(_ offset: Int) -> UInt16 { UInt16(truncatingIfNeeded: number(offset, 2)) }
  /// The 32-bit number whose lowest byte is at an offset.
  public func u32(_ offset: Int) -> UInt32 { UInt32(truncatingIfNeeded: number(offset, 4)) }
  /// The 64-bit number whose lowest byte is at an offset.
  public func u64(_ offset: Int) -> UInt64 { number(offset, 8) }

  /// Replaces the byte at an offset.
  public mutating func set(_ offset: Int, u8 value: UInt8) { bytes[offset] = value }
  /// Replaces the four bytes from an offset on by a number.
  public mutating func set(_ offset: Int, u32 value: UInt32) { set(offset, UInt64(value), 4) }
  /// Replaces the eight bytes from an offset on by a number.
  public mutating func set(_ offset: Int, u64 value: UInt64) { set(offset, value, 8) }

  private func number(_ offset: Int, _ count: Int) -> UInt64 {
    bytes[offset..<offset + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  private mutating func set(_ offset: Int, _ value: UInt64, _ count: Int) {
    for index in 0..<count {
      bytes[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
    }
  }

  /// The eight bytes of a word, the lowest first.
  public static func bytes(of word: UInt64) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) }
  }
}
