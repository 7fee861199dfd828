// SPDX-License-Identifier: Apache-2.0

/// What a caller hands to a driver through iommufd, which only carries it
/// (`struct iommu_user_data`).
public struct UserData: Sendable, Equatable, Codable {
  /// What the bytes are (`enum iommu_hwpt_data_type` and its like); 0 is nothing.
  public var type: UInt32
  public var bytes: [UInt8]
  /// Whether the caller's pointer leads nowhere; the bytes then only say how many there would be.
  public var isUnreadable = false

  public init(type: UInt32, bytes: [UInt8]) {
    self.type = type
    self.bytes = bytes
  }

  public init(type: UInt32, words: [UInt64]) {
    self.init(type: type, bytes: words.flatMap { word in LittleEndian.bytes(of: word) })
  }

  /// The bytes as a driver's struct (`iommu_copy_struct_from_user`): those that an older caller
  /// leaves out are 0.
  ///
  /// - Parameters:
  ///   - minimum: bytes of the struct's first version.
  ///   - size: bytes of the struct.
  /// - Throws: `EINVAL` for another type, or for fewer or more bytes; `EFAULT` when they are not
  ///   there.
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

/// Bytes with little-endian numbers in them: the structs of the kernel's ABI.
public struct LittleEndian: Sendable, Equatable {
  public private(set) var bytes: [UInt8]

  /// - Parameter size: in bytes; what `bytes` lacks is 0, and what it has more is left out.
  public init(_ bytes: [UInt8], size: Int) {
    self.bytes = Array(bytes.prefix(size))
    while self.bytes.count < size { self.bytes.append(0) }
  }

  public func u8(_ offset: Int) -> UInt8 { bytes[offset] }
  public func u16(_ offset: Int) -> UInt16 { UInt16(truncatingIfNeeded: number(offset, 2)) }
  public func u32(_ offset: Int) -> UInt32 { UInt32(truncatingIfNeeded: number(offset, 4)) }
  public func u64(_ offset: Int) -> UInt64 { number(offset, 8) }

  public mutating func set(_ offset: Int, u8 value: UInt8) { bytes[offset] = value }
  public mutating func set(_ offset: Int, u32 value: UInt32) { set(offset, UInt64(value), 4) }
  public mutating func set(_ offset: Int, u64 value: UInt64) { set(offset, value, 8) }

  private func number(_ offset: Int, _ count: Int) -> UInt64 {
    bytes[offset..<offset + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  private mutating func set(_ offset: Int, _ value: UInt64, _ count: Int) {
    for index in 0..<count {
      bytes[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
    }
  }

  /// The eight bytes of a word.
  public static func bytes(of word: UInt64) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) }
  }
}
