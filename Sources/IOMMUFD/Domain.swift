// SPDX-License-Identifier: Apache-2.0

/// A hardware page table, a HWPT (`struct iommufd_hw_pagetable`).
public final class Domain: ContextObject {
  /// The flags of `IOMMU_HWPT_ALLOC`.
  public struct Flags: Sendable, Equatable, Codable {
    public var nestParent = false
    public var dirtyTracking = false
    public var pasid = false

    public init() {}
  }

  public enum Form {
    /// Filled from an address space.
    case paging(IOAS)
    /// Owned by a guest: two words of its stream table entry, on a vIOMMU.
    case nested(VIOMMU, ste: [UInt64])
  }

  public let form: Form
  public let smmu: SMMU
  /// The device that the domain was allocated for; it is not pinned and may be gone.
  public let deviceName: String
  public let flags: Flags
  /// Made by attaching a device to an address space, and gone with the last attachment.
  public let isAuto: Bool
  public internal(set) var faultQueue: FaultQueue?
  /// The order of creation on the host.
  let serial: UInt64
  /// What the driver keeps with a domain.
  public var driverData: AnyObject?

  init(
    name: String, device: Device, form: Form, flags: Flags, isAuto: Bool = false, serial: UInt64
  ) {
    self.form = form
    smmu = device.smmu
    deviceName = device.name
    self.flags = flags
    self.isAuto = isAuto
    self.serial = serial
    super.init(.domain, name, in: device.owner)
  }

  public var ioas: IOAS? {
    if case .paging(let ioas) = form { ioas } else { nil }
  }

  public var viommu: VIOMMU? {
    if case .nested(let viommu, _) = form { viommu } else { nil }
  }
}

extension ObjectCore {
  /// Allocates a paging domain (`iommufd_hwpt_paging_alloc`).
  @discardableResult
  public func allocatePagingDomain(
    _ name: String?, device: String, ioas: String, flags: Domain.Flags, faultQueue: String? = nil
  ) throws(Refusal) -> Domain {
    let device: Device = try resolve(.device, device, field: "device")
    let context = device.owner
    let ioas: IOAS = try resolvePageTable(.ioas, ioas, in: context, field: "ioas")
    if faultQueue != nil, flags.nestParent {
      throw Refusal(
        .EOPNOTSUPP, field: "fault_queue", "a nesting parent takes no page faults")
    }
    let domain = try makePagingDomain(name, for: device, on: ioas, flags: flags, isAuto: false)
    try bindFaultQueue(faultQueue, to: domain)
    try publish(domain)
    return domain
  }

  /// Allocates a nested domain on a vIOMMU (`iommufd_viommu_alloc_hwpt_nested`).
  @discardableResult
  public func allocateNestedDomain(
    _ name: String?, device: String, viommu: String, ste: [UInt64], pasid: Bool = false,
    faultQueue: String? = nil
  ) throws(Refusal) -> Domain {
    let device: Device = try resolve(.device, device, field: "device")
    let context = device.owner
    let viommu: VIOMMU = try resolvePageTable(.viommu, viommu, in: context, field: "viommu")
    guard viommu.smmu === device.smmu else {
      throw Refusal(
        .EINVAL, field: "device",
        "device \(device.name) is behind \(device.smmu.name), the vIOMMU on \(viommu.smmu.name)")
    }
    var flags = Domain.Flags()
    flags.pasid = pasid
    let domain = Domain(
      name: try claimName(.domain, name), device: device,
      form: .nested(viommu, ste: ste), flags: flags, serial: nextSerial())
    domain.objectID = try claimID(context)
    try pin(viommu, by: domain, .field("viommu"))
    try viommu.smmu.driver.allocateNested(domain, for: device, in: transaction)
    try bindFaultQueue(faultQueue, to: domain)
    try publish(domain)
    return domain
  }

  /// A paging domain that is not published yet.
  func makePagingDomain(
    _ name: String?, for device: Device, on ioas: IOAS, flags: Domain.Flags, isAuto: Bool
  ) throws(Refusal) -> Domain {
    let context = device.owner
    let domain = Domain(
      name: try claimName(.domain, name), device: device,
      form: .paging(ioas), flags: flags, isAuto: isAuto, serial: nextSerial())
    domain.objectID = try claimID(context)
    try device.smmu.driver.allocatePaging(domain, for: device, in: transaction)
    try requireMappable(ioas, by: domain)
    try pin(ioas, by: domain, .field("ioas"))
    return domain
  }

  /// A domain must be able to translate what is mapped already (`iopt_table_add_domain`).
  private func requireMappable(_ ioas: IOAS, by domain: Domain) throws(Refusal) {
    let constraints = domain.smmu.driver.constraints(of: domain)
    for area in ioas.areas {
      let isInside =
        constraints.aperture.contains(area.iova) && constraints.aperture.contains(area.last)
      let isAligned = (area.iova | area.length | area.physical) % constraints.alignment == 0
      if !isInside || !isAligned {
        throw Refusal(
          .EADDRINUSE, field: "ioas", "ioas \(ioas.name) maps what the domain cannot translate")
      }
    }
  }

  /// The ID of a page table that is not there is `EINVAL` to `IOMMU_HWPT_ALLOC`, not `ENOENT`.
  private func resolvePageTable<Wanted: Object>(
    _ kind: ObjectKind, _ name: String, in context: Context, field: String
  ) throws(Refusal) -> Wanted {
    do {
      return try resolve(kind, name, in: context, field: field)
    } catch {
      throw Refusal(.EINVAL, .referenceNotFound, field: field, error.detail)
    }
  }

  /// The last thing that can fail, as in the kernel: a bad flag hides a bad fault queue.
  private func bindFaultQueue(_ name: String?, to domain: Domain) throws(Refusal) {
    guard let name else { return }
    let queue: FaultQueue = try resolve(
      .faultQueue, name, in: domain.owner, field: "fault_queue")
    try pin(queue, by: domain, .field("fault_queue"))
    domain.faultQueue = queue
  }

  private func nextSerial() -> UInt64 {
    serial += 1
    return serial
  }
}
