// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// What the driver does with its domains (`arm_smmu_domain_ops`): page tables, and what the
/// hardware must forget when they change.
struct SMMUv3DomainOps: DomainOps {
  /// The SMMU's name, for refusals.
  let name: String
  let features: SMMUv3Features
  let tags: TranslationTags
  let programmer: StreamTableProgrammer
  let contexts: ContextProgrammer
  let entries: EntryMaker
  let invalidation: TLBInvalidation

  /// IOVAs of as many bits as the SMMU takes, in pages of 4 KiB.
  func constraints(of domain: Domain) -> IOVAConstraints {
    IOVAConstraints(
      aperture: 0...(UInt64(1) << UInt64(features.ias)) - 1, alignment: 1 << PageTable.pageShift)
  }

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
    transaction.onCommit { [invalidation] in
      for area in areas {
        paging.pages.unmap(area)
        invalidation.drop(area, of: paging)
        invalidation.dropDeviceCopies(of: ats)
      }
      paging.pages.freeEmptied()
    }
  }

  /// The streams that keep translations of their own which a domain has a part in.
  private func atsStreams(of domain: Domain) -> [UInt32] {
    domain.attachedDevices.flatMap { device -> [UInt32] in
      // Other drivers may nest on this one's domains; their devices are no business of its.
      guard device.smmu === domain.smmu else { return [] }
      return device.master.current.isATSEnabled ? device.properties.streamIDs : []
    }
  }

  /// A nested domain's caches are those of its vIOMMU, and are invalidated by that.
  func invalidate(
    _ domain: Domain, _ request: InvalidationArray, in transaction: Transaction
  ) -> InvalidationOutcome {
    InvalidationOutcome(
      handled: 0,
      refusal: Refusal(
        .EOPNOTSUPP, field: "hwpt_id", "a nested domain of an SMMUv3 is invalidated by its vIOMMU"
      ))
  }

  /// `arm_smmu_domain_free_paging`
  func free(_ domain: Domain, in transaction: Transaction) {
    guard let paging = domain.driverData as? PagingDomain else { return }
    tags.giveBack(paging.stage, in: transaction)
    transaction.onCommit { paging.pages.free() }
  }
}
