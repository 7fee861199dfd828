// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// A page table in the machine's memory, with granules of 4 KiB, that the driver makes for one
/// domain (`drivers/iommu/io-pgtable-arm.c`).
///
/// Whether a mapping can be made is decided while the operation can still be refused. The tables
/// change at commit, when nothing can be refused any more. A page table is used under the host's
/// lock.
final class PageTable {
  enum Format {
    case stage1
    /// The format of stage 2. With forced write-back (S2FWB) the memory attributes have other
    /// codes.
    case stage2(forcesWriteBack: Bool)
  }

  /// The most tables that one page table may have. They take 64 MiB of memory.
  static let tableLimit: UInt64 = 16_384
  /// The logarithm of the translation granule in bytes.
  static let pageShift: UInt64 = 12
  private static let stride: UInt64 = 9
  private static let tableBytes: UInt64 = 4096

  private let hardware: Hardware
  private let format: Format
  /// The level at which the hardware starts its walk: 0 or 1.
  let startLevel: UInt64
  let root: UInt64
  let rootBytes: UInt64
  /// The tables below the root, by the address of the entry that leads to each. The driver does not
  /// read these addresses back from memory, because devices may have written over them.
  private var children: [UInt64: UInt64] = [:]
  /// How many entries of each table are in use, by the address of the table.
  private var usage: [UInt64: UInt64] = [:]
  private var reserved: UInt64 = 0

  /// - Parameter inputBits: the number of bits of the addresses that it translates, 32 to 48.
  /// - Throws: `ENOMEM` when no memory is left for the first table.
  init(_ hardware: Hardware, _ format: Format, inputBits: Int) throws(Refusal) {
    self.hardware = hardware
    self.format = format
    startLevel = inputBits > 43 ? 0 : 1
    // A stage 2 may start with up to 16 tables that follow one another in memory. It does so where
    // that saves a level.
    let covered = startLevel == 0 ? 48 : 39
    rootBytes = Self.tableBytes << UInt64(max(0, inputBits - covered))
    guard let root = hardware.allocateTables(rootBytes, alignment: rootBytes) else {
      throw Refusal(.ENOMEM, "no memory is left for a page table")
    }
    self.root = root
    hardware.clear(rootBytes, at: root)
  }

  func free() {
    for table in children.values {
      hardware.machine.freeTables(table, Self.tableBytes)
    }
    hardware.machine.freeTables(root, rootBytes)
  }

  // MARK: Checking

  /// Checks that a mapping can be made, and keeps memory back for the tables that it may need. So
  /// `map` finds room for them at commit, however much else the transaction maps.
  ///
  /// - Throws: `ERANGE` for memory that the hardware cannot address, `ENOMEM` when the mapping
  ///   would need more tables than there may be or than there is memory for.
  func reserve(_ area: Area, in transaction: Transaction) throws(Refusal) {
    let last = area.physical &+ (area.length &- 1)
    guard (area.physical | last) >> UInt64(hardware.outputBits) == 0 else {
      throw Refusal(
        .ERANGE, field: "physical",
        "the hardware's addresses have \(hardware.outputBits) bits, and \(hex(last)) has more")
    }
    let count = Self.tablesNeeded(area)
    guard count <= Self.tableLimit - reserved else {
      throw Refusal(
        .ENOMEM, field: "length",
        "the mapping's pages would need more than \(Self.tableLimit) page tables")
    }
    guard hardware.memory.promise(Int(count)) else {
      throw Refusal(.ENOMEM, field: "length", "no memory is left for page tables")
    }
    reserved += count
    transaction.onRollback {
      self.reserved -= count
      self.hardware.memory.withdraw(Int(count))
    }
  }

  func release(_ area: Area, in transaction: Transaction) {
    let count = Self.tablesNeeded(area)
    reserved -= count
    transaction.onRollback { self.reserved += count }
  }

  /// How many tables a mapping needs at most. If the IOVA and the physical address are aligned
  /// alike at a level, blocks map everything but the two ends, so only these need tables below that
  /// level.
  private static func tablesNeeded(_ area: Area) -> UInt64 {
    let difference = area.iova ^ area.physical
    return (1...3).reduce(0) { sum, level in
      let shift = pageShift + stride * UInt64(4 - level)
      let isCoarse = level > 1 && difference & ((1 << shift) - 1) == 0
      return sum + (isCoarse ? 2 : (area.length >> shift) + 2)
    }
  }

  // MARK: Changing

  /// Makes a mapping for which `reserve` has kept memory back.
  func map(_ area: Area) {
    hardware.memory.withdraw(Int(Self.tablesNeeded(area)))
    update(area, with: leaf(area))
  }

  func unmap(_ area: Area) { update(area, with: nil) }

  /// Entries that follow one another in one table.
  private struct Run {
    let iova: UInt64
    let physical: UInt64
    let level: UInt64
    let count: UInt64
  }

