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

/// A virtual interface of Tegra241's CMDQV in a guest's hands (`struct tegra241_vintf`).
final class VINTF {
  let number: UInt32
  /// Bytes of the interface's page 0, which user space maps.
  static let windowLength: UInt64 = 0x10000
  /// The SID_MATCH/SID_REPLACE pairs.
  var sidSlots: LowestFreeAllocator
  var queues: [UInt32: HWQueue] = [:]

  init(number: UInt32, sidSlots: Int) {
    self.number = number
    self.sidSlots = LowestFreeAllocator(0...UInt32(sidSlots - 1))
  }
}

/// The slot that a vdev has in its interface (`struct tegra241_vintf_sid`).
final class SIDSlot {
  let number: UInt32
  init(number: UInt32) { self.number = number }
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
    guard let data else {
      throw Refusal(.EINVAL, field: "data", "a vIOMMU of this type says where its window is")
    }
    var answer = try data.copy(
      type: VIOMMUType.tegra241CMDQV.rawValue, minimum: 16, size: 16, field: "data")
    let vintf = try claimVINTF(for: viommu, in: transaction)
    viommu.driverData = VSMMU(vmid: vmid, vintf: vintf)
    viommu.openWindow(length: VINTF.windowLength, in: transaction)
    answer.set(0, u64: viommu.window?.offset ?? 0)
    answer.set(8, u64: VINTF.windowLength)
    return answer.bytes
  }

  private func claimVINTF(
    for viommu: VIOMMU, in transaction: Transaction
  ) throws(Refusal) -> VINTF {
    guard let cmdqv = settings.cmdqv, let number = vintfs?.allocate() else {
      throw Refusal(.ENOSPC, field: "type", "\(name) has no virtual interface left")
    }
    transaction.onRollback { self.vintfs?.free(number) }
    return VINTF(number: number, sidSlots: cmdqv.sidsPerVINTF)
  }

  func destroy(_ viommu: VIOMMU, in transaction: Transaction) {
    guard let vintf = (viommu.driverData as? VSMMU)?.vintf else { return }
    vintfs?.free(vintf.number)
    transaction.onRollback { self.vintfs?.take(vintf.number) }
    viommu.closeWindow(in: transaction)
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
    guard let slot = vintf.sidSlots.allocate() else {
      throw Refusal(.ENOSPC, field: "viommu", "the virtual interface has no SID slot left")
    }
    transaction.onRollback { vintf.sidSlots.free(slot) }
    vdev.driverData = SIDSlot(number: slot)
  }

  func destroy(_ vdev: VDevice, in transaction: Transaction) {
    guard let vintf = (vdev.viommu.driverData as? VSMMU)?.vintf,
      let slot = vdev.driverData as? SIDSlot
    else { return }
    vintf.sidSlots.free(slot.number)
    transaction.onRollback { vintf.sidSlots.take(slot.number) }
  }

  // MARK: hw-queues

  func supports(_ type: HWQueueType, on viommu: VIOMMU) -> Bool {
    type == .tegra241CMDQV && (viommu.driverData as? VSMMU)?.vintf != nil
  }

  /// `tegra241_vintf_alloc_lvcmdq_user`: ascending, so that each mapped queue has its
  /// predecessor mapped, as the hardware expects.
  func initialize(
    _ queue: HWQueue, in transaction: Transaction
  ) throws(Refusal) -> HWQueue? {
    guard let vintf = (queue.viommu.driverData as? VSMMU)?.vintf, let cmdqv = settings.cmdqv else {
      throw Refusal(.EOPNOTSUPP, field: "type", "the vIOMMU has no virtual interface")
    }
    let share = cmdqv.vcmdqs / cmdqv.vintfs
    guard queue.index < share else {
      throw Refusal(.EINVAL, field: "index", "an interface has \(share) queues")
    }
    if let other = vintf.queues[queue.index] {
      throw Refusal(.EEXIST, field: "index", "hw-queue \(other.name) has that index")
    }
    let below = queue.index == 0 ? nil : vintf.queues[queue.index - 1]
    if queue.index > 0, below == nil {
      throw Refusal(.EIO, field: "index", "there is no queue of index \(queue.index - 1) yet")
    }
    try checkRing(of: queue)
    vintf.queues[queue.index] = queue
    transaction.onRollback { vintf.queues[queue.index] = nil }
    return below
  }

  private func checkRing(of queue: HWQueue) throws(Refusal) {
    let greatest = UInt64(16) << UInt64(features.cmdqs)
    let isPowerOfTwo = queue.length & (queue.length - 1) == 0
    guard isPowerOfTwo, queue.length >= 32, queue.length <= greatest else {
      throw Refusal(
        .EINVAL, field: "length", "a ring has a power of two of 32 to \(greatest) bytes")
    }
    let isAddressable = queue.basePhysical & ~0xffff_ffff_ffe0 == 0
    guard isAddressable, queue.basePhysical % queue.length == 0 else {
      let address = String(queue.basePhysical, radix: 16)
      throw Refusal(
        .EINVAL, field: "iova",
        "the ring's physical address 0x\(address) is not aligned to its length")
    }
  }

  func destroy(_ queue: HWQueue, in transaction: Transaction) {
    guard let vintf = (queue.viommu.driverData as? VSMMU)?.vintf else { return }
    vintf.queues[queue.index] = nil
    transaction.onRollback { vintf.queues[queue.index] = queue }
  }
}
