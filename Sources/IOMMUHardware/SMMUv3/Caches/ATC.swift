// SPDX-License-Identifier: Apache-2.0

/// The translations that a device with ATS keeps of those that it asked for (PCIe's address
/// translation cache). Only an ATC_INV, and switching ATS off, make it drop them.
struct ATC: Sendable {
  /// The most translations that a device keeps.
  static let limit = 64

  /// A translation that the device keeps.
  struct Entry: Sendable, Equatable {
    /// The PASID with bit 20 set; 0 if there is none.
    var key: UInt32
    /// The first address that it translates.
    var base: UInt64
    /// The logarithm of the bytes that it translates.
    var sizeLog2: Int
    /// The address that `base` is translated to.
    var output: UInt64
    /// What is allowed there.
    var permissions: Permissions
    /// The count of table writes at which it agreed with the tables.
    var agreedAt: UInt64
    /// The count at which a use found that it no longer agrees; 0 while it does.
    var staleAt: UInt64 = 0
  }

  private(set) var entries: [Entry] = []
  private var next = 0

  /// The index of the entry that translates an address for a PASID; nil if there is none.
  func index(of address: UInt64, key: UInt32) -> Int? {
    entries.firstIndex { $0.key == key && address & ~UInt64.ones($0.sizeLog2) == $0.base }
  }

  /// Notes whether an entry agrees with the tables.
  mutating func update(_ index: Int, agreedAt: UInt64, staleAt: UInt64) {
    entries[index].agreedAt = agreedAt
    entries[index].staleAt = staleAt
  }

  /// Keeps a translation, in place of one for the same address or, if the ATC is full, of another.
  mutating func insert(_ entry: Entry) {
    entries.removeAll { $0.key == entry.key && $0.base == entry.base }
    if entries.count < ATC.limit {
      entries.append(entry)
    } else {
      next = (next + 1) % ATC.limit
      entries[next] = entry
    }
  }

  /// Drops everything.
  mutating func removeAll() { entries.removeAll() }

  /// Drops what an ATC_INV names: all entries that overlap the `2^SIZE` pages of 4 KiB around its
  /// address.
  ///
  /// A request without a PASID drops entries that have one, too. Software has no other way to have
  /// everything of a stage 2 dropped, and Linux relies on it (`arm_smmu_atc_inv_to_cmd`).
  mutating func drop(_ command: Command) {
    let size = Int(command.dw1.field(5, 0)) + 12
    let offset = UInt64.ones(size)
    let first = command.address & ~offset
    let last = first | offset
    let key = command.substreamID | 1 << 20
    // GLOBAL means the entries of every PASID.
    let isGlobal = command.dw0.bit(9)
    entries.removeAll { entry in
      if command.hasSubstream, isGlobal ? entry.key == 0 : entry.key != key { return false }
      return entry.base <= last && entry.base | UInt64.ones(entry.sizeLog2) >= first
    }
  }
}
