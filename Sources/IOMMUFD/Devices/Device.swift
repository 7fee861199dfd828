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
