// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// What the driver keeps of a vIOMMU (`struct arm_vsmmu`).
final class VSMMU {
  let vmid: UInt32
  /// The virtual interface of a vIOMMU with guest-owned queues.
  let vintf: VINTF?

  init(vmid: UInt32, vintf: VINTF?) {
    self.vmid = vmid
    self.vintf = vintf
  }
}

extension SMMUv3Driver {
  /// `arm_smmu_get_viommu_size`
  func supports(_ type: VIOMMUType, for device: Device) -> Bool {
    // Without FWB a guest could make its memory incoherent behind the host's back.
    guard features.s1p, features.s2p, features.fwb else { return false }
    return type == .armSMMUv3 || type == .tegra241CMDQV && settings.cmdqv != nil
  }

  /// `arm_vsmmu_init`
  func initialize(
    _ viommu: VIOMMU, for device: Device, data: UserData?, in transaction: Transaction
  ) throws(Refusal) -> [UInt8]? {
    guard viommu.parent.smmu === device.smmu,
      let parent = viommu.parent.driverData as? PagingDomain,
      let vmid = parent.vmid
    else {
      throw Refusal(.EINVAL, field: "domain", "the nesting parent is of another SMMU")
    }
    guard viommu.type == .tegra241CMDQV else {
      viommu.driverData = VSMMU(vmid: vmid, vintf: nil)
      return nil
    }
    return try initializeInterface(of: viommu, vmid: vmid, data: data, in: transaction)
  }

  func destroy(_ viommu: VIOMMU, in transaction: Transaction) {
    guard let vintf = (viommu.driverData as? VSMMU)?.vintf else { return }
    destroyInterface(vintf, of: viommu, in: transaction)
  }

  // MARK: vdevs

  /// The greatest virtual stream ID that SID_MATCH holds: 20 bits.
  static let greatestMatchedSID: UInt64 = 0xf_ffff

  func initialize(_ vdev: VDevice, in transaction: Transaction) throws(Refusal) {
    let vintf = (vdev.viommu.driverData as? VSMMU)?.vintf
    if vintf != nil, vdev.virtualID > Self.greatestMatchedSID {
      throw Refusal(.EINVAL, field: "virt_id", "CMDQV matches virtual stream IDs of 20 bits")
    }
    guard vdev.device.properties.streamIDs.count == 1 else {
      throw Refusal(
        .EOPNOTSUPP, field: "device", "device \(vdev.device.name) has more than one stream")
    }
    guard let vintf else { return }
    try fillSlot(of: vdev, in: vintf, transaction)
  }

  func destroy(_ vdev: VDevice, in transaction: Transaction) {
    guard let vintf = (vdev.viommu.driverData as? VSMMU)?.vintf,
      let slot = vdev.driverData as? SIDSlot
    else { return }
    clearSlot(slot, of: vintf, in: transaction)
  }
}
