// SPDX-License-Identifier: Apache-2.0

/// What a TLBI command selects: the entries of the TLB that it drops (IHI 0070, section 4.4).
struct TLBInvalidation: Sendable, Equatable {
  /// The translation regime.
  var regime: TLBEntry.Regime
  /// The VMID; nil for all.
  var vmid: UInt16?
  /// The ASID; nil for all, and in regimes without ASIDs.
  var asid: UInt16?
  /// Whether an ASID also selects the entries that all address spaces share.
  var includesGlobal = true
  /// The first address.
  var first: UInt64 = 0
  /// The last address, which is included.
  var last: UInt64 = .max
  /// The granule of the tables that the entries come from (TG); nil for any.
  var granule: Granule?
  /// The level of the leaf that the entries come from (TTL); nil for any.
  var level: Int?
  /// Whether an address selects all entries that come from its leaf of stage 1, even those that do
  /// not contain it.
  var reachesWholeBlocks = false

  init(_ regime: TLBEntry.Regime, vmid: UInt16? = nil, asid: UInt16? = nil) {
    self.regime = regime
    self.vmid = vmid
    self.asid = asid
  }

  /// Limits the invalidation to the addresses that a command gives, and to its TG and TTL.
  @inline(__always)
  mutating func reachesOnly(_ command: Command, _ features: SMMUv3Features) {
    let range = command.range(for: features)
    let isStage2 = regime == .stage2
    first = isStage2 ? range.first : StreamPort.tag(range.first, regime)
    last = isStage2 ? range.last : StreamPort.tag(range.last, regime)
    // A range that extends beyond the highest address ends there. It does not begin again at the
    // lowest.
    if last < first { last = .max }
    granule = range.granule
    level = range.level
  }

  /// Whether the invalidation selects an entry.
  func names(_ entry: TLBEntry) -> Bool {
    guard entry.regime == regime else { return false }
    if let vmid, entry.vmid != vmid { return false }
    if let asid {
      if entry.isGlobal ? !includesGlobal : entry.asid != asid { return false }
    }
    if let granule, entry.granule != granule { return false }
    if let level, Int(entry.level) != level { return false }
    let size = reachesWholeBlocks ? max(entry.stage1SizeLog2, entry.sizeLog2) : entry.sizeLog2
    let offset = UInt64.ones(Int(size))
    let start = entry.base & ~offset
    return start <= last && start | offset >= first
  }
}
