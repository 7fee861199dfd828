// SPDX-License-Identifier: Apache-2.0

/// What can be done with domains, except for attaching devices to them.
public struct Domains: ObjectVerbs {
  unowned let core: ObjectCore

  /// Allocates a domain (`iommufd_hwpt_alloc`).
  ///
  /// - Parameters:
  ///   - name: the name of the new object; nil to have one made up.
  ///   - request: which domain it is to be.
  /// - Throws: `ENOENT` when there is no such device or fault queue; `EINVAL` when there is no such
  ///   page table, when it belongs to another IOMMU, or when it is no nesting parent; `EOPNOTSUPP`
  ///   for flags that such a domain cannot have, for a nested domain without data, and for nesting
  ///   on a parent where the driver needs a vIOMMU; `EADDRINUSE` when the address space maps what
  ///   the domain cannot translate; `EEXIST` for a name that is taken; `EBADF` when the context's
  ///   own file is closed; and the errors of the driver.
  @discardableResult
  public func allocate(
    _ name: String?, _ request: DomainRequest
  ) throws(Refusal) -> Domain {
    let device: Device = try resolve(.device, request.device, field: "device")
    let domain: Domain =
      switch request.pageTable {
      case .ioas(let ioas): try allocatePaging(name, for: device, on: ioas, request)
      case .viommu(let viommu): try allocateNested(name, for: device, on: viommu, request)
      case .domain(let parent): try allocateNested(name, for: device, directlyOn: parent, request)
      }
    try bindFaultQueue(request, to: domain)
    try publish(domain)
    return domain
  }

  // MARK: Paging

  /// Allocates a domain that an address space fills (`iommufd_hwpt_paging_alloc`).
  private func allocatePaging(
    _ name: String?, for device: Device, on ioas: String, _ request: DomainRequest
  ) throws(Refusal) -> Domain {
    let ioas: IOAS = try resolvePageTable(.ioas, ioas, in: device.owner, field: "ioas")
    let flags = request.flags
    guard flags.isSubset(of: .known) else {
      throw Refusal(.EOPNOTSUPP, field: "flags", "there is no such flag of a domain")
    }
    if flags.contains(.dirtyTracking), !device.smmu.driver.ops.tracksDirtyPages(of: device) {
      throw Refusal(
        .EOPNOTSUPP, field: "dirty_tracking", "nothing tracks the dirty pages of \(device.name)")
    }
    if flags.isSuperset(of: [.faultIDValid, .nestParent]) {
      throw Refusal(
        .EOPNOTSUPP, field: "fault_queue", "a nesting parent takes no page faults")
    }
    let domain = try makePaging(name, for: device, on: ioas, flags, request.data, isAuto: false)
    try join(domain, to: ioas)
    return domain
  }

  /// Makes a paging domain that has not joined its address space, so that the caller chooses when
  /// it does.
  func makePaging(
    _ name: String?, for device: Device, on ioas: IOAS, _ flags: Domain.Flags, _ data: UserData?,
    isAuto: Bool
  ) throws(Refusal) -> Domain {
    let domain = Domain(
      name: try claimName(.domain, name), device: device, form: .paging(ioas), flags: flags,
      userData: data, isAuto: isAuto, serial: nextSerial())
    domain.objectID = try claimID(device.owner)
    try device.smmu.driver.ops.allocatePaging(domain, for: device, in: transaction)
    return domain
  }

  /// Adds a domain to its address space. It translates the mappings that are there, and those that
  /// come (`iopt_table_add_domain`).
  ///
  /// - Throws: `EADDRINUSE` when it cannot translate what is mapped, `ENOMEM` when there is no room
  ///   for its tables.
  func join(_ domain: Domain, to ioas: IOAS) throws(Refusal) {
    try core.addressSpaces.requireMappable(ioas, by: domain)
    for area in ioas.areas { try domain.ops.map(area, in: domain, in: transaction) }
    try pin(ioas, by: domain, .field("ioas"))
  }

  // MARK: Nested

  /// Allocates a domain for a guest's tables on a vIOMMU (`iommufd_viommu_alloc_hwpt_nested`).
  private func allocateNested(
    _ name: String?, for device: Device, on viommu: String, _ request: DomainRequest
  ) throws(Refusal) -> Domain {
    let viommu: VIOMMU = try resolvePageTable(.viommu, viommu, in: device.owner, field: "viommu")
    guard viommu.smmu === device.smmu else {
      throw Refusal(
        .EINVAL, field: "device",
        "device \(device.name) is behind \(device.smmu.name), the vIOMMU on \(viommu.smmu.name)")
    }
    try requireNestable(request)
    return try makeNested(name, for: device, .nested(viommu), pinning: viommu, "viommu", request)
  }

