// SPDX-License-Identifier: Apache-2.0

/// What the driver keeps of a paging domain (`struct arm_smmu_domain`).
final class PagingDomain {
  enum Stage {
    case stage1(asid: UInt32)
    case stage2(vmid: UInt32)
  }

  let stage: Stage
  let pages: PageTable
  /// The number of bits of the addresses that it translates.
  let inputBits: Int
  /// S2FWB: whether stage 2 forces write-back caching. Without it a guest could choose memory
  /// attributes that bypass the caches, and its view of memory would not be coherent with the
  /// host's.
  let forcesWriteBack: Bool
  /// How many streams and PASIDs the hardware translates by this domain at present.
  var attachedCount = 0

  init(stage: Stage, pages: PageTable, inputBits: Int, forcesWriteBack: Bool) {
    self.stage = stage
    self.pages = pages
    self.inputBits = inputBits
    self.forcesWriteBack = forcesWriteBack
  }

  var isStage1: Bool { vmid == nil }

  /// The VMID of a stage 2 domain; nil for a stage 1 domain.
  var vmid: UInt32? {
    if case .stage2(let vmid) = stage { vmid } else { nil }
  }
}
