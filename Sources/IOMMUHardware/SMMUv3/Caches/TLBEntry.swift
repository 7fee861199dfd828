// SPDX-License-Identifier: Apache-2.0

/// A translation in the TLB, with everything that invalidations select entries by.
struct TLBEntry: Sendable, Equatable {
  typealias Regime = StreamConfiguration.Regime

  /// The first input address that it translates.
  var base: UInt64
  /// The address that `base` is translated to.
  var output: UInt64
  /// The intermediate address that stage 1 gives for `base`.
  var intermediate: UInt64
  /// The count of table writes at which the entry agreed with the tables.
  var agreedAt: UInt64
  /// The pages of the tables that it comes from.
  var pages: TablePages
  /// The count at which a use found that the entry no longer agrees; 0 while it does.
  var staleAt: UInt64 = 0
  /// What all stages together allow.
  var permissions: Permissions
  /// What stage 1 alone allows.
  var stage1Permissions: Permissions
  /// The VMID; 0 in the regimes of EL2.
  var vmid: UInt16
  /// The ASID; 0 in a regime without ASIDs.
  var asid: UInt16
  /// The translation regime.
  var regime: Regime
  /// The granule of the tables that the leaf is in: of stage 1's if there are two.
  var granule: Granule
  /// The level of that leaf.
  var level: UInt8
  /// The logarithm of the bytes that the entry translates.
  var sizeLog2: UInt8
  /// The logarithm of the bytes of stage 1's leaf, of which stage 2 may have left only a piece.
  var stage1SizeLog2: UInt8
  /// Whether all address spaces share the entry (nG is clear).
  var isGlobal: Bool
  /// Whether the page may be written only after its descriptor says so.
  var isClean: Bool
  /// Whether stage 2 maps device memory.
  var isDeviceMemory: Bool

  init(
    _ mapping: Mapping, at address: UInt64, _ regime: Regime, vmid: UInt16, asid: UInt16,
    agreedAt: UInt64, _ pages: TablePages
  ) {
    let offset = UInt64.ones(mapping.sizeLog2)
    base = address & ~offset
    output = mapping.output & ~offset
    intermediate = mapping.intermediate & ~offset
    self.agreedAt = agreedAt
    self.pages = pages
    permissions = mapping.permissions
    stage1Permissions = mapping.stage1Permissions
    self.vmid = vmid
    self.asid = asid
    self.regime = regime
    granule = mapping.granule
    level = UInt8(truncatingIfNeeded: mapping.level)
    sizeLog2 = UInt8(truncatingIfNeeded: mapping.sizeLog2)
    stage1SizeLog2 = UInt8(truncatingIfNeeded: mapping.stage1SizeLog2)
    isGlobal = mapping.isGlobal
    isClean = mapping.isClean
    isDeviceMemory = mapping.isDeviceMemory
  }

  /// The mapping of one of the addresses that the entry translates.
  func mapping(of address: UInt64) -> Mapping {
    let offset = address & UInt64.ones(Int(sizeLog2))
    var mapping = Mapping(
      output: output | offset, intermediate: intermediate | offset, sizeLog2: Int(sizeLog2),
      stage1SizeLog2: Int(stage1SizeLog2), permissions: permissions,
      stage1Permissions: stage1Permissions, level: Int(level), granule: granule)
    mapping.isGlobal = isGlobal
    mapping.isClean = isClean
    mapping.isDeviceMemory = isDeviceMemory
    return mapping
  }

  /// Whether the entry belongs to an address space: by its ASID, or because all share it.
  @inline(__always)
  func isOf(_ regime: Regime, vmid: UInt16, asid: UInt16) -> Bool {
    self.regime == regime && self.vmid == vmid && (isGlobal || self.asid == asid)
  }
}
