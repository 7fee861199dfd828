// SPDX-License-Identifier: Apache-2.0

/// The bits `high` to `low` of a word; fewer than 64 of them.
func bits(_ word: UInt64, _ high: UInt64, _ low: UInt64) -> UInt64 {
  (word >> low) % (1 << (high - low + 1))
}

/// The bit `index` of a word.
func bit(_ word: UInt64, _ index: UInt64) -> Bool { bits(word, index, index) == 1 }

/// An address with its lowest `count` bits cleared.
func aligned(_ address: UInt64, to count: UInt64) -> UInt64 { (address >> count) << count }

/// Whether a number needs no more than `count` bits.
func fits(_ value: UInt64, _ count: UInt64) -> Bool { count >= 64 || value >> count == 0 }

/// The size of a page, by its logarithm, with what follows from it.
enum ReferenceGranule: UInt64, CaseIterable {
  case kib4 = 12
  case kib16 = 14
  case kib64 = 16

  /// Bits of the address that one level resolves: a table is a page of 8-byte descriptors.
  var stride: UInt64 { rawValue - 3 }

  /// The lowest bit of the address that a level resolves.
  func shift(_ level: UInt64) -> UInt64 { rawValue + (3 - level) * stride }

  /// Whether a descriptor of the type "block" means something at a level.
  func hasBlocks(_ level: UInt64) -> Bool {
    switch self {
    case .kib4: level == 1 || level == 2
    case .kib16, .kib64: level == 2
    }
  }

  /// S2TG and TG0.
  static func tg0(_ code: UInt64) -> ReferenceGranule? {
    switch code {
    case 0: .kib4
    case 1: .kib64
    case 2: .kib16
    default: nil
    }
  }

  /// TG1, whose codes are others.
  static func tg1(_ code: UInt64) -> ReferenceGranule? {
    switch code {
    case 1: .kib16
    case 2: .kib4
    case 3: .kib64
    default: nil
    }
  }
}

/// What a descriptor of a translation table is.
enum ReferenceDescriptor: Equatable {
  /// Also what is reserved.
  case invalid
  case table
  case leaf

  init(_ word: UInt64, _ level: UInt64, _ granule: ReferenceGranule) {
    switch (bits(word, 1, 0), level) {
    case (0b11, 3): self = .leaf
    case (0b11, _): self = .table
    case (0b01, 0...2) where granule.hasBlocks(level): self = .leaf
    default: self = .invalid
    }
  }
}

/// Read, write, execute: for the privileged and for the unprivileged.
struct ReferenceRights: Equatable {
  var privilegedRead = true
  var privilegedWrite = true
  var privilegedExecute = true
  var read = true
  var write = true
  var execute = true

  /// The bits as `Permissions` numbers them.
  var code: UInt16 {
    let all = [privilegedRead, privilegedWrite, privilegedExecute, read, write, execute]
    return all.enumerated().reduce(0) { $0 | ($1.element ? 1 << UInt16($1.offset) : 0) }
  }

  func and(_ other: ReferenceRights) -> ReferenceRights {
    ReferenceRights(
      privilegedRead: privilegedRead && other.privilegedRead,
      privilegedWrite: privilegedWrite && other.privilegedWrite,
      privilegedExecute: privilegedExecute && other.privilegedExecute,
      read: read && other.read, write: write && other.write, execute: execute && other.execute)
  }
}
