// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// What the driver does with its domains (`arm_smmu_domain_ops`): it changes their page tables, and
/// has the hardware drop what it has cached of them.
struct SMMUv3DomainOps: DomainOps {
  /// The SMMU's name, which refusals mention.
  let name: String
  let features: SMMUv3Features
  let tags: TranslationTags
  let programmer: StreamTableProgrammer
  let contexts: ContextProgrammer
  let entries: EntryMaker
  let invalidation: TLBInvalidation

  /// A domain maps pages of 4 KiB, at IOVAs of as many bits as the SMMU takes.
  func constraints(of domain: Domain) -> IOVAConstraints {
    IOVAConstraints(
      aperture: 0...(UInt64(1) << UInt64(features.ias)) - 1, alignment: 1 << PageTable.pageShift)
  }

  func map(_ area: Area, in domain: Domain, in transaction: Transaction) throws(Refusal) {
    guard let paging = domain.driverData as? PagingDomain else { return }
    try paging.pages.reserve(area, in: transaction)
    // The hardware has cached nothing of addresses that were not mapped, so it need not be told.
    transaction.onCommit { paging.pages.map(area) }
  }

  func unmap(_ areas: [Area], from domain: Domain, in transaction: Transaction) {
    guard let paging = domain.driverData as? PagingDomain else { return }
    for area in areas { paging.pages.release(area, in: transaction) }
    let ats = atsStreams(of: domain)
    transaction.onCommit { [invalidation] in
      for area in areas {
        paging.pages.unmap(area)
        invalidation.drop(area, of: paging)
        invalidation.dropDeviceCopies(of: ats)
      }
      paging.pages.freeEmptied()
    }
  }

  /// The streams whose devices may have translations of the domain in their ATCs.
  private func atsStreams(of domain: Domain) -> [UInt32] {
    domain.attachedDevices.flatMap { device -> [UInt32] in
      // A device of another driver may be attached to a domain nested on this one. That driver has
      // to take care of it.
      guard device.smmu === domain.smmu else { return [] }
      return device.master.current.isATSEnabled ? device.properties.streamIDs : []
    }
  }

  /// Refuses, because what is cached for a nested domain is invalidated through its vIOMMU.
  func invalidate(
    _ domain: Domain, _ request: InvalidationArray, in transaction: Transaction
  ) -> InvalidationOutcome {
    InvalidationOutcome(
      handled: 0,
      refusal: Refusal(
        .EOPNOTSUPP, field: "hwpt_id", "a nested domain of an SMMUv3 is invalidated by its vIOMMU"
      ))
  }

  /// Frees a domain's page table, and gives its ASID or VMID back (`arm_smmu_domain_free_paging`).
  func free(_ domain: Domain, in transaction: Transaction) {
    guard let paging = domain.driverData as? PagingDomain else { return }
    tags.giveBack(paging.stage, in: transaction)
    transaction.onCommit { paging.pages.free() }
  }
}
