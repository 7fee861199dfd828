// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// The stream table in memory (`arm_smmu_init_strtab`): linear for up to 8 bits of stream IDs,
/// else of two levels with 256 entries each, which are made when a device needs them.
///
/// Used under the host's lock.
final class StreamTableMemory {
  private static let split: UInt64 = 8
  private static let entryBytes: UInt64 = 64
  private static let leafBytes = (UInt64(1) << split) * entryBytes
  /// The greatest first level that Linux makes, in bits of its index.
  private static let firstLevelLimit: UInt64 = 17

  private let hardware: Hardware
  private let isLinear: Bool
  let base: UInt64
  let bytes: UInt64
  private let log2Size: UInt64
  private var leaves: [UInt64: UInt64] = [:]

  /// - Throws: `ENOMEM`
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

  /// Bytes of all parts of the table.
  var takenBytes: UInt64 { bytes + UInt64(leaves.count) * Self.leafBytes }

  /// STRTAB_BASE_CFG: format, split and size.
  var configuration: UInt64 { isLinear ? log2Size : 1 << 16 | Self.split << 6 | log2Size }

  /// Whether a stream has a place in the table.
  func hasRoom(for stream: UInt32) -> Bool { UInt64(stream) >> log2Size == 0 }

  /// Makes the part of the table in which a stream is (`arm_smmu_init_l2_strtab`).
  ///
  /// - Throws: `ENOMEM`
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
      // SPAN counts from one: 9 is 256 entries.
      hardware.write(address | Self.split + 1, at: base + index * 8)
    }
  }

  /// Every stream aborts until something is attached.
  private func fill(_ address: UInt64, _ count: UInt64) {
    for index in 0..<count {
      hardware.write(StreamTableEntry.blocked.words, at: address + index * Self.entryBytes)
    }
  }

  /// Where a stream's entry is; nil for one without a place.
  func address(of stream: UInt32) -> UInt64? {
    if isLinear { return base + UInt64(stream) * Self.entryBytes }
    let index = UInt64(stream) & ((1 << Self.split) - 1)
    return leaves[UInt64(stream) >> Self.split].map { $0 + index * Self.entryBytes }
  }

  /// Writes an entry step by step and has `commit` tell the hardware after each.
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

  /// Stores the words that differ, the first one last: it says whether the others count.
  private func store(_ words: [UInt64], over current: [UInt64], at address: UInt64) {
    let order = words[0] & 1 == 0 ? Array(0..<8) : Array(1..<8) + [0]
    for index in order where words[index] != current[index] {
      hardware.write([words[index]], at: address + UInt64(index) * 8)
    }
  }
}