  /// Allocates a domain for a guest's tables directly on a nesting parent
  /// (`iommufd_hwpt_nested_alloc`).
  private func allocateNested(
    _ name: String?, for device: Device, directlyOn parent: String, _ request: DomainRequest
  ) throws(Refusal) -> Domain {
    let parent: Domain = try resolvePageTable(.domain, parent, in: device.owner, field: "domain")
    if parent.isNested {
      throw Refusal(.EINVAL, field: "domain", "domain \(parent.name) is a nested one itself")
    }
    try requireNestable(request)
    guard device.smmu.driver.ops.nestsOnParents else {
      throw Refusal(
        .EOPNOTSUPP, field: "domain", "\(device.smmu.name) nests on vIOMMUs, not on their parents")
    }
    guard parent.flags.contains(.nestParent), !parent.isAuto,
      parent.smmu.driver.settings.driver == device.smmu.driver.settings.driver
    else {
      throw Refusal(
        .EINVAL, field: "domain", "domain \(parent.name) is no nesting parent for \(device.name)")
    }
    return try makeNested(
      name, for: device, .nestedOnParent(parent), pinning: parent, "domain", request)
  }

  private func requireNestable(_ request: DomainRequest) throws(Refusal) {
    guard request.flags.isSubset(of: .ofNested) else {
      throw Refusal(.EOPNOTSUPP, field: "flags", "a nested domain takes no such flag")
    }
    if request.data == nil {
      throw Refusal(.EOPNOTSUPP, field: "data", "a nested domain is made of a guest's data")
    }
  }

  private func makeNested(
    _ name: String?, for device: Device, _ form: Domain.Form, pinning base: Object,
    _ field: String, _ request: DomainRequest
  ) throws(Refusal) -> Domain {
    let domain = Domain(
      name: try claimName(.domain, name), device: device, form: form, flags: request.flags,
      userData: request.data, serial: nextSerial())
    domain.objectID = try claimID(device.owner)
    try pin(base, by: domain, .field(field))
    if let viommu = domain.viommu {
      try viommu.ops.allocateNested(domain, for: device, in: transaction)
    } else {
      try device.smmu.driver.ops.allocateNested(domain, for: device, in: transaction)
    }
    return domain
  }

  // MARK: Parts

  /// The object that a domain is to translate by. `IOMMU_HWPT_ALLOC` answers `EINVAL` for one that
  /// is not there, and not `ENOENT` as all other calls do.
  private func resolvePageTable<Wanted: Object>(
    _ kind: ObjectKind, _ name: String, in context: Context, field: String
  ) throws(Refusal) -> Wanted {
    do {
      return try resolve(kind, name, in: context, field: field)
    } catch {
      throw Refusal(.EINVAL, .referenceNotFound, field: field, error.detail)
    }
  }

  /// Has the domain report its page faults to a queue. As in the kernel this comes last, so that
  /// whatever else is wrong with the request decides the error.
  private func bindFaultQueue(_ request: DomainRequest, to domain: Domain) throws(Refusal) {
    guard request.flags.contains(.faultIDValid) else { return }
    let queue: FaultQueue = try resolve(
      .faultQueue, request.faultQueue ?? "", in: domain.owner, field: "fault_queue")
    try pin(queue, by: domain, .field("fault_queue"))
    domain.faultQueue = queue
  }

  private func nextSerial() -> UInt64 {
    core.serial += 1
    return core.serial
  }

  // MARK: Dirty tracking

  /// Has the hardware begin or stop to note which pages are written
  /// (`IOMMU_HWPT_SET_DIRTY_TRACKING`).
  ///
  /// - Throws: `ENOENT` when there is no such paging domain, `EOPNOTSUPP` for one that was
  ///   allocated without the flag `dirtyTracking`.
  public func setDirtyTracking(_ name: String, _ isOn: Bool) throws(Refusal) {
    let domain: Domain = try resolve(.domain, name, field: "domain")
    guard !domain.isNested else {
      throw Refusal(.ENOENT, field: "domain", "domain \(name) is not a paging domain")
    }
    guard domain.flags.contains(.dirtyTracking) else {
      throw Refusal(.EOPNOTSUPP, field: "domain", "domain \(name) does not track dirty pages")
    }
    try step()
    let previous = domain.isTrackingDirty
    domain.isTrackingDirty = isOn
    transaction.onRollback { domain.isTrackingDirty = previous }
    touch(domain)
    recorder?.record(.updated(domain))
  }
}
