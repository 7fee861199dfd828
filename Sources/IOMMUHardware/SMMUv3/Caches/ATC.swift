// SPDX-License-Identifier: Apache-2.0

/// What a device with ATS keeps of the translations that it asked for (PCIe's address translation
/// cache). Only ATC_INV, and switching ATS off, make it forget.
struct ATC: Sendable {
  static let limit = 64

  struct Entry: Sendable, Equatable {
    /// 0 without a PASID, else the PASID with bit 20 set.
    var key: UInt32
    var base: UInt64
    var sizeLog2: Int
    var output: UInt64
    var permissions: Permissions
    var agreedAt: UInt64
    var staleAt: UInt64 = 0
  }

  private(set) var entries: [Entry] = []
  private var next = 0

  func index(of address: UInt64, key: UInt32) -> Int? {
    entries.firstIndex { $0.key == key && address & ~UInt64.ones($0.sizeLog2) == $0.base }
  }

  mutating func update(_ index: Int, agreedAt: UInt64, staleAt: UInt64) {
    entries[index].agreedAt = agreedAt
    entries[index].staleAt = staleAt
  }

  mutating func insert(_ entry: Entry) {
    entries.removeAll { $0.key == entry.key && $0.base == entry.base }
    if entries.count < ATC.limit {
      entries.append(entry)
    } else {
      next = (next + 1) % ATC.limit
      entries[next] = entry
    }
  }

  mutating func removeAll() { entries.removeAll() }

  /// Forgets what an ATC_INV names: `2^SIZE` pages of 4 KiB around its address.
  ///
  /// A request without a PASID means the entries with one, too: software has no other way to have
  /// all of a stage 2 forgotten, and Linux relies on it (`arm_smmu_atc_inv_to_cmd`).
  mutating func drop(_ command: Command) {
    let size = Int(command.dw1.field(5, 0)) + 12
    let offset = UInt64.ones(size)
    let first = command.address & ~offset
    let last = first | offset
    let key = command.substreamID | 1 << 20
    // GLOBAL: with every PASID.
    let isGlobal = command.dw0.bit(9)
    entries.removeAll { entry in
      if command.hasSubstream, isGlobal ? entry.key == 0 : entry.key != key { return false }
      return entry.base <= last && entry.base | UInt64.ones(entry.sizeLog2) >= first
    }
  }
}
