// SPDX-License-Identifier: Apache-2.0

/// An emulated endpoint behind a physical IOMMU, bound to a context (`struct iommufd_device`).
public final class Device: ContextObject {
  /// What the endpoint is. It is fixed when the device is plugged in.
  public struct Properties: Sendable, Equatable {
    /// The stream IDs that its transactions bear, at least one. The first is the one that its own
    /// transactions have; the others are aliases, which few devices have.
    public var streamIDs: [UInt32]
    /// The name of its isolation group, whose devices can only be attached together; nil for a
    /// group of its own.
    public var group: String?
    /// Whether it can ask for translations in advance and keep them (PCIe Address Translation
    /// Services).
    public var ats: Bool
    /// Whether it can ask for pages that are not mapped (PCIe Page Request Interface).
    public var pri: Bool
    /// The width of the PASIDs that it can use, from 0 to 20 bits; 0 for a device without PASIDs.
    public var pasidBits: Int
    /// Whether its transactions can wait while a fault of theirs is being answered.
    public var stall: Bool
    /// Whether its IOMMU can note which pages it writes, as far as that depends on the device; the
    /// IOMMU must be able to as well.
    public var tracksDirtyPages: Bool

    /// Describes an endpoint; what is left out is absent, but for the tracking of dirty pages.
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

  /// The physical IOMMU that it is behind.
  public let smmu: SMMU
  /// What the endpoint is.
  public let properties: Properties
  let group: DeviceGroup
  /// The ID of an object that the device's bus keeps beside it; nil unless its driver says that
  /// there is one (`IOMMUOps.keepsBusObjects`). The object shows nothing but its ID.
  public internal(set) var busObjectID: UInt32?
  /// The pins on the domains that the device is attached to, by PASID. PASID 0 stands for the RID.
  var attachments: [UInt32: Pin] = [:]
  /// The pin on the vdev whose virtual ID the device's stream table entry carries, by the design's
  /// policy.
  var vdevPin: Pin?
  /// The vdev that stands for the device in a vIOMMU, of which it has one at most.
  public internal(set) var vdev: VDevice?
  /// What the driver keeps with the device; nobody else looks at it.
  public var driverData: AnyObject?

  init(name: String, smmu: SMMU, context: Context, properties: Properties, group: DeviceGroup) {
    self.smmu = smmu
    self.properties = properties
    self.group = group
    super.init(.device, name, in: context)
  }

  /// Whether the device is attached at its RID or at any PASID.
  public var isAttached: Bool { !attachments.isEmpty }

  /// The domain that the device is attached to at a PASID; PASID 0 stands for the RID.
  public func domain(at pasid: UInt32) -> Domain? { attachments[pasid]?.target as? Domain }

  /// The PASIDs at which the device is attached, ascending and without the RID.
  public var attachedPASIDs: [UInt32] { attachments.keys.filter { $0 != 0 }.sorted() }
}

/// Devices that the hardware cannot tell apart or keep apart (`struct iommufd_group`). At each
/// PASID all of them are attached to the same domain.
final class DeviceGroup {
  let name: String?
  var devices: [Device] = []
  /// The domains that the group is attached to, by PASID; an entry stays while one of its devices
  /// is attached.
  var domains: [UInt32: Domain] = [:]

  init(name: String?) { self.name = name }
}
