// SPDX-License-Identifier: Apache-2.0

/// Attaching devices to domains, moving them to other domains, and detaching them.
public struct Attachments: ObjectVerbs {
  unowned let core: ObjectCore

  /// Attaches a device, or moves it to another domain in one step.
  ///
  /// - Parameters:
  ///   - name: the device.
  ///   - pasid: the PASID that is attached; 0 stands for the RID.
  ///   - target: what the device is attached to.
  ///   - mode: whether the attach may take the place of another one.
  /// - Throws: what the checks of `mode`, of the PASID and of reserved ranges refuse, and what the
  ///   driver refuses.
  public func attach(
    _ name: String, pasid: UInt32 = 0, to target: AttachTarget, mode: AttachMode = .either
  ) throws(Refusal) {
    let device: Device = try find(.device, name)
    switch try pageTable(target, for: device) {
    case let domain as Domain: try attach(device, pasid, to: domain, mode)
    case let ioas as IOAS: try attach(device, pasid, to: ioas, mode)
    case let other:
      throw Refusal(
        .EINVAL, field: "object_id",
        "\(other.kind.rawValue) \(other.name) is nothing that a device is attached to")
    }
  }

  private func pageTable(
    _ target: AttachTarget, for device: Device
  ) throws(Refusal) -> Object {
    switch target {
    case .domain(let name):
      return try resolve(.domain, name, in: device.owner, field: "domain", as: Domain.self)
    case .ioas(let name):
      return try resolve(.ioas, name, in: device.owner, field: "ioas", as: IOAS.self)
    case .objectID(let id):
      guard let object = device.owner.byID[id] else {
        throw Refusal(
          .ENOENT, field: "object_id", "context \(device.owner.name) has no object \(id)")
      }
      guard object.objectID == id else {
        throw Refusal(.EINVAL, field: "object_id", "object \(id) is a hidden one")
      }
      return object
    }
  }

  /// Attaches a device to one of the automatic domains of an address space. They are tried one
  /// after the other, and if none fits a new one is made (`iommufd_device_auto_get_domain`).
  private func attach(
    _ device: Device, _ pasid: UInt32, to ioas: IOAS, _ mode: AttachMode
  ) throws(Refusal) {
    for domain in ioas.domains where domain.isAuto {
      let savepoint = transaction.savepoint
      do {
        return try attach(device, pasid, to: domain, mode)
      } catch {
        guard error.errno == .EINVAL else { throw error }
        core.rollback(to: savepoint)
      }
    }
    let domain = try core.domains.makePaging(nil, for: device, on: ioas, [], nil, isAuto: true)
    // As in Linux, a new domain is attached first and then gets the mappings of its address space.
    // When it takes the place of another domain the order is the reverse, so that the device does
    // not leave a domain for one that turns out not to be usable.
    if isReplacing(device, pasid, mode) {
      try core.domains.join(domain, to: ioas)
      try publish(domain)
      try attach(device, pasid, to: domain, mode)
    } else {
      try publish(domain)
      try attach(device, pasid, to: domain, mode)
      try core.domains.join(domain, to: ioas)
    }
  }

  private func isReplacing(_ device: Device, _ pasid: UInt32, _ mode: AttachMode) -> Bool {
    mode == .replace || mode == .either && device.domain(at: pasid) != nil
  }

  private func attach(
    _ device: Device, _ pasid: UInt32, to domain: Domain, _ mode: AttachMode
  ) throws(Refusal) {
    let isReplacing = isReplacing(device, pasid, mode)
    try isReplacing
      ? requireReplaceable(device, pasid)
      : requireAttachable(device, pasid, to: domain)
    // If the device is attached to this domain already, nothing is checked and nothing changes.
    if isReplacing, device.group.domains[pasid] === domain { return }
    try requirePASIDCompatible(device, pasid, domain)
    if !isReplacing, pasid == 0 { try core.addressSpaces.reserveRanges(of: device, in: domain) }
    try program(device.group, pasid, domain, isReplacing: isReplacing)
    if isReplacing {
      try move(device.group, pasid, to: domain)
    } else {
      try pinDomain(domain, by: device, pasid)
      recorder?.record(.attached(device, pasid: pasid, domain: domain))
    }
  }

  // MARK: Checks

  private func requireAttachable(
    _ device: Device, _ pasid: UInt32, to domain: Domain
  ) throws(Refusal) {
    if let current = device.domain(at: pasid) {
      throw Refusal(
        .EBUSY, "device \(device.name) is attached to domain \(current.name) already",
        object: device.key)
    }
    if let other = device.group.domains[pasid], other !== domain {
      throw Refusal(
        .EINVAL, field: "domain", "the device's group is attached to domain \(other.name)")
    }
  }

  private func requireReplaceable(_ device: Device, _ pasid: UInt32) throws(Refusal) {
    guard device.attachments[pasid] != nil else {
      throw Refusal(.EINVAL, "device \(device.name) is not attached there")
    }
  }

  /// Checks the PASID flags of domains (`iommufd_hwpt_pasid_compat`). While a device has PASIDs
  /// attached, its domains, that of the RID included, must all have been allocated with the flag.
  private func requirePASIDCompatible(
    _ device: Device, _ pasid: UInt32, _ domain: Domain
  ) throws(Refusal) {
    if pasid == 0 {
      let usesPASIDs = device.group.domains.keys.contains { $0 != 0 }
      if usesPASIDs, !domain.flags.contains(.pasid) {
        throw Refusal(
          .EINVAL, field: "domain", "the device has PASIDs attached and the domain no pasid flag")
      }
      return
    }
    guard domain.flags.contains(.pasid) else {
      throw Refusal(.EINVAL, field: "domain", "domain \(domain.name) has no pasid flag")
    }
    if let rid = device.group.domains[0], !rid.flags.contains(.pasid) {
      throw Refusal(
        .EINVAL, field: "domain", "the device itself is attached to \(rid.name), without the flag")
    }
    guard UInt64(pasid) < 1 << UInt64(device.properties.pasidBits) else {
      throw Refusal(.EINVAL, field: "pasid", "device \(device.name) has no such PASID")
    }
  }

