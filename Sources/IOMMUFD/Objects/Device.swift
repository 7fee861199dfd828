// SPDX-License-Identifier: Apache-2.0

/// An emulated endpoint behind an SMMU, bound to a context (`struct iommufd_device`).
public final class Device: ContextObject {
  /// What the endpoint is; fixed when it is plugged in.
  public struct Properties: Sendable, Equatable {
    /// The stream IDs that its transactions bear; one for all but the odd device.
    public var streamIDs: [UInt32]
    /// Devices of one group can only be attached together; nil for a group of its own.
    public var group: String?
    public var ats: Bool
    public var pri: Bool
    /// The width of its PASIDs; 0 without them, at most 20.
    public var pasidBits: Int
    /// Whether its transactions can wait for an answer to their faults.
    public var stall: Bool
    /// Whether its IOMMU can note which pages it writes, as far as that depends on the device.
    public var tracksDirtyPages: Bool

    public init(
      streamIDs: [UInt32], group: String? = nil, ats: Bool = false, pri: Bool = false,
      pasidBits: Int = 0, stall: Bool = false, tracksDirtyPages: Bool = true
    ) {
      self.streamIDs = streamIDs
      self.group = group
      self.ats = ats
      self.pri = pri
      self.pasidBits = pasidBits
      self.stall = stall
      self.tracksDirtyPages = tracksDirtyPages
    }
  }

  public let smmu: SMMU
  public let properties: Properties
  let group: DeviceGroup
  /// The ID of an object that the device's bus keeps beside it, if its driver says that there is
  /// one; it has no other trace.
  public internal(set) var busObjectID: UInt32?
  /// The pins on the domains that the device is attached to, by PASID; 0 is the RID.
  var attachments: [UInt32: Pin] = [:]
  /// The pin on the vdev whose virtual ID the device's entry carries.
  var vdevPin: Pin?
  public internal(set) var vdev: VDevice?
  /// What the driver keeps with a device.
  public var driverData: AnyObject?

  init(name: String, smmu: SMMU, context: Context, properties: Properties, group: DeviceGroup) {
    self.smmu = smmu
    self.properties = properties
    self.group = group
    super.init(.device, name, in: context)
  }

  public var isAttached: Bool { !attachments.isEmpty }

  /// The domain attached at a PASID; 0 is the RID.
  public func domain(at pasid: UInt32) -> Domain? { attachments[pasid]?.target as? Domain }

  /// The PASIDs at which something is attached, ascending, without the RID.
  public var attachedPASIDs: [UInt32] { attachments.keys.filter { $0 != 0 }.sorted() }
}

/// Devices that the hardware cannot tell apart or keep apart (`struct iommufd_group`): they
/// share what they are attached to.
final class DeviceGroup {
  let name: String?
  var devices: [Device] = []
  /// What the group is attached to by PASID, as long as one of its devices is.
  var domains: [UInt32: Domain] = [:]

  init(name: String?) { self.name = name }
}

extension ObjectCore {
  /// Plugs a device in and binds it to a context (`iommufd_device_bind`).
  @discardableResult
  public func bindDevice(
    _ name: String?, smmu: String, context: String, properties: Device.Properties
  ) throws(Refusal) -> Device {
    let smmu: SMMU = try resolve(.smmu, smmu, field: "smmu")
    let context: Context = try resolve(.context, context, field: "context")
    let group = try self.group(properties.group, for: context)
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
    // Its group may be attached already, and then the hardware sends its traffic there too.
    for (pasid, domain) in group.domains.sorted(by: { $0.key < $1.key }) {
      let outcome = try smmu.driver.domainOps.attach(
        device, pasid: pasid, to: domain, in: transaction)
      try pinVDevice(of: outcome, by: device, pasid: pasid)
    }
    return device
  }

  /// A group has one owner (`iommu_group_claim_dma_owner`).
  private func group(_ name: String?, for context: Context) throws(Refusal) -> DeviceGroup {
    guard let name, let group = groups[name] else { return DeviceGroup(name: name) }
    if let member = group.devices.first, member.owner !== context {
      throw Refusal(
        .EPERM, field: "group", "group \(name) belongs to context \(member.owner.name)")
    }
    return group
  }

  private func enter(_ group: DeviceGroup, _ device: Device) {
    group.devices.append(device)
    if let name = group.name { groups[name] = group }
    transaction.onRollback { [unowned self] in leave(group, device) }
  }

  private func leave(_ group: DeviceGroup, _ device: Device) {
    group.devices.removeAll { $0 === device }
    if group.devices.isEmpty, let name = group.name { groups.removeValue(forKey: name) }
  }

  /// The end of a device that nothing holds and that is not attached.
  func unbind(_ device: Device) {
    let group = device.group
    let position = group.devices.firstIndex { $0 === device } ?? group.devices.count
    leave(group, device)
    transaction.onRollback { [unowned self] in
      group.devices.insert(device, at: position)
      if let name = group.name { groups[name] = group }
    }
    device.smmu.driver.ops.unbind(device, in: transaction)
    if let id = device.busObjectID { releaseID(id, of: device.owner) }
    for (pasid, domain) in group.domains.sorted(by: { $0.key < $1.key }) {
      discardFaults(of: device, pasid, from: domain)
    }
  }

  /// Unplugs a device by surprise (`iommufd_device_unbind` from the bus): never refused. It is
  /// detached, its vdev becomes a tombstone, and it is gone.
  public func unplug(_ name: String) throws(Refusal) {
    guard let device = object(.device, name) as? Device else {
      throw Refusal(.ENOENT, .notFound, "there is no device \(name)")
    }
    try step()
    for pasid in device.attachments.keys.sorted(by: >) { detach(device, pasid: pasid) }
    releaseVDevicePin(of: device)
    if let vdev = device.vdev { entomb(vdev) }
    recorder?.record(.unplugged(device))
    unbind(device)
    retire(device)
    try closeIfAbandoned(device.owner)
  }
}
