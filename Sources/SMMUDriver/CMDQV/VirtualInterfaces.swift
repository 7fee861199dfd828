// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// The CMDQV's virtual interfaces that guests have, each of which belongs to a vIOMMU, and their
/// SID slots, which turn the virtual stream IDs in guests' commands into physical ones.
final class VirtualInterfaces {
  /// The SMMU's name, which refusals mention.
  private let name: String
  private let cmdqv: CMDQVDriver
  /// The numbers of the interfaces that guests can have: all except 0, which is the kernel's own.
  let numbers: NumberPool

  init(of name: String, _ cmdqv: CMDQVDriver) {
    self.name = name
    self.cmdqv = cmdqv
    numbers = NumberPool(
      from: 1, limit: cmdqv.engine.size.vintfs - 1, field: "type",
      exhausted: "\(name) has no virtual interface left")
  }

  /// Gives a vIOMMU an interface (`tegra241_cmdqv_init_vintf_user`).
  ///
  /// - Returns: the answer to the caller, which says where the interface's window can be mapped.
  func initialize(
    _ viommu: VIOMMU, vmid: UInt32, data: UserData?, in transaction: Transaction
  ) throws(Refusal) -> [UInt8]? {
    guard let data else {
      throw Refusal(.EINVAL, field: "data", "a vIOMMU of this type says where its window is")
    }
    var answer = try data.copy(
      type: VIOMMUType.tegra241CMDQV.rawValue, minimum: 16, size: 16, field: "data")
    let vintf = try claim(vmid: vmid, in: transaction)
    viommu.driverData = VSMMU(vmid: vmid, vintf: vintf)
    viommu.openWindow(length: VINTF.windowLength, in: transaction)
    answer.set(0, u64: viommu.window?.offset ?? 0)
    answer.set(8, u64: VINTF.windowLength)
    transaction.onCommit { [cmdqv] in
      cmdqv.enable(vintf.number, vmid: vintf.vmid)
      cmdqv.interrupts.publish(vintf.number, viommu)
      vintf.isLive = true
    }
    return answer.bytes
  }

  private func claim(
    vmid: UInt32, in transaction: Transaction
  ) throws(Refusal) -> VINTF {
    let number = try numbers.take(in: transaction)
    guard cmdqv.isEnabled else {
      throw Refusal(
        .ETIMEDOUT, field: "type",
        "the interface does not come up: CONFIG.EN of \(name)'s CMDQV is 0")
    }
    return VINTF(
      number: Int(number), vmid: UInt16(truncatingIfNeeded: vmid),
      sidSlots: cmdqv.engine.size.sidsPerVINTF)
  }

  /// Takes the interface of a vIOMMU back (`tegra241_cmdqv_destroy_vintf_user`).
  func destroy(_ vintf: VINTF, of viommu: VIOMMU, in transaction: Transaction) {
    numbers.giveBack(UInt32(vintf.number), in: transaction)
    viommu.closeWindow(in: transaction)
    transaction.onCommit { [cmdqv] in
      vintf.isLive = false
      cmdqv.interrupts.withdraw(vintf.number)
      cmdqv.disable(vintf.number)
    }
  }

  // MARK: Slots

  func fillSlot(
    of vdev: VDevice, in vintf: VINTF, _ transaction: Transaction
  ) throws(Refusal) {
    let number = try vintf.sidSlots.take(in: transaction)
    let slot = SIDSlot(number: Int(number))
    vdev.driverData = slot
    let virtual = UInt32(truncatingIfNeeded: vdev.virtualID)
    let stream = vdev.device.properties.streamIDs[0]
    transaction.onCommit { [cmdqv] in
      cmdqv.fillSlot(slot.number, of: vintf.number, virtual: virtual, stream: stream)
    }
  }

  func clearSlot(_ slot: SIDSlot, of vintf: VINTF, in transaction: Transaction) {
    vintf.sidSlots.giveBack(UInt32(slot.number), in: transaction)
    transaction.onCommit { [cmdqv] in cmdqv.clearSlot(slot.number, of: vintf.number) }
  }

  // MARK: The window

  func readWindow(of viommu: VIOMMU, at offset: UInt64, width: Int) throws(Refusal) -> UInt64 {
    let vintf = try vintf(of: viommu)
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
    let vintf = try vintf(of: viommu)
    _ = try readWindow(of: viommu, at: offset, width: width)
    transaction.onCommit { [cmdqv] in
      try? cmdqv.engine.writeWindow(
        vintf.number, Hardware.clamped(offset), value, width: width)
      cmdqv.tellProgress()
    }
  }

  private func vintf(of viommu: VIOMMU) throws(Refusal) -> VINTF {
    guard let vintf = (viommu.driverData as? VSMMU)?.vintf else {
      throw VSMMUOps.hasNoWindow(viommu)
    }
    return vintf
  }
}
