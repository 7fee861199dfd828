// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// The numbers that tell the TLB which domain a translation belongs to: an ASID for each stage 1
/// and a VMID for each stage 2 (`arm_smmu_asid_xa` and `vmid_map` of `struct arm_smmu_device`). No
/// domain gets the number 0; all stage 1 domains share the VMID 0.
struct TranslationTags {
  let vmids: NumberPool
  let asids: NumberPool

  /// - Parameter smmu: the SMMU's name, which refusals mention.
  init(of smmu: String, _ features: SMMUv3Features) {
    vmids = NumberPool(
      from: 1, limit: 1 << features.vmidBits - 1, exhausted: "\(smmu) has no VMID left")
    asids = NumberPool(
      from: 1, limit: 1 << features.asidBits - 1, exhausted: "\(smmu) has no ASID left")
  }

  /// Gives the ASID or VMID of a domain back.
  func giveBack(_ stage: PagingDomain.Stage, in transaction: Transaction) {
    switch stage {
    case .stage1(let asid): asids.giveBack(asid, in: transaction)
    case .stage2(let vmid): vmids.giveBack(vmid, in: transaction)
    }
  }
}
