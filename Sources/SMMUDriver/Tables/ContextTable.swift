// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// A device's table of context descriptors (`arm_smmu_alloc_cd_tables`). It is linear up to 1024
/// descriptors. A larger one has two levels, and each second-level table has 1024 descriptors. It
/// is used under the host's lock.
final class ContextTable {
  private static let entryBytes: UInt64 = 64
  private static let leafBytes: UInt64 = 64 << 10
  private static let leafLog2: UInt64 = 10

  private let hardware: Hardware
  /// S1CDMax of the stream table entry: the logarithm of the number of descriptors.
  let log2Count: UInt64
  let base: UInt64
  private var leaves: [UInt64: UInt64] = [:]

  /// - Throws: `ENOMEM` when no memory is left for the table.
  init(_ hardware: Hardware, log2Count: UInt64) throws(Refusal) {
    self.hardware = hardware
    self.log2Count = log2Count
    let bytes = Self.bytes(log2Count)
    guard let base = hardware.allocateTables(bytes, alignment: max(bytes, 64)) else {
      throw Refusal(.ENOMEM, "no memory is left for a table of context descriptors")
    }
    self.base = base
    hardware.clear(bytes, at: base)
  }

  func free() {
    hardware.machine.freeTables(base, Self.bytes(log2Count))
    for leaf in leaves.values { hardware.machine.freeTables(leaf, Self.leafBytes) }
    leaves = [:]
  }

  private static func bytes(_ log2Count: UInt64) -> UInt64 {
    log2Count > leafLog2 ? max(64, 8 << (log2Count - leafLog2)) : entryBytes << log2Count
  }

  private var isLinear: Bool { log2Count <= Self.leafLog2 }

  /// S1Fmt of the stream table entry: 0 for a linear table, 2 for two levels with second-level
  /// tables of 64 KiB.
  var format: UInt64 { isLinear ? 0 : 2 }

  /// Makes the second-level table that has the descriptor of a PASID, unless it is there already.
  /// The hardware can find it from commit on.
  ///
  /// - Returns: whether the first-level table changes, so that the hardware has to be told.
  /// - Throws: `ENOMEM` when no memory is left for the table.
  func prepare(_ pasid: UInt32, in transaction: Transaction) throws(Refusal) -> Bool {
    let index = UInt64(pasid) >> Self.leafLog2
    guard !isLinear, leaves[index] == nil else { return false }
    let leaf = hardware.allocateTables(Self.leafBytes, alignment: Self.leafBytes)
    guard let leaf else {
      throw Refusal(.ENOMEM, field: "pasid", "no memory is left for context descriptors")
    }
    leaves[index] = leaf
    transaction.onRollback { [self] in
      leaves[index] = nil
      hardware.machine.freeTables(leaf, Self.leafBytes)
    }
    transaction.onCommit { [self] in
      hardware.clear(Self.leafBytes, at: leaf)
      hardware.write(leaf | 1, at: base + index * 8)
    }
    return true
  }

  private func address(of pasid: UInt32) -> UInt64? {
    if isLinear { return base + UInt64(pasid) * Self.entryBytes }
    let index = UInt64(pasid) & ((1 << Self.leafLog2) - 1)
    return leaves[UInt64(pasid) >> Self.leafLog2].map { $0 + index * Self.entryBytes }
  }

  /// Writes a descriptor in the steps that `EntryWriter` gives, and calls `commit` after each step
  /// to have the hardware drop the descriptor that it has cached.
  func write(_ descriptor: ContextDescriptor, at pasid: UInt32, _ commit: () -> Void) {
    guard let address = address(of: pasid) else { return }
    let current = hardware.read(8, at: address)
    for step in EntryWriter.contextTable.steps(from: current, to: descriptor.words) {
      hardware.write(step, at: address)
      commit()
    }
  }
}
