// SPDX-License-Identifier: Apache-2.0

/// A translation that the TLB keeps, with everything that an invalidation may ask of it.
struct TLBEntry: Sendable, Equatable {
  typealias Regime = StreamConfiguration.Regime

  /// The first input address.
  var base: UInt64
  /// The first output address.
  var output: UInt64
  /// The first address that stage 1 gives out.
  var intermediate: UInt64
  /// At this count of table writes the entry agreed with the tables.
  var agreedAt: UInt64
  /// The tables that it comes from.
  var pages: TablePages
  /// At this count a use of the entry found that it no longer agrees; 0 while it does.
  var staleAt: UInt64 = 0
  var permissions: Permissions
  var stage1Permissions: Permissions
  var vmid: UInt16
  var asid: UInt16
  var regime: Regime
  var granule: Granule
  var level: UInt8
  var sizeLog2: UInt8
  var stage1SizeLog2: UInt8
  var isGlobal: Bool
  var isClean: Bool
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

  /// The translation of one address in it.
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

  /// Whether the entry is that of an address space.
  @inline(__always)
  func isOf(_ regime: Regime, vmid: UInt16, asid: UInt16) -> Bool {
    self.regime == regime && self.vmid == vmid && (isGlobal || self.asid == asid)
  }
}
