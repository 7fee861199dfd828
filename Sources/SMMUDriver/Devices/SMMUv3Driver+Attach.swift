// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

extension SMMUv3Driver {
  /// `arm_smmu_attach_dev`, `arm_smmu_attach_dev_nested`, `arm_smmu_s1_set_dev_pasid`: prepares
  /// the new entry and its vmaster, which the commit puts in place.
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
    let master = master(of: device)
    var state = keepingPASIDs(of: master)
    state.isATSEnabled = device.properties.ats && features.ats
    state.tags[0] = paging
    switch paging.stage {
    case .stage1:
      let contexts = try contexts(of: master, in: transaction)
      try setContext(paging, of: device, master, at: 0, in: transaction)
      state.entry = stage1Entry(contexts, device, ats: state.isATSEnabled)
    case .stage2:
      state.entry = stage2Entry(paging, device, ats: state.isATSEnabled)
    }
    setFaultRoute(of: domain, pasid: 0, in: &state)
    let hadStage1 = master.current.tags[0]?.isStage1 ?? false
    publish(device, state, in: transaction)
    // Nobody finds the old tables any more, not even by PASID 0.
    if hadStage1, !paging.isStage1 { clearContext(of: device, master, at: 0, in: transaction) }
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
    // Only a translating guest entry is asked whether it wants ATS.
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
    state.entry = nestedEntry(nested, parent, device, ats: state.isATSEnabled)
    setFaultRoute(of: domain, pasid: 0, in: &state)
    let master = master(of: device)
    let hadStage1 = master.current.tags[0]?.isStage1 ?? false
    publish(device, state, in: transaction)
    if hadStage1 { clearContext(of: device, master, at: 0, in: transaction) }
    return AttachOutcome(vdev: vdev)
  }

  private func attachPASID(
    _ device: Device, _ pasid: UInt32, _ domain: Domain, in transaction: Transaction
  ) throws(Refusal) {
    let master = master(of: device)
    let current = master.current
    let hasTable = [.stage1, .abort, .bypass].contains(current.entry.config)
    guard let paging = domain.driverData as? PagingDomain, case .stage1 = paging.stage, hasTable
    else {
      throw Refusal(
        .EINVAL, field: "domain",
        "a PASID needs a stage 1 domain, and a device that is not attached to a stage 2")
    }
    let contexts = try contexts(of: master, in: transaction)
    try setContext(paging, of: device, master, at: pasid, in: transaction)
    var state = current
    state.tags[pasid] = paging
    setFaultRoute(of: domain, pasid: pasid, in: &state)
    if state.entry.config != .stage1 {
      // With a table of contexts ATS works even where the RID is blocked.
      state.isATSEnabled = device.properties.ats && features.ats
      state.entry = pasidEntry(contexts, current.entry, device, ats: state.isATSEnabled)
    }
    publish(device, state, in: transaction)
  }

  /// Back to the blocking domain.
  func detach(
    _ device: Device, pasid: UInt32, from domain: Domain, in transaction: Transaction
  ) {
    let master = master(of: device)
    var state = pasid == 0 ? keepingPASIDs(of: master) : master.current
    state.faultRoutes[pasid] = nil
    state.tags[pasid] = nil
    let usesPASIDs = !device.attachedPASIDs.isEmpty
    if pasid == 0, usesPASIDs, let contexts = master.contexts {
      // Its PASIDs go on; only what has none is terminated.
      state.isATSEnabled = master.current.isATSEnabled
      state.entry = pasidEntry(contexts, .blocked, device, ats: state.isATSEnabled)
    } else if pasid != 0, !usesPASIDs, device.domain(at: 0) == nil {
      state.entry = .blocked
      state.isATSEnabled = false
    }
    // A PASID's descriptor goes before the caches are told, that of the RID when no entry leads
    // to it any more.
    let hasContext = (domain.driverData as? PagingDomain)?.isStage1 ?? false
    if hasContext, pasid != 0 { clearContext(of: device, master, at: pasid, in: transaction) }
    publish(device, state, in: transaction)
    if hasContext, pasid == 0 { clearContext(of: device, master, at: 0, in: transaction) }
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

  // MARK: Committing

  /// Makes a device's streams what they are to be when the transaction commits: the entries
  /// first, step by step, and then the vmaster. An event in between meets the old one.
  func publish(_ device: Device, _ state: Master.State, in transaction: Transaction) {
    let master = master(of: device)
    let previous = master.current
    master.current = state
    transaction.onRollback { master.current = previous }
    let ids = device.properties.streamIDs
    let stream = Stream(
      device: device.name, deviceID: device.objectID ?? 0, entry: state.entry,
      vmaster: state.vmaster, faultRoutes: state.faultRoutes)
    transaction.onCommit { [self] in
      if previous.isATSEnabled, !state.isATSEnabled { master.port?.setATS(enabled: false) }
      // What leaves a vIOMMU for none is out of it before its entry changes.
      if previous.vmaster != nil, state.vmaster == nil, state.entry == .blocked {
        streams.withoutVMaster(ids)
      }
      for id in Set(ids).sorted() { writeEntry(state.entry, of: id) }
      betweenEntryAndVMaster?()
      streams.set(stream, for: ids)
      finishATS(from: previous, to: state, master, ids)
      retire(previous.tags, for: state.tags)
    }
  }

  func writeEntry(_ entry: StreamTableEntry, of stream: UInt32) {
    var isChanged = false
    table.write(entry, of: stream) {
      isChanged = true
      if settings.isTraced {
        let words = table.address(of: stream).map { hardware.read(8, at: $0) } ?? []
        hardware.log(.streamTableEntry(stream: stream, words))
      }
      commands.issue([.cfgiSTE(stream)])
    }
    if isChanged { commands.issue([.prefetchConfig(stream)], withSync: false) }
  }

  /// `arm_smmu_attach_commit`: what a device keeps of translations is void whenever they change.
  private func finishATS(
    from previous: Master.State, to state: Master.State, _ master: Master, _ ids: [UInt32]
  ) {
    guard previous.isATSEnabled || state.isATSEnabled else { return }
    commands.issue(ids.map { .atcInv($0, nil, address: 0, sizeLog2: 52) })
    if state.isATSEnabled, !previous.isATSEnabled { master.port?.setATS(enabled: true) }
  }

  /// When nobody uses the tag of a domain any more, the TLBs need not know it.
  private func retire(
    _ previous: [UInt32: PagingDomain], for next: [UInt32: PagingDomain]
  ) {
    for (pasid, paging) in next where previous[pasid] !== paging { paging.attachedCount += 1 }
    for (pasid, paging) in previous.sorted(by: { $0.key < $1.key })
    where next[pasid] !== paging {
      paging.attachedCount -= 1
      if paging.attachedCount == 0 { forget(paging) }
    }
  }

  private func forget(_ paging: PagingDomain) {
    switch paging.stage {
    case .stage1(let asid):
      commands.issue([.tlbiNHASID(vmid: 0, asid: UInt16(truncatingIfNeeded: asid))])
    case .stage2(let vmid):
      commands.issue([.tlbiS12VMAll(vmid: UInt16(truncatingIfNeeded: vmid))])
    }
  }
}
