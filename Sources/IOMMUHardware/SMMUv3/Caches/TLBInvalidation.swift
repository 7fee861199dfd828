// SPDX-License-Identifier: Apache-2.0

/// What a TLBI command names (IHI 0070, section 4.4).
struct TLBInvalidation: Sendable, Equatable {
  var regime: TLBEntry.Regime
  /// nil for all.
  var vmid: UInt16?
  /// nil for all, and for entries without one.
  var asid: UInt16?
  /// Whether entries that all address spaces share are named by an ASID too.
  var includesGlobal = true
  /// The addresses, both ends included.
  var first: UInt64 = 0
  var last: UInt64 = .max
  /// Only entries from tables of this granule (TG).
  var granule: Granule?
  /// Only entries from a leaf at this level (TTL).
  var level: Int?
  /// Whether one address of a stage 1 leaf names all entries that come from it.
  var reachesWholeBlocks = false

  init(_ regime: TLBEntry.Regime, vmid: UInt16? = nil, asid: UInt16? = nil) {
    self.regime = regime
    self.vmid = vmid
    self.asid = asid
  }

  /// Narrows it down to the addresses that a command gives.
  @inline(__always)
  mutating func reachesOnly(_ command: Command, _ features: SMMUv3Features) {
    let range = command.range(for: features)
    let isStage2 = regime == .stage2
    first = isStage2 ? range.first : StreamPort.tag(range.first, regime)
    last = isStage2 ? range.last : StreamPort.tag(range.last, regime)
    // A range that reaches beyond the highest address does not begin again at the lowest.
    if last < first { last = .max }
    granule = range.granule
    level = range.level
  }

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
