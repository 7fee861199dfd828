// SPDX-License-Identifier: Apache-2.0

/// A hardware page table, which iommufd calls a HWPT (`struct iommufd_hw_pagetable`).
public final class Domain: ContextObject {
  /// The flags of `IOMMU_HWPT_ALLOC` (`enum iommufd_hwpt_alloc_flags`). Bits that the kernel does
  /// not know are kept, because they are refused only after other checks.
  public struct Flags: OptionSet, Sendable, Codable {
    /// The bits as the kernel numbers them.
    public let rawValue: UInt32
    /// Makes a set of any of the kernel's bits.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Nested domains can stand on the domain, as a guest's stage 1 stands on its VM's stage 2
    /// (`IOMMU_HWPT_ALLOC_NEST_PARENT`).
    public static let nestParent = Flags(rawValue: 1)
    /// The hardware can note which pages are written (`IOMMU_HWPT_ALLOC_DIRTY_TRACKING`).
    public static let dirtyTracking = Flags(rawValue: 2)
    /// The request names a fault queue, which gets the domain's page faults
    /// (`IOMMU_HWPT_FAULT_ID_VALID`).
    public static let faultIDValid = Flags(rawValue: 4)
    /// The domain can be attached at PASIDs (`IOMMU_HWPT_ALLOC_PASID`).
    public static let pasid = Flags(rawValue: 8)

    /// All flags that the kernel knows.
    static let known: Flags = [.nestParent, .dirtyTracking, .faultIDValid, .pasid]
    /// The flags that a nested domain can have.
    static let ofNested: Flags = [.faultIDValid, .pasid]
  }

  /// What the domain translates by.
  public enum Form {
    /// Tables that the kernel fills with the mappings of an address space.
    case paging(IOAS)
    /// A guest's own tables, on a vIOMMU.
    case nested(VIOMMU)
    /// A guest's own tables, directly on a nesting parent.
    case nestedOnParent(Domain)
  }

  /// What the domain translates by.
  public let form: Form
  /// The physical IOMMU whose driver made the domain.
  public let smmu: SMMU
  /// The name of the device that the domain was allocated for. The domain does not pin it, so it
  /// may be gone.
  public let deviceName: String
  /// The flags that it was allocated with.
  public let flags: Flags
  /// What the caller handed to the driver, such as a guest's stream table entry; nil when it was
  /// nothing.
  public let userData: UserData?
  /// Whether the domain was made because a device was attached to an address space. Such a domain
  /// goes with its last attachment.
  public let isAuto: Bool
  /// The queue that gets the domain's page faults; nil when it handles none.
  public internal(set) var faultQueue: FaultQueue?
  /// Whether the hardware notes at present which pages are written
  /// (`IOMMU_HWPT_SET_DIRTY_TRACKING`).
  public internal(set) var isTrackingDirty = false
  /// The number of the domain in the order of creation on its host.
  let serial: UInt64
  /// What the driver keeps with the domain; nobody else looks at it.
  public var driverData: AnyObject?

  /// The driver's operations on the domain (`ops` of `struct iommu_domain`).
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

  /// The address space of a paging domain; nil for a nested one.
  public var ioas: IOAS? {
    if case .paging(let ioas) = form { ioas } else { nil }
  }

  /// The vIOMMU that a nested domain stands on; nil for any other.
  public var viommu: VIOMMU? {
    if case .nested(let viommu) = form { viommu } else { nil }
  }

  /// Whether a guest owns the tables, on a vIOMMU or directly on a nesting parent.
  public var isNested: Bool { ioas == nil }

  /// The devices whose traffic goes through the domain: those that are attached to it and, for a
  /// nesting parent, those that are attached to a domain nested on it. A device that is attached at
  /// several PASIDs is listed once for each.
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

  /// The paging domain that the traffic goes through in the end: the domain itself, or the nesting
  /// parent under it.
  var pagingAncestor: Domain {
    switch form {
    case .paging: self
    case .nested(let viommu): viommu.parent
    case .nestedOnParent(let parent): parent
    }
  }
}
