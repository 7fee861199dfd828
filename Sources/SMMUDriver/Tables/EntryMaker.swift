// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// Makes what the driver writes into the hardware's tables, which is stream table entries and
/// context descriptors. It only computes them. `StreamTableProgrammer` and `ContextProgrammer`
/// write them.
struct EntryMaker {
  let features: SMMUv3Features

  // MARK: Stream table entries

  /// The entry of a device whose RID is attached to a stage 1 domain (`arm_smmu_make_cdtable_ste`).
  /// Transactions without a PASID use context descriptor 0 (S1DSS 2).
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

  /// The entry of a device that uses PASIDs while its RID is blocked or bypassed. It leads to the
  /// device's context descriptors. S1DSS says what is done with transactions without a PASID: they
  /// bypass stage 1 if `current` is a bypass, and are terminated otherwise.
  func pasids(
    _ contexts: ContextTable, _ current: StreamTableEntry, _ device: Device, ats: Bool
  ) -> StreamTableEntry {
    var entry = stage1(contexts, device, ats: ats)
    entry.s1DSS = current.config == .bypass ? 1 : 0
    return entry
  }

  /// The entry of a device that is attached to a stage 2 domain (`arm_smmu_make_s2_domain_ste`).
  func stage2(_ paging: PagingDomain, _ device: Device, ats: Bool) -> StreamTableEntry {
    var entry = StreamTableEntry()
    entry.isValid = true
    entry.config = .stage2
    entry.eats = ats ? 1 : 0
    entry.s2FWB = paging.forcesWriteBack
    entry.s2VMID = UInt64(paging.vmid ?? 0)
    entry.s2T0SZ = UInt64(64 - paging.inputBits)
    // The value 2 starts the walk at level 0, the value 1 at level 1.
    entry.s2SL0 = 2 - paging.pages.startLevel
    // The walks read the tables as inner shareable and write-back cacheable, as Linux has it.
    entry.s2TableAttributes = 0b11_01_01
    entry.s2PS = features.oasCode
    entry.s2AA64 = true
    entry.s2PTW = true
    entry.s2R = true
    entry.s2S = canStall(device)
    entry.s2TTB = paging.pages.root
    return entry
  }

  /// The entry of a device that is attached to a nested domain (`arm_smmu_make_nested_domain_ste`).
  /// If the guest's entry translates, stage 1 is the guest's and stage 2 the parent's. If it
  /// bypasses, only the parent's stage 2 translates. Otherwise all transactions are aborted.
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

  /// The context descriptor of a stage 1 domain (`arm_smmu_make_s1_cd`).
  func descriptor(of paging: PagingDomain, for device: Device) -> ContextDescriptor {
    guard case .stage1(let asid) = paging.stage else { return ContextDescriptor() }
    var descriptor = ContextDescriptor()
    descriptor.t0SZ = UInt64(64 - paging.inputBits)
    // The walks read the tables as write-back cacheable, inner and outer, and inner shareable.
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
    // The memory attributes by index: 0 is not cacheable, 1 is write-back, 2 is device memory.
    descriptor.mair = 0x04_ff_44
    return descriptor
  }

  /// Whether a transaction of the device that faults may stall until software answers the fault.
  func canStall(_ device: Device) -> Bool {
    features.stallModel == 2 || features.stallModel == 0 && device.properties.stall
  }
}
