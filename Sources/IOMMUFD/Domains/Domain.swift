// SPDX-License-Identifier: Apache-2.0

/// A hardware page table, a HWPT (`struct iommufd_hw_pagetable`).
public final class Domain: ContextObject {
  /// The flags of `IOMMU_HWPT_ALLOC` (`enum iommufd_hwpt_alloc_flags`); bits that the kernel does
  /// not know are kept, for they are refused late.
  public struct Flags: OptionSet, Sendable, Codable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let nestParent = Flags(rawValue: 1)
    public static let dirtyTracking = Flags(rawValue: 2)
    public static let faultIDValid = Flags(rawValue: 4)
    public static let pasid = Flags(rawValue: 8)

    static let known: Flags = [.nestParent, .dirtyTracking, .faultIDValid, .pasid]
    static let ofNested: Flags = [.faultIDValid, .pasid]
  }

  public enum Form {
    /// Filled from an address space.
    case paging(IOAS)
    /// Owned by a guest, on a vIOMMU.
    case nested(VIOMMU)
    /// Owned by a guest, directly on its nesting parent.
    case nestedOnParent(Domain)
  }

  public let form: Form
  public let smmu: SMMU
  /// The device that the domain was allocated for; it is not pinned and may be gone.
  public let deviceName: String
  public let flags: Flags
  /// What the caller handed to the driver: a guest's entry, for one.
  public let userData: UserData?
  /// Made by attaching a device to an address space, and gone with the last attachment.
  public let isAuto: Bool
  public internal(set) var faultQueue: FaultQueue?
  /// Whether writes are being noted page by page (`IOMMU_HWPT_SET_DIRTY_TRACKING`).
  public internal(set) var isTrackingDirty = false
  /// The order of creation on the host.
  let serial: UInt64
  /// What the driver keeps with a domain.
  public var driverData: AnyObject?

  /// What its driver does with it (`ops` of `struct iommu_domain`).
  public var ops: any DomainOps { smmu.driver.domainOps }

  init(
    name: String, device: Device, form: Form, flags: Flags, userData: UserData?,
    isAuto: Bool = false, serial: UInt64
  ) {
    self.form = form
    smmu = device.smmu
    deviceName = device.name
    self.flags = flags
    self.userData = userData
    self.isAuto = isAuto
    self.serial = serial
    super.init(.domain, name, in: device.owner)
  }

  /// The address space of a paging domain.
  public var ioas: IOAS? {
    if case .paging(let ioas) = form { ioas } else { nil }
  }

  public var viommu: VIOMMU? {
    if case .nested(let viommu) = form { viommu } else { nil }
  }

  public var isNested: Bool { ioas == nil }

  /// The devices whose traffic the domain has a part in: those that are attached, and for a
  /// nesting parent those that are attached to what is nested on it.
  public var attachedDevices: [Device] {
    var result: [Device] = []
    for pin in heldBy {
      switch pin.holder {
      case let device as Device: result.append(device)
      case let nested as Domain: result += nested.attachedDevices
      case let viommu as VIOMMU:
        for pin in viommu.heldBy {
          if let nested = pin.holder as? Domain { result += nested.attachedDevices }
        }
      default: break
      }
    }
    return result
  }

  /// The paging domain whose address space the traffic reaches in the end.
  var pagingAncestor: Domain {
    switch form {
    case .paging: self
    case .nested(let viommu): viommu.parent
    case .nestedOnParent(let parent): parent
    }
  }
}
