// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// Makes what the driver writes into the hardware's tables: stream table entries and context
/// descriptors. It only computes; `StreamTableProgrammer` and `ContextProgrammer` write.
struct EntryMaker {
  let features: SMMUv3Features

  // MARK: Stream table entries

  /// `arm_smmu_make_cdtable_ste`
  func stage1(_ contexts: ContextTable, _ device: Device, ats: Bool) -> StreamTableEntry {
    var entry = StreamTableEntry()
    entry.isValid = true
    entry.config = .stage1
    entry.s1Fmt = contexts.format
    entry.s1ContextPtr = contexts.base
    entry.s1CDMax = contexts.log2Count
    entry.s1DSS = 2
    entry.s1CIR = 1
    entry.s1COR = 1
    entry.s1CSH = 3
    entry.s1STALLD = features.stallModel != 1 && !canStall(device)
    entry.eats = ats ? 1 : 0
    return entry
  }

  /// A device that uses PASIDs while its RID is blocked or bypassed: its table, with what has no
  /// PASID terminated or passed.
  func pasids(
    _ contexts: ContextTable, _ current: StreamTableEntry, _ device: Device, ats: Bool
  ) -> StreamTableEntry {
    var entry = stage1(contexts, device, ats: ats)
    entry.s1DSS = current.config == .bypass ? 1 : 0
    return entry
  }

  /// `arm_smmu_make_s2_domain_ste`
  func stage2(_ paging: PagingDomain, _ device: Device, ats: Bool) -> StreamTableEntry {
    var entry = StreamTableEntry()
    entry.isValid = true
    entry.config = .stage2
    entry.eats = ats ? 1 : 0
    entry.s2FWB = paging.forcesWriteBack
    entry.s2VMID = UInt64(paging.vmid ?? 0)
    entry.s2T0SZ = UInt64(64 - paging.inputBits)
    // 2 starts at level 0, 1 at level 1.
    entry.s2SL0 = 2 - paging.pages.startLevel
    // Inner shareable, write-back, as the tables of Linux are.
    entry.s2TableAttributes = 0b11_01_01
    entry.s2PS = features.oasCode
    entry.s2AA64 = true
    entry.s2PTW = true
    entry.s2R = true
    entry.s2S = canStall(device)
    entry.s2TTB = paging.pages.root
    return entry
  }

  /// `arm_smmu_make_nested_domain_ste`
  func nested(
    _ nested: NestedDomain, _ parent: PagingDomain, _ device: Device, ats: Bool
  ) -> StreamTableEntry {
    switch nested.ste.config {
    case .bypass where nested.ste.isValid:
      return stage2(parent, device, ats: ats)
    case .stage1:
      var entry = stage2(parent, device, ats: ats)
      entry.dw0 = nested.ste.dw0
      entry.config = .nested
      entry.dw1 |= nested.ste.dw1
      entry.mev = true
      return entry
    default:
      return .blocked
    }
  }

  // MARK: Context descriptors

  /// `arm_smmu_make_s1_cd`
  func descriptor(of paging: PagingDomain, for device: Device) -> ContextDescriptor {
    guard case .stage1(let asid) = paging.stage else { return ContextDescriptor() }
    var descriptor = ContextDescriptor()
    descriptor.t0SZ = UInt64(64 - paging.inputBits)
    // Inner and outer write-back, inner shareable.
    descriptor.tableAttributes0 = 0b11_01_01
    descriptor.epd1 = true
    descriptor.isValid = true
    descriptor.ips = features.oasCode
    descriptor.aa64 = true
    descriptor.r = true
    descriptor.a = true
    descriptor.aset = true
    descriptor.asid = UInt64(asid)
    descriptor.s = canStall(device)
    descriptor.ttb0 = paging.pages.root
    // AttrIndx 0 is not cacheable, 1 write-back, 2 a device's.
    descriptor.mair = 0x04_ff_44
    return descriptor
  }

  /// Whether a device's transactions may wait for an answer to their faults.
  func canStall(_ device: Device) -> Bool {
    features.stallModel == 2 || features.stallModel == 0 && device.properties.stall
  }
}
