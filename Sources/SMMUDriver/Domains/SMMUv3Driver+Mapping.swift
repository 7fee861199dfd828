// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// Mappings: page tables, and what the hardware must forget when they change.
extension SMMUv3Driver {
  func map(_ area: Area, in domain: Domain, in transaction: Transaction) throws(Refusal) {
    guard let paging = domain.driverData as? PagingDomain else { return }
    try paging.pages.reserve(area, in: transaction)
    // What was not translated is in no cache, so that nobody has to be told.
    transaction.onCommit { paging.pages.map(area) }
  }

  func unmap(_ areas: [Area], from domain: Domain, in transaction: Transaction) {
    guard let paging = domain.driverData as? PagingDomain else { return }
    for area in areas { paging.pages.release(area, in: transaction) }
    let ats = atsStreams(of: domain)
    transaction.onCommit { [self] in
      for area in areas {
        paging.pages.unmap(area)
        invalidate(area, of: paging, ats)
      }
      paging.pages.freeEmptied()
    }
  }

  /// The streams that keep translations of their own which a domain has a part in.
  private func atsStreams(of domain: Domain) -> [UInt32] {
    domain.attachedDevices.flatMap { device -> [UInt32] in
      // Other drivers may nest on this one's domains; their devices are no business of its.
      guard device.smmu.driver === self else { return [] }
      return master(of: device).current.isATSEnabled ? device.properties.streamIDs : []
    }
  }

  /// `arm_smmu_domain_inv_range`
  private func invalidate(_ area: Area, of paging: PagingDomain, _ ats: [UInt32]) {
    switch paging.stage {
    case .stage1(let asid):
      let asid = UInt16(truncatingIfNeeded: asid)
      let ranged = ranges(of: area) { address in
        .tlbiNHVA(vmid: 0, asid: asid, address: address, leaf: false)
      }
      commands.issue(ranged ?? [.tlbiNHASID(vmid: 0, asid: asid)])
    case .stage2(let vmid):
      let vmid = UInt16(truncatingIfNeeded: vmid)
      let ranged = ranges(of: area) { address in
        .tlbiS2IPA(vmid: vmid, address: address, leaf: false)
      }
      if let ranged {
        commands.issue(ranged)
        // Combined entries have the second stage in them too.
        commands.issue([.tlbiNHAll(vmid: vmid)])
      } else {
        commands.issue([.tlbiS12VMAll(vmid: vmid)])
      }
    }
    if !ats.isEmpty {
      commands.issue(ats.map { .atcInv($0, nil, address: 0, sizeLog2: 52) })
    }
  }

  /// The commands that drop a range (`arm_smmu_cmdq_batch_add_range`); nil when it is better to
  /// drop everything.
  private func ranges(of area: Area, _ command: (UInt64) -> Command) -> [Command]? {
    var pages = area.length >> Self.pageShift
    var address = area.iova
    if !features.ril {
      // As many pages as a table has entries.
      guard pages < 512 else { return nil }
      return (0..<pages).map { command(address + $0 << Self.pageShift) }
    }
    // One page alone has no range, its encoding is reserved: one more is dropped.
    if pages & 31 == 1 { pages += 1 }
    var result: [Command] = []
    while pages > 0 {
      let scale = UInt64(pages.trailingZeroBitCount)
      let num = (pages >> scale) & 31
      result.append(command(address).overRange(granule: 1, num: num - 1, scale: scale))
      address += num << (scale + Self.pageShift)
      pages -= num << scale
    }
    return result
  }
}
