// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// The numbers by which TLBs tell the translations of one domain from those of another: an ASID
/// for each stage 1 and a VMID for each stage 2 (`arm_smmu_asid_xa` and `vmid_map` of
/// `struct arm_smmu_device`). 0 is nobody's.
struct TranslationTags {
  let vmids: NumberPool
  let asids: NumberPool

  /// - Parameter smmu: the name that refusals give the SMMU.
  init(of smmu: String, _ features: SMMUv3Features) {
    vmids = NumberPool(
      from: 1, limit: 1 << features.vmidBits - 1, exhausted: "\(smmu) has no VMID left")
    asids = NumberPool(
      from: 1, limit: 1 << features.asidBits - 1, exhausted: "\(smmu) has no ASID left")
  }

  /// Gives the tag of a domain back.
  func giveBack(_ stage: PagingDomain.Stage, in transaction: Transaction) {
    switch stage {
    case .stage1(let asid): asids.giveBack(asid, in: transaction)
    case .stage2(let vmid): vmids.giveBack(vmid, in: transaction)
    }
  }
}