  // MARK: Changes

  /// Has the drivers send the traffic of all devices of a group through a domain. A group has one
  /// domain at each PASID, so the drivers are only asked at the group's first attach and at a
  /// replace.
  private func program(
    _ group: DeviceGroup, _ pasid: UInt32, _ domain: Domain, isReplacing: Bool
  ) throws(Refusal) {
    if !isReplacing, group.domains[pasid] != nil { return }
    var outcomes: [(Device, AttachOutcome)] = []
    for device in group.devices {
      let outcome = try device.smmu.driver.domainOps.attach(
        device, pasid: pasid, to: domain, in: transaction)
      outcomes.append((device, outcome))
    }
    try step()
    let previous = group.domains[pasid]
    setDomain(domain, of: group, pasid)
    for (device, outcome) in outcomes {
      touch(device)
      if let previous { discardFaults(of: device, pasid, from: previous) }
      if pasid == 0 { releaseVDevicePin(of: device) }
      try pinVDevice(of: outcome, by: device, pasid: pasid)
    }
  }

  private func setDomain(_ domain: Domain?, of group: DeviceGroup, _ pasid: UInt32) {
    let previous = group.domains[pasid]
    group.domains[pasid] = domain
    transaction.onRollback { group.domains[pasid] = previous }
  }

  /// Moves the pins of all attached devices of a group from their old domain to the new one.
  private func move(_ group: DeviceGroup, _ pasid: UInt32, to domain: Domain) throws(Refusal) {
    for device in group.devices {
      guard let pin = device.attachments[pasid], let previous = device.domain(at: pasid) else {
        continue
      }
      if pasid == 0, previous.pagingAncestor.ioas !== domain.pagingAncestor.ioas {
        try core.addressSpaces.reserveRanges(of: device, in: domain)
        core.addressSpaces.releaseRanges(of: device, in: previous)
      }
      try pinDomain(domain, by: device, pasid)
      unpin(pin)
      recorder?.record(
        .replaced(device, pasid: pasid, domain: domain, previous: previous))
      abandon(previous, device, pasid)
    }
  }

  private func pinDomain(_ domain: Domain, by device: Device, _ pasid: UInt32) throws(Refusal) {
    let previous = device.attachments[pasid]
    device.attachments[pasid] = try pin(domain, by: device, .attachment(pasid: pasid))
    transaction.onRollback { device.attachments[pasid] = previous }
  }

  /// Pins the vdev whose virtual ID the stream table entry now carries, so that it stays while
  /// events carry that ID. Linux has no such pin, and only `PinPolicy.design` has it.
  func pinVDevice(of outcome: AttachOutcome, by device: Device, pasid: UInt32) throws(Refusal) {
    guard pinPolicy == .design, let vdev = outcome.vdev else { return }
    device.vdevPin = try pin(vdev, by: device, .attachment(pasid: pasid))
    transaction.onRollback { device.vdevPin = nil }
  }

  func releaseVDevicePin(of device: Device) {
    guard let pin = device.vdevPin else { return }
    device.vdevPin = nil
    transaction.onRollback { device.vdevPin = pin }
    unpin(pin)
  }

  /// Tidies up after a device has left a domain. Its faults in the domain that were not answered
  /// are answered, and an automatic domain that nobody uses any more is destroyed.
  private func abandon(_ domain: Domain, _ device: Device, _ pasid: UInt32) {
    discardFaults(of: device, pasid, from: domain)
    if domain.isAuto, domain.heldBy.isEmpty { core.removal.destroyUnheld(domain) }
  }

  /// Answers the faults that a device has met in a domain at a PASID, because nobody is going to.
  /// The device need not be attached itself, since the group's domain translates for every member.
  func discardFaults(of device: Device, _ pasid: UInt32, from domain: Domain) {
    guard let fifo = domain.faultQueue?.fifo, let id = device.objectID else { return }
    let driver = device.smmu.driver
    transaction.onCommit {
      for group in fifo.discard(device: id, pasid: pasid) {
        driver.ops.respond(to: group, .invalid)
      }
    }
  }

  // MARK: Detaching

  /// Detaches a device (`iommufd_device_detach`). It is no error if nothing is attached.
  public func detach(_ name: String, pasid: UInt32 = 0) throws(Refusal) {
    let device: Device = try find(.device, name)
    try step()
    detach(device, pasid: pasid)
  }

  func detach(_ device: Device, pasid: UInt32) {
    guard let pin = device.attachments[pasid], let domain = device.domain(at: pasid) else { return }
    device.attachments[pasid] = nil
    transaction.onRollback { device.attachments[pasid] = pin }
    let group = device.group
    if !group.devices.contains(where: { $0.attachments[pasid] != nil }) {
      setDomain(nil, of: group, pasid)
      for member in group.devices {
        member.smmu.driver.domainOps.detach(member, pasid: pasid, from: domain, in: transaction)
        touch(member)
        discardFaults(of: member, pasid, from: domain)
        if pasid == 0 { releaseVDevicePin(of: member) }
      }
    }
    if pasid == 0 { core.addressSpaces.releaseRanges(of: device, in: domain) }
    unpin(pin)
    recorder?.record(.detached(device, pasid: pasid, previous: domain))
    abandon(domain, device, pasid)
  }
}
