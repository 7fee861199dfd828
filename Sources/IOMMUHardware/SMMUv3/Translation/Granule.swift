// SPDX-License-Identifier: Apache-2.0

/// A translation granule: the size of a page and of a table (DDI 0487, section D8.2). The raw value
/// is the logarithm of its bytes.
enum Granule: UInt8, Sendable, Equatable {
  /// 4 KiB.
  case size4K = 12
  /// 16 KiB.
  case size16K = 14
  /// 64 KiB.
  case size64K = 16

  /// The logarithm of the granule's bytes.
  var shift: Int { Int(rawValue) }
  /// How many address bits one level of tables resolves. A table has as many entries of 8 bytes as
  /// fit.
  var stride: Int { shift - 3 }

  /// The lowest address bit that a level resolves, which is the logarithm of what one of its
  /// entries maps.
  func shift(atLevel level: Int) -> Int { shift + (3 - level) * stride }

  /// Whether an entry of a level may map a block: of levels 1 and 2 with 4 KiB granules, of level 2
  /// with the others.
  func hasBlocks(atLevel level: Int) -> Bool {
    level == 2 || level == 1 && self == .size4K
  }

  /// The granule of a value of TG0 or S2TG; nil for the reserved one.
  init?(tg0 code: UInt64) {
    switch code {
    case 0: self = .size4K
    case 1: self = .size64K
    case 2: self = .size16K
    default: return nil
    }
  }

  /// The granule of a value of TG1, whose codes differ from TG0's; nil for the reserved one.
  init?(tg1 code: UInt64) {
    switch code {
    case 1: self = .size16K
    case 2: self = .size4K
    case 3: self = .size64K
    default: return nil
    }
  }

  /// Whether the SMMU takes tables of this granule (IDR5).
  func isSupported(by features: SMMUv3Features) -> Bool {
    switch self {
    case .size4K: features.gran4k
    case .size16K: features.gran16k
    case .size64K: features.gran64k
    }
  }

  /// How many bits the address of a first table may have if output addresses have `outputSize`. It
  /// can have more than 48 only with granules of 64 KiB.
  func baseSize(_ outputSize: Int) -> Int { self == .size64K ? outputSize : min(outputSize, 48) }

  /// The logarithm of a first table's alignment. It is aligned to its size, and at least to 64
  /// bytes if output addresses have 52 bits, to 16 bytes if not.
  ///
  /// - Parameters:
  ///   - firstBits: how many address bits the table resolves.
  ///   - outputSize: how many bits an output address has.
  static func tableAlignment(_ firstBits: Int, _ outputSize: Int) -> Int {
    max(outputSize > 48 ? 6 : 4, firstBits + 3)
  }
}

extension UInt64 {
  /// A word whose `count` lowest bits are set. With a count of 64 or more all are set, and with one
  /// below 1 none are.
  @inline(__always)
  static func ones(_ count: Int) -> UInt64 {
    count >= 64 ? .max : count <= 0 ? 0 : (1 << UInt64(count)) &- 1
  }
}

/// A descriptor: an entry of a translation table.
struct TableDescriptor {
  /// What a descriptor is.
  enum Kind {
    /// Nothing is mapped here.
    case invalid
    /// It has the address of the next level's table.
    case table(UInt64)
    /// It has the address of a page or block.
    case leaf(UInt64)
  }

  /// The descriptor as it is in memory.
  var word: UInt64

  /// What the descriptor is, if it is in a table of a level.
  ///
  /// - Parameters:
  ///   - level: 0 to 3. The same bits mean a page at level 3 and a table at the others.
  ///   - granule: the granule of the tables.
  ///   - isWide: whether addresses have 52 bits. With a granule of 64 KiB the uppermost four of
  ///     them are in bits 15:12.
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

  /// AF, bit 10: the access flag.
  var isAccessed: Bool { word.bit(10) }
  /// DBM, bit 51: the page is writable, and the hardware notes the first write to it in the
  /// descriptor.
  var hasDirtyState: Bool { word.bit(51) }
}
