// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// Attaching devices to domains, and detaching them.
extension SMMUv3DomainOps {
  /// Prepares the stream table entries and the vmaster for an attach. The commit puts them in place
  /// (`arm_smmu_attach_dev`, `arm_smmu_attach_dev_nested`, `arm_smmu_s1_set_dev_pasid`).
  func attach(
    _ device: Device, pasid: UInt32, to domain: Domain, in transaction: Transaction
  ) throws(Refusal) -> AttachOutcome {
    guard domain.smmu === device.smmu else {
      throw Refusal(
        .EINVAL, field: "domain", "the domain is of \(domain.smmu.name), the device behind \(name)")
    }
    if pasid != 0 {
      try attachPASID(device, pasid, domain, in: transaction)
      return AttachOutcome()
    }
    if let nested = domain.driverData as? NestedDomain {
      return try attachNested(device, domain, nested, in: transaction)
    }
    guard let paging = domain.driverData as? PagingDomain else { return AttachOutcome() }
    let master = device.master
    var state = keepingPASIDs(of: master)
    state.isATSEnabled = device.properties.ats && features.ats
    state.tags[0] = paging
    switch paging.stage {
    case .stage1:
      let table = try contexts.table(of: master, in: transaction)
      try contexts.set(paging, of: device, master, at: 0, in: transaction)
      state.entry = entries.stage1(table, device, ats: state.isATSEnabled)
    case .stage2:
      state.entry = entries.stage2(paging, device, ats: state.isATSEnabled)
    }
    setFaultRoute(of: domain, pasid: 0, in: &state)
    let hadStage1 = master.current.tags[0]?.isStage1 ?? false
    programmer.publish(device, state, in: transaction)
    // Context descriptor 0 still leads to the old domain's tables, which may be freed from now on.
    if hadStage1, !paging.isStage1 { contexts.clear(of: device, master, at: 0, in: transaction) }
    return AttachOutcome()
  }

  private func attachNested(
    _ device: Device, _ domain: Domain, _ nested: NestedDomain, in transaction: Transaction
  ) throws(Refusal) -> AttachOutcome {
    guard let viommu = domain.viommu, let parent = viommu.parent.driverData as? PagingDomain else {
      return AttachOutcome()
    }
    let translates = nested.ste.config == .stage1
    var state = Master.State(entry: .blocked)
    // A guest's entry that translates says whether the device uses ATS. If it does not translate,
    // the host decides.
    state.isATSEnabled =
      device.properties.ats && features.ats && (!translates || nested.enablesATS)
    let vdev = device.vdev.flatMap { $0.viommu === viommu ? $0 : nil }
    if let vdev {
      state.vmaster = VMaster(
        viommu: viommu.name, events: viommu.events, virtualID: vdev.virtualID)
    } else if translates {
      throw Refusal(
        .ENOENT, field: "domain", "device \(device.name) has no vdev on vIOMMU \(viommu.name)")
    }
    state.tags[0] = parent
    state.entry = entries.nested(nested, parent, device, ats: state.isATSEnabled)
    setFaultRoute(of: domain, pasid: 0, in: &state)
    let master = device.master
    let hadStage1 = master.current.tags[0]?.isStage1 ?? false
    programmer.publish(device, state, in: transaction)
    if hadStage1 { contexts.clear(of: device, master, at: 0, in: transaction) }
    return AttachOutcome(vdev: vdev)
  }

  private func attachPASID(
    _ device: Device, _ pasid: UInt32, _ domain: Domain, in transaction: Transaction
  ) throws(Refusal) {
    let master = device.master
    let current = master.current
    let hasTable = [.stage1, .abort, .bypass].contains(current.entry.config)
    guard let paging = domain.driverData as? PagingDomain, case .stage1 = paging.stage, hasTable
    else {
      throw Refusal(
        .EINVAL, field: "domain",
        "a PASID needs a stage 1 domain, and a device that is not attached to a stage 2")
    }
    let table = try contexts.table(of: master, in: transaction)
    try contexts.set(paging, of: device, master, at: pasid, in: transaction)
    var state = current
    state.tags[pasid] = paging
    setFaultRoute(of: domain, pasid: pasid, in: &state)
    if state.entry.config != .stage1 {
      // An entry that leads to context descriptors can have ATS even while the RID is blocked.
      state.isATSEnabled = device.properties.ats && features.ats
      state.entry = entries.pasids(table, current.entry, device, ats: state.isATSEnabled)
    }
    programmer.publish(device, state, in: transaction)
  }

  /// Attaches the device to the blocking domain (`arm_smmu_attach_dev_blocked`), or blocks one
  /// PASID.
  func detach(
    _ device: Device, pasid: UInt32, from domain: Domain, in transaction: Transaction
  ) {
    let master = device.master
    var state = pasid == 0 ? keepingPASIDs(of: master) : master.current
    state.faultRoutes[pasid] = nil
    state.tags[pasid] = nil
    let usesPASIDs = !device.attachedPASIDs.isEmpty
    if pasid == 0, usesPASIDs, let table = master.contexts {
      // The device's PASIDs are still translated. Only transactions without a PASID are terminated.
      state.isATSEnabled = master.current.isATSEnabled
      state.entry = entries.pasids(table, .blocked, device, ats: state.isATSEnabled)
    } else if pasid != 0, !usesPASIDs, device.domain(at: 0) == nil {
      state.entry = .blocked
      state.isATSEnabled = false
    }
    // The descriptor of a PASID is cleared before `publish` drops the domain's translations from
    // the caches, so that no new ones get in. The descriptor of the RID is cleared after the entry
    // has stopped using it, because a transaction that met it cleared would report C_BAD_CD.
    let hasContext = (domain.driverData as? PagingDomain)?.isStage1 ?? false
    if hasContext, pasid != 0 { contexts.clear(of: device, master, at: pasid, in: transaction) }
    programmer.publish(device, state, in: transaction)
    if hasContext, pasid == 0 { contexts.clear(of: device, master, at: 0, in: transaction) }
  }

  private func keepingPASIDs(of master: Master) -> Master.State {
    var state = Master.State(entry: .blocked)
    state.faultRoutes = master.current.faultRoutes
    state.faultRoutes[0] = nil
    state.tags = master.current.tags
    state.tags[0] = nil
    return state
  }

  private func setFaultRoute(of domain: Domain, pasid: UInt32, in state: inout Master.State) {
    state.faultRoutes[pasid] = domain.faultQueue.map { FaultRoute(fifo: $0.fifo, pasid: pasid) }
  }
}
