// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// The stream table that the hardware reads in memory (`arm_smmu_init_strtab`). With stream IDs of
/// up to 8 bits it is linear. Otherwise it has two levels. A second-level table has 256 entries,
/// and is made when a device needs it. It is used under the host's lock.
final class StreamTableMemory {
  private static let split: UInt64 = 8
  private static let entryBytes: UInt64 = 64
  private static let leafBytes = (UInt64(1) << split) * entryBytes
  /// How many bits of a stream ID the first level resolves at most; this limit is Linux's.
  private static let firstLevelLimit: UInt64 = 17

  private let hardware: Hardware
  private let isLinear: Bool
  let base: UInt64
  let bytes: UInt64
  private let log2Size: UInt64
  private var leaves: [UInt64: UInt64] = [:]

  /// - Throws: `ENOMEM` when no memory is left for the table.
  init(_ hardware: Hardware, streamIDBits: Int) throws(Refusal) {
    self.hardware = hardware
    let bits = UInt64(streamIDBits)
    isLinear = bits <= Self.split
    let firstLevel = min(bits &- Self.split, Self.firstLevelLimit)
    log2Size = isLinear ? bits : firstLevel + Self.split
    bytes = isLinear ? Self.entryBytes << bits : max(64, 8 << firstLevel)
    guard let base = hardware.allocateTables(bytes, alignment: bytes) else {
      throw Refusal(.ENOMEM, "no memory is left for a stream table")
    }
    self.base = base
    if isLinear { fill(base, UInt64(1) << bits) }
  }

  func free() {
    hardware.machine.freeTables(base, bytes)
    for leaf in leaves.values { hardware.machine.freeTables(leaf, Self.leafBytes) }
  }

  /// How many bytes of memory all tables of both levels take.
  var takenBytes: UInt64 { bytes + UInt64(leaves.count) * Self.leafBytes }

  /// The value of STRTAB_BASE_CFG: FMT, SPLIT and LOG2SIZE.
  var configuration: UInt64 { isLinear ? log2Size : 1 << 16 | Self.split << 6 | log2Size }

  /// Whether the table can have an entry for a stream.
  func hasRoom(for stream: UInt32) -> Bool { UInt64(stream) >> log2Size == 0 }

  /// Makes the second-level table that has the entry of a stream, unless it is there already
  /// (`arm_smmu_init_l2_strtab`). The hardware can find it from commit on.
  ///
  /// - Throws: `ENOMEM` when no memory is left for it.
  func prepare(_ stream: UInt32, in transaction: Transaction) throws(Refusal) {
    let index = UInt64(stream) >> Self.split
    guard !isLinear, leaves[index] == nil else { return }
    let address = hardware.allocateTables(Self.leafBytes, alignment: Self.leafBytes)
    guard let address else {
      throw Refusal(.ENOMEM, field: "stream_id", "no memory is left for the stream table")
    }
    leaves[index] = address
    transaction.onRollback { [self] in
      leaves[index] = nil
      hardware.machine.freeTables(address, Self.leafBytes)
    }
    transaction.onCommit { [self] in
      fill(address, 1 << Self.split)
      // A SPAN of n stands for 2^(n - 1) entries, so 256 entries are a SPAN of 9.
      hardware.write(address | Self.split + 1, at: base + index * 8)
    }
  }

  /// Fills a table with entries that abort, since every stream is blocked until its device is
  /// attached.
  private func fill(_ address: UInt64, _ count: UInt64) {
    for index in 0..<count {
      hardware.write(StreamTableEntry.blocked.words, at: address + index * Self.entryBytes)
    }
  }

  /// The address of a stream's entry; nil while there is no second-level table for it.
  func address(of stream: UInt32) -> UInt64? {
    if isLinear { return base + UInt64(stream) * Self.entryBytes }
    let index = UInt64(stream) & ((1 << Self.split) - 1)
    return leaves[UInt64(stream) >> Self.split].map { $0 + index * Self.entryBytes }
  }

  /// Writes an entry in the steps that `EntryWriter` gives, and calls `commit` after each step to
  /// have the hardware drop the entry that it has cached.
  func write(
    _ entry: StreamTableEntry, of stream: UInt32, _ commit: () -> Void
  ) {
    guard let address = address(of: stream) else { return }
    let current = hardware.read(8, at: address)
    for step in EntryWriter.streamTable.steps(from: current, to: entry.words) {
      store(step, over: hardware.read(8, at: address), at: address)
      commit()
    }
  }

  /// Stores the words that differ. The first word has V, which says whether the others count. So it
  /// is stored last in an entry that is valid, and first in one that is not.
  private func store(_ words: [UInt64], over current: [UInt64], at address: UInt64) {
    let order = words[0] & 1 == 0 ? Array(0..<8) : Array(1..<8) + [0]
    for index in order where words[index] != current[index] {
      hardware.write([words[index]], at: address + UInt64(index) * 8)
    }
  }
}
