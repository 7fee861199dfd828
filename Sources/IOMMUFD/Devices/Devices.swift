// SPDX-License-Identifier: Apache-2.0

/// What can be done with devices, except for attaching them.
public struct Devices: ObjectVerbs {
  unowned let core: ObjectCore

  /// Plugs a device in and binds it to a context (`iommufd_device_bind`). When its group is
  /// attached already, its traffic goes through the group's domains from now on.
  ///
  /// - Parameters:
  ///   - name: the name of the new object; nil to have one made up.
  ///   - smmu: the physical IOMMU that it is behind.
  ///   - context: the open iommufd that it belongs to.
  ///   - properties: what the endpoint is.
  /// - Throws: `EEXIST` for a name that is taken, `ENOENT` when there is no such IOMMU or context,
  ///   `EPERM` when its group belongs to another context, `EBADF` when the context's own file is
  ///   closed, and the errors of the driver's `bind` and `attach`.
  @discardableResult
  public func bind(
    _ name: String?, smmu: String, context: String, properties: Device.Properties
  ) throws(Refusal) -> Device {
    let smmu: SMMU = try resolve(.smmu, smmu, field: "smmu")
    let context: Context = try resolve(.context, context, field: "context")
    let group = try group(properties.group, for: context)
    let device = Device(
      name: try claimName(.device, name), smmu: smmu, context: context, properties: properties,
      group: group)
    if smmu.driver.ops.keepsBusObjects {
      let id = try claimID(context)
      device.busObjectID = id
      occupy(id, of: context, with: device)
    }
    device.objectID = try claimID(context)
    try pin(smmu, by: device, .field("smmu"))
    try pin(context, by: device, .field("context"))
    try smmu.driver.ops.bind(device, in: transaction)
    try publish(device)
    enter(group, device)
    // The hardware cannot keep the devices of a group apart, so this one goes where they are.
    for (pasid, domain) in group.domains.sorted(by: { $0.key < $1.key }) {
      let outcome = try smmu.driver.domainOps.attach(
        device, pasid: pasid, to: domain, in: transaction)
      try core.attachments.pinVDevice(of: outcome, by: device, pasid: pasid)
    }
    return device
  }

  /// The group of a name, or a new one. All devices of a group belong to one context
  /// (`iommu_device_claim_dma_owner`).
  ///
  /// - Throws: `EPERM` when the group has devices of another context.
  private func group(_ name: String?, for context: Context) throws(Refusal) -> DeviceGroup {
    guard let name, let group = core.groups[name] else { return DeviceGroup(name: name) }
    if let member = group.devices.first, member.owner !== context {
      throw Refusal(
        .EPERM, field: "group", "group \(name) belongs to context \(member.owner.name)")
    }
    return group
  }

  private func enter(_ group: DeviceGroup, _ device: Device) {
    group.devices.append(device)
    if let name = group.name { core.groups[name] = group }
    transaction.onRollback { leave(group, device) }
  }

  private func leave(_ group: DeviceGroup, _ device: Device) {
    group.devices.removeAll { $0 === device }
    if group.devices.isEmpty, let name = group.name { core.groups.removeValue(forKey: name) }
  }

  /// Does what the end of a device brings with it: it leaves its group, and its driver forgets its
  /// streams. Nothing holds the device any more, and it is not attached.
  func unbind(_ device: Device) {
    let group = device.group
    let position = group.devices.firstIndex { $0 === device } ?? group.devices.count
    leave(group, device)
    transaction.onRollback {
      group.devices.insert(device, at: position)
      if let name = group.name { core.groups[name] = group }
    }
    device.smmu.driver.ops.unbind(device, in: transaction)
    if let id = device.busObjectID { releaseID(id, of: device.owner) }
    for (pasid, domain) in group.domains.sorted(by: { $0.key < $1.key }) {
      core.attachments.discardFaults(of: device, pasid, from: domain)
    }
  }

  /// Unplugs a device by surprise, as its bus does (`iommufd_device_unbind`). That is never
  /// refused, whoever holds the device: it is detached, its vdev becomes a tombstone, and it is
  /// gone.
  ///
  /// - Throws: `ENOENT` when there is no such device.
  public func unplug(_ name: String) throws(Refusal) {
    guard let device = object(.device, name) as? Device else {
      throw Refusal(.ENOENT, .notFound, "there is no device \(name)")
    }
    try step()
    for pasid in device.attachments.keys.sorted(by: >) {
      core.attachments.detach(device, pasid: pasid)
    }
    core.attachments.releaseVDevicePin(of: device)
    if let vdev = device.vdev { core.vdevs.entomb(vdev) }
    recorder?.record(.unplugged(device))
    unbind(device)
    retire(device)
    try core.contexts.closeIfAbandoned(device.owner)
  }
}
