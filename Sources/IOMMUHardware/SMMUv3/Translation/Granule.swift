// SPDX-License-Identifier: Apache-2.0

/// The size of a page, which is also that of a table (DDI 0487, section D8.2).
enum Granule: UInt8, Sendable, Equatable {
  case size4K = 12
  case size16K = 14
  case size64K = 16

  /// The logarithm of the bytes.
  var shift: Int { Int(rawValue) }
  /// Address bits that one level resolves.
  var stride: Int { shift - 3 }

  /// The lowest address bit that a level resolves.
  func shift(atLevel level: Int) -> Int { shift + (3 - level) * stride }

  /// Whether a level may have blocks: 4 KiB at 1 and 2, the others at 2.
  func hasBlocks(atLevel level: Int) -> Bool {
    level == 2 || level == 1 && self == .size4K
  }

  /// From S2TG and TG0.
  init?(tg0 code: UInt64) {
    switch code {
    case 0: self = .size4K
    case 1: self = .size64K
    case 2: self = .size16K
    default: return nil
    }
  }

  /// From TG1, whose codes differ.
  init?(tg1 code: UInt64) {
    switch code {
    case 1: self = .size16K
    case 2: self = .size4K
    case 3: self = .size64K
    default: return nil
    }
  }

  /// Whether the SMMU has tables of the granule (IDR5).
  func isSupported(by features: SMMUv3Features) -> Bool {
    switch self {
    case .size4K: features.gran4k
    case .size16K: features.gran16k
    case .size64K: features.gran64k
    }
  }

  /// The bits that the address of a first table may have, of those that an output may have: only
  /// tables of 64 KiB granules reach beyond 48.
  func baseSize(_ outputSize: Int) -> Int { self == .size64K ? outputSize : min(outputSize, 48) }

  /// The logarithm of what a first table is aligned to: its size, and at least 64 bytes where
  /// outputs have 52 bits.
  static func tableAlignment(_ firstBits: Int, _ outputSize: Int) -> Int {
    max(outputSize > 48 ? 6 : 4, firstBits + 3)
  }
}

extension UInt64 {
  /// A word whose `count` lowest bits are set; all of them from 64 on.
  @inline(__always)
  static func ones(_ count: Int) -> UInt64 {
    count >= 64 ? .max : count <= 0 ? 0 : (1 << UInt64(count)) &- 1
  }
}

/// A descriptor of a translation table.
struct TableDescriptor {
  enum Kind {
    case invalid
    /// The address of the next table.
    case table(UInt64)
    /// The address of a page or block.
    case leaf(UInt64)
  }

  var word: UInt64

  /// - Parameter isWide: whether addresses have 52 bits, of which a 64 KiB granule's descriptor
  ///   keeps the uppermost four in bits 15:12.
  func kind(atLevel level: Int, _ granule: Granule, isWide: Bool) -> Kind {
    let upper = isWide && granule == .size64K ? word.field(15, 12) << 48 : 0
    let limit = (word & 0x0000_ffff_ffff_ffff) | upper
    switch word & 3 {
    case 3 where level == 3: return .leaf(limit & ~UInt64.ones(granule.shift))
    case 3: return .table(limit & ~UInt64.ones(granule.shift))
    case 1 where level < 3 && granule.hasBlocks(atLevel: level):
      return .leaf(limit & ~UInt64.ones(granule.shift(atLevel: level)))
    default: return .invalid
    }
  }

  /// AF, bit 10.
  var isAccessed: Bool { word.bit(10) }
  /// DBM, bit 51: the hardware may make the page writable.
  var hasDirtyState: Bool { word.bit(51) }
}
