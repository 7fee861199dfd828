// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// What the driver keeps of a vIOMMU (`struct arm_vsmmu`).
final class VSMMU {
  let vmid: UInt32
  /// The virtual interface of a vIOMMU that can have guest-owned queues; nil for any other.
  let vintf: VINTF?

  init(vmid: UInt32, vintf: VINTF?) {
    self.vmid = vmid
    self.vintf = vintf
  }
}

/// What the driver does with its vIOMMUs (`arm_vsmmu_ops`, `tegra241_cmdqv_viommu_ops`).
struct VSMMUOps: VIOMMUOps {
  let features: SMMUv3Features
  let commands: Commands
  /// The CMDQV's interfaces for guests; nil without the extension.
  let interfaces: VirtualInterfaces?
  let queues: GuestQueues?

  // MARK: vIOMMUs

  /// Makes a nested domain (`arm_vsmmu_alloc_domain_nested`).
  func allocateNested(
    _ domain: Domain, for device: Device, in transaction: Transaction
  ) throws(Refusal) {
    if domain.flags.contains(.pasid) {
      throw Refusal(
        .EOPNOTSUPP, field: "pasid", "a nested domain of an SMMUv3 takes no pasid flag")
    }
    guard let data = domain.userData else { return }
    domain.driverData = try NestedDomain.make(of: data)
  }

  /// Gives the virtual interface of a vIOMMU back, if it has one (`arm_vsmmu_destroy`,
  /// `tegra241_cmdqv_destroy_vintf_user`).
  func destroy(_ viommu: VIOMMU, in transaction: Transaction) {
    guard let vintf = (viommu.driverData as? VSMMU)?.vintf else { return }
    interfaces?.destroy(vintf, of: viommu, in: transaction)
  }

  // MARK: vdevs

  /// The greatest virtual stream ID that SID_MATCH holds: 20 bits.
  static let greatestMatchedSID: UInt64 = 0xf_ffff

  /// Checks that the device of a vdev has one stream only, which `arm_vsmmu_vsid_to_sid` needs to
  /// translate its virtual ID. With an interface, it takes an SID slot for the vdev
  /// (`tegra241_vintf_init_vsid`).
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
    try interfaces?.fillSlot(of: vdev, in: vintf, transaction)
  }

  /// Gives the SID slot of a vdev back, if it has one (`tegra241_vintf_destroy_vsid`).
  func destroy(_ vdev: VDevice, in transaction: Transaction) {
    guard let vintf = (vdev.viommu.driverData as? VSMMU)?.vintf,
      let slot = vdev.driverData as? SIDSlot
    else { return }
    interfaces?.clearSlot(slot, of: vintf, in: transaction)
  }

  // MARK: hw-queues

  /// Whether the vIOMMU can have a queue of the type (`tegra241_cmdqv_get_hw_queue_size`).
  func supports(_ type: HWQueueType, on viommu: VIOMMU) -> Bool {
    type == .tegra241CMDQV && (viommu.driverData as? VSMMU)?.vintf != nil
  }

  func initialize(
    _ queue: HWQueue, in transaction: Transaction
  ) throws(Refusal) -> HWQueue? { try queues?.initialize(queue, in: transaction) }

  func destroy(_ queue: HWQueue, in transaction: Transaction) {
    queues?.destroy(queue, in: transaction)
  }

  func submit(
    _ commands: [[UInt64]], to queue: HWQueue, in transaction: Transaction
  ) throws(Refusal) -> Submission {
    guard let queues else {
      throw Refusal(.EOPNOTSUPP, "hw-queue \(queue.name) is not of this hardware")
    }
    return try queues.submit(commands, to: queue, in: transaction)
  }

  // MARK: The window

  func readWindow(
    of viommu: VIOMMU, at offset: UInt64, width: Int
  ) throws(Refusal) -> UInt64 {
    guard let interfaces else { throw Self.hasNoWindow(viommu) }
    return try interfaces.readWindow(of: viommu, at: offset, width: width)
  }

  func writeWindow(
    of viommu: VIOMMU, at offset: UInt64, _ value: UInt64, width: Int,
    in transaction: Transaction
  ) throws(Refusal) {
    guard let interfaces else { throw Self.hasNoWindow(viommu) }
    try interfaces.writeWindow(of: viommu, at: offset, value, width: width, in: transaction)
  }

  /// The refusal of an access to the window of a vIOMMU that has no virtual interface.
  static func hasNoWindow(_ viommu: VIOMMU) -> Refusal {
    Refusal(.EOPNOTSUPP, "vIOMMU \(viommu.name) of type \(viommu.type.name) has no window")
  }
}
