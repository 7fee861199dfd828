// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// Has the hardware drop what it has cached of a domain's translations.
struct TLBInvalidation {
  let commands: Commands
  let features: SMMUv3Features

  /// Has the TLB drop what it has cached of a mapping (`arm_smmu_domain_inv_range`).
  func drop(_ area: Area, of paging: PagingDomain) {
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
        // Entries of both stages together depend on stage 2 as well, but TLBI_S2_IPA does not drop
        // them.
        commands.issue([.tlbiNHAll(vmid: vmid)])
      } else {
        commands.issue([.tlbiS12VMAll(vmid: vmid)])
      }
    }
  }

  /// The commands that drop the translations of a range (`arm_smmu_cmdq_batch_add_range`). It is
  /// nil if so many would be needed that it is better to drop all translations of the domain.
  private func ranges(of area: Area, _ command: (UInt64) -> Command) -> [Command]? {
    var pages = area.length >> PageTable.pageShift
    var address = area.iova
    if !features.ril {
      // A table has as many entries as this.
      guard pages < 512 else { return nil }
      return (0..<pages).map { command(address + $0 << PageTable.pageShift) }
    }
    // A range of one page has a reserved encoding, so a range of two is dropped instead.
    if pages & 31 == 1 { pages += 1 }
    var result: [Command] = []
    while pages > 0 {
      let scale = UInt64(pages.trailingZeroBitCount)
      let num = (pages >> scale) & 31
      result.append(command(address).overRange(granule: 1, num: num - 1, scale: scale))
      address += num << (scale + PageTable.pageShift)
      pages -= num << scale
    }
    return result
  }

  /// Has the TLB drop all translations of a domain that no device uses any more
  /// (`arm_smmu_tlb_inv_context`).
  func dropAll(of paging: PagingDomain) {
    switch paging.stage {
    case .stage1(let asid):
      commands.issue([.tlbiNHASID(vmid: 0, asid: UInt16(truncatingIfNeeded: asid))])
    case .stage2(let vmid):
      commands.issue([.tlbiS12VMAll(vmid: UInt16(truncatingIfNeeded: vmid))])
    }
  }

  /// Has the devices behind these streams drop all translations from their ATCs.
  func dropDeviceCopies(of streams: [UInt32]) {
    if streams.isEmpty { return }
    commands.issue(streams.map { .atcInv($0, nil, address: 0, sizeLog2: 52) })
  }
}
