// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// Context descriptors of stage 1 domains.
extension SMMUv3Driver {
  /// A device's table, made when first it is needed.
  func contexts(of master: Master, in transaction: Transaction) throws(Refusal) -> ContextTable {
    if let contexts = master.contexts { return contexts }
    let contexts = try ContextTable(hardware, log2Count: master.cdMax)
    master.contexts = contexts
    transaction.onRollback {
      master.contexts = nil
      contexts.free()
    }
    return contexts
  }

  /// Has a PASID translated by a domain from commit on (`arm_smmu_write_cd_entry`).
  func setContext(
    _ paging: PagingDomain, of device: Device, _ master: Master, at pasid: UInt32,
    in transaction: Transaction
  ) throws(Refusal) {
    guard let contexts = master.contexts else { return }
    let isNewLeaf = try contexts.prepare(pasid, in: transaction)
    let descriptor = descriptor(of: paging, for: device)
    let ids = device.properties.streamIDs
    transaction.onCommit { [self] in
      if isNewLeaf { commands.issue(ids.map { .cfgiCD($0, pasid, leaf: false) }) }
      contexts.write(descriptor, at: pasid) {
        commands.issue(ids.map { .cfgiCD($0, pasid) })
      }
    }
  }

  /// Has a PASID translated by nothing (`arm_smmu_clear_cd`).
  func clearContext(
    of device: Device, _ master: Master, at pasid: UInt32, in transaction: Transaction
  ) {
    guard let contexts = master.contexts else { return }
    let ids = device.properties.streamIDs
    transaction.onCommit { [self] in
      contexts.write(ContextDescriptor(), at: pasid) {
        commands.issue(ids.map { .cfgiCD($0, pasid) })
      }
    }
  }

  /// `arm_smmu_make_s1_cd`
  private func descriptor(of paging: PagingDomain, for device: Device) -> ContextDescriptor {
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
