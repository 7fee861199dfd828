// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// vIOMMUs with a virtual interface, and the vdevs that have a slot there.
extension SMMUv3Driver {
  /// `tegra241_cmdqv_init_vintf_user`
  func initializeInterface(
    of viommu: VIOMMU, vmid: UInt32, data: UserData?, in transaction: Transaction
  ) throws(Refusal) -> [UInt8]? {
    guard let data else {
      throw Refusal(.EINVAL, field: "data", "a vIOMMU of this type says where its window is")
    }
    var answer = try data.copy(
      type: VIOMMUType.tegra241CMDQV.rawValue, minimum: 16, size: 16, field: "data")
    let vintf = try claimInterface(vmid: vmid, in: transaction)
    viommu.driverData = VSMMU(vmid: vmid, vintf: vintf)
    viommu.openWindow(length: VINTF.windowLength, in: transaction)
    answer.set(0, u64: viommu.window?.offset ?? 0)
    answer.set(8, u64: VINTF.windowLength)
    transaction.onCommit { [cmdqv] in
      cmdqv?.enable(vintf.number, vmid: vintf.vmid)
      cmdqv?.interrupts.publish(vintf.number, viommu)
      vintf.isLive = true
    }
    return answer.bytes
  }

  private func claimInterface(
    vmid: UInt32, in transaction: Transaction
  ) throws(Refusal) -> VINTF {
    guard let cmdqv, let number = vintfs?.allocate() else {
      throw Refusal(.ENOSPC, field: "type", "\(name) has no virtual interface left")
    }
    transaction.onRollback { self.vintfs?.free(number) }
    guard cmdqv.isEnabled else {
      throw Refusal(
        .ETIMEDOUT, field: "type",
        "the interface does not come up: CONFIG.EN of \(name)'s CMDQV is 0")
    }
    return VINTF(
      number: Int(number), vmid: UInt16(truncatingIfNeeded: vmid),
      sidSlots: cmdqv.engine.size.sidsPerVINTF)
  }

  /// `tegra241_cmdqv_destroy_vintf_user`
  func destroyInterface(_ vintf: VINTF, of viommu: VIOMMU, in transaction: Transaction) {
    vintfs?.free(UInt32(vintf.number))
    transaction.onRollback { self.vintfs?.take(UInt32(vintf.number)) }
    viommu.closeWindow(in: transaction)
    transaction.onCommit { [cmdqv] in
      vintf.isLive = false
      cmdqv?.interrupts.withdraw(vintf.number)
      cmdqv?.disable(vintf.number)
    }
  }

  // MARK: Slots

  func fillSlot(
    of vdev: VDevice, in vintf: VINTF, _ transaction: Transaction
  ) throws(Refusal) {
    guard let number = vintf.sidSlots.allocate() else {
      throw Refusal(.ENOSPC, field: "viommu", "the virtual interface has no SID slot left")
    }
    transaction.onRollback { vintf.sidSlots.free(number) }
    let slot = SIDSlot(number: Int(number))
    vdev.driverData = slot
    let virtual = UInt32(truncatingIfNeeded: vdev.virtualID)
    let stream = vdev.device.properties.streamIDs[0]
    transaction.onCommit { [cmdqv] in
      cmdqv?.fillSlot(slot.number, of: vintf.number, virtual: virtual, stream: stream)
    }
  }

  func clearSlot(_ slot: SIDSlot, of vintf: VINTF, in transaction: Transaction) {
    vintf.sidSlots.free(UInt32(slot.number))
    transaction.onRollback { vintf.sidSlots.take(UInt32(slot.number)) }
    transaction.onCommit { [cmdqv] in cmdqv?.clearSlot(slot.number, of: vintf.number) }
  }

  // MARK: The window

  /// The interface whose page 0 a guest has mapped.
  private func window(of viommu: VIOMMU) throws(Refusal) -> (CMDQVDriver, VINTF) {
    guard let cmdqv, let vintf = (viommu.driverData as? VSMMU)?.vintf else {
      throw Refusal(
        .EOPNOTSUPP, "vIOMMU \(viommu.name) of type \(viommu.type.name) has no window")
    }
    return (cmdqv, vintf)
  }

  func readWindow(of viommu: VIOMMU, at offset: UInt64, width: Int) throws(Refusal) -> UInt64 {
    let (cmdqv, vintf) = try window(of: viommu)
    do throws(RegisterError) {
      return try cmdqv.engine.readWindow(vintf.number, Hardware.clamped(offset), width: width)
    } catch {
      throw Hardware.refusal(error, at: 0)
    }
  }

  func writeWindow(
    of viommu: VIOMMU, at offset: UInt64, _ value: UInt64, width: Int,
    in transaction: Transaction
  ) throws(Refusal) {
    let (cmdqv, vintf) = try window(of: viommu)
    _ = try readWindow(of: viommu, at: offset, width: width)
    transaction.onCommit {
      try? cmdqv.engine.writeWindow(
        vintf.number, Hardware.clamped(offset), value, width: width)
      cmdqv.tellProgress()
    }
  }
}