  private func update(_ area: Area, with attributes: UInt64?) {
    var done: UInt64 = 0
    while done < area.length {
      let iova = area.iova + done
      let physical = area.physical &+ done
      let level = Self.level(iova | physical, area.length - done)
      let room = entryCount(level) - index(iova, level)
      let count = min(room, (area.length - done) / Self.span(level))
      let run = Run(iova: iova, physical: physical, level: level, count: count)
      if let attributes { fill(run, attributes) } else { clear(run) }
      done += count * Self.span(level)
    }
  }

  /// The level with the largest pages that the alignment of the address and the remaining length
  /// allow.
  private static func level(_ address: UInt64, _ rest: UInt64) -> UInt64 {
    for level: UInt64 in [1, 2] where address & (span(level) - 1) == 0 && rest >= span(level) {
      return level
    }
    return 3
  }

  /// How many bytes an entry of a level maps.
  private static func span(_ level: UInt64) -> UInt64 {
    1 << (pageShift + stride * (3 - level))
  }

  private func entry(_ physical: UInt64, _ level: UInt64, _ attributes: UInt64) -> UInt64 {
    physical & 0x0000_ffff_ffff_f000 | attributes | (level == 3 ? 0b11 : 0b01)
  }

  private func leaf(_ area: Area) -> UInt64 {
    let accessed: UInt64 = 1 << 10
    let innerShareable: UInt64 = 3 << 8
    switch format {
    case .stage1:
      // AttrIndx 1 is write-back. Bit 6 (AP) allows unprivileged accesses, bit 7 makes the page
      // read-only, and bit 11 (nG) binds the translation to the domain's ASID.
      return accessed | innerShareable | 1 << 2 | 1 << 6 | (area.isWritable ? 0 : 1 << 7)
        | 1 << 11
    case .stage2(let forcesWriteBack):
      return accessed | innerShareable | (forcesWriteBack ? 6 : 0xf) << 2
        | (area.isReadable ? 1 << 6 : 0) | (area.isWritable ? 1 << 7 : 0)
    }
  }

  private func fill(_ run: Run, _ attributes: UInt64) {
    guard let table = makePath(run.iova, to: run.level) else { return }
    let first = table + index(run.iova, run.level) * 8
    for number in 0..<run.count {
      let physical = run.physical &+ number * Self.span(run.level)
      hardware.write(entry(physical, run.level, attributes), at: first + number * 8)
    }
    usage[table, default: 0] += run.count
  }

  private func clear(_ run: Run) {
    // The tables on the way down, each with the address of the entry that leads to the next one.
    var path: [(parent: UInt64, slot: UInt64)] = []
    var table = root
    for level in startLevel..<run.level {
      let slot = table + index(run.iova, level) * 8
      guard let child = children[slot] else { return }
      path.append((table, slot))
      table = child
    }
    hardware.clear(run.count * 8, at: table + index(run.iova, run.level) * 8)
    release(run.count, of: table)
    trim(table, path)
  }

  private func release(_ count: UInt64, of table: UInt64) {
    let used = usage[table] ?? 0
    usage[table] = used - min(used, count)
  }

  /// Takes tables that have become empty out of the tree, from the lowest one upwards.
  private func trim(_ table: UInt64, _ path: [(parent: UInt64, slot: UInt64)]) {
    var table = table
    for (parent, slot) in path.reversed() {
      guard usage[table] == 0 else { return }
      usage[table] = nil
      children[slot] = nil
      hardware.write(0, at: slot)
      emptied.append(table)
      release(1, of: parent)
      table = parent
    }
  }

  /// The table of a level that maps an address. It and the tables above it are made if they are not
  /// there. It is nil if no memory is left for them.
  private func makePath(_ iova: UInt64, to level: UInt64) -> UInt64? {
    var table = root
    for current in startLevel..<level {
      let slot = table + index(iova, current) * 8
      if let child = children[slot] {
        table = child
        continue
      }
      let child = hardware.allocateTables(Self.tableBytes, alignment: Self.tableBytes)
      guard let child else { return nil }
      hardware.clear(Self.tableBytes, at: child)
      hardware.write(child | 0b11, at: slot)
      children[slot] = child
      usage[table, default: 0] += 1
      usage[child] = 0
      table = child
    }
    return table
  }

  /// The tables that were taken out of the tree. They are kept until the hardware has dropped what
  /// it cached of them, because until then it may still read them.
  private var emptied: [UInt64] = []

  /// Frees the tables that were taken out of the tree. It is called when the hardware has dropped
  /// what it cached of them.
  func freeEmptied() {
    for table in emptied { hardware.machine.freeTables(table, Self.tableBytes) }
    emptied = []
  }

  private func entryCount(_ level: UInt64) -> UInt64 {
    // The table of the first level may consist of several tables that follow one another.
    level == startLevel ? rootBytes / 8 : 512
  }

  private func index(_ iova: UInt64, _ level: UInt64) -> UInt64 {
    let shift = Self.pageShift + Self.stride * (3 - level)
    return (iova >> shift) & (entryCount(level) - 1)
  }
}
