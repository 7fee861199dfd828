// SPDX-License-Identifier: Apache-2.0

/// A device inside a vIOMMU (`struct iommufd_vdevice`): it says which virtual ID a device has in a
/// guest.
public final class VDevice: ContextObject {
  /// The vIOMMU that the device is in.
  public let viommu: VIOMMU
  /// The device that the guest was given.
  public let device: Device
  /// The number by which the guest knows the device, unique in the vIOMMU. For an SMMUv3 it is the
  /// virtual stream ID.
  public let virtualID: UInt64
  /// What the driver keeps with the vdev; nobody else looks at it.
  public var driverData: AnyObject?

  init(name: String, viommu: VIOMMU, device: Device, virtualID: UInt64) {
    self.viommu = viommu
    self.device = device
    self.virtualID = virtualID
    super.init(.vdev, name, in: viommu.owner)
  }
}

/// What can be done with vdevs.
public struct VDevices: ObjectVerbs {
  unowned let core: ObjectCore

  /// Allocates a vdev (`iommufd_vdevice_alloc_ioctl`).
  ///
  /// - Parameters:
  ///   - name: the name of the new object; nil to have one made up.
  ///   - viommu: the vIOMMU.
  ///   - device: the device, which must be behind the vIOMMU's physical IOMMU and in the same
  ///     context.
  ///   - virtualID: the number by which the guest knows the device.
  /// - Throws: `ENOENT` when there is no such vIOMMU or device; `EINVAL` when the device is behind
  ///   another IOMMU; `EEXIST` when it has a vdev already, or when the virtual ID or the name is
  ///   taken; `EBADF` when the context's own file is closed; and the errors of the driver's
  ///   `initialize`.
  @discardableResult
  public func allocate(
    _ name: String?, viommu: String, device: String, virtualID: UInt64
  ) throws(Refusal) -> VDevice {
    let viommu: VIOMMU = try resolve(.viommu, viommu, field: "viommu")
    let context = viommu.owner
    let device: Device = try resolve(.device, device, in: context, field: "device")
    guard device.smmu === viommu.smmu else {
      throw Refusal(
        .EINVAL, field: "device",
        "device \(device.name) is behind \(device.smmu.name), the vIOMMU on \(viommu.smmu.name)")
    }
    if let vdev = device.vdev {
      throw Refusal(.EEXIST, field: "device", "device \(device.name) has vdev \(vdev.name)")
    }
    if let vdev = viommu.vdevs[virtualID] {
      throw Refusal(
        .EEXIST, field: "virt_id", "vdev \(vdev.name) of \(viommu.name) has that virtual ID")
    }
    let vdev = VDevice(
      name: try claimName(.vdev, name), viommu: viommu, device: device, virtualID: virtualID)
    vdev.objectID = try claimID(context)
    try pin(viommu, by: vdev, .field("viommu"))
    try pin(device, by: vdev, .field("device"))
    try viommu.ops.initialize(vdev, in: transaction)
    enter(vdev)
    try publish(vdev)
    return vdev
  }

  private func enter(_ vdev: VDevice) {
    link(vdev)
    transaction.onRollback { VDevices.unlink(vdev) }
  }

  private func link(_ vdev: VDevice) {
    vdev.viommu.vdevs[vdev.virtualID] = vdev
    vdev.device.vdev = vdev
  }

  private static func unlink(_ vdev: VDevice) {
    vdev.viommu.vdevs.removeValue(forKey: vdev.virtualID)
    vdev.device.vdev = nil
  }

  /// Does what the end of a vdev brings with it, whether it is destroyed or its device is
  /// unplugged.
  func leave(_ vdev: VDevice) {
    vdev.viommu.ops.destroy(vdev, in: transaction)
    VDevices.unlink(vdev)
    transaction.onRollback { link(vdev) }
  }

  /// Ends a vdev whose device is unplugged (`iommufd_object_tombstone_user`). Its ID stays taken
  /// until the context ends, so that a program which still uses the ID never meets another object.
  func entomb(_ vdev: VDevice) {
    leave(vdev)
    while let pin = vdev.holds.last { unpin(pin) }
    if let id = vdev.objectID { bury(id, of: vdev.owner) }
    withdraw(vdev)
    recorder?.record(.tombstoned(vdev))
  }

  private func bury(_ id: UInt32, of context: Context) {
    let occupant = context.byID[id]
    context.byID[id] = nil
    context.tombstones.insert(id)
    touch(context)
    transaction.onRollback {
      context.tombstones.remove(id)
      context.byID[id] = occupant
    }
  }
}
