// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

extension SMMUv3Driver {
  /// `arm_smmu_attach_dev`, `arm_smmu_attach_dev_nested`, `arm_smmu_s1_set_dev_pasid`: prepares
  /// the new entry and its vmaster, which the commit puts in place together.
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
    state.entry = try entry(for: paging, device, ats: state.isATSEnabled, in: transaction)
    setFaultRoute(of: domain, pasid: 0, in: &state)
    publish(device, state, in: transaction)
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
    state.entry = nestedEntry(nested, parent, device, ats: state.isATSEnabled)
    setFaultRoute(of: domain, pasid: 0, in: &state)
    publish(device, state, in: transaction)
    return AttachOutcome(vdev: vdev)
  }

  private func attachPASID(
    _ device: Device, _ pasid: UInt32, _ domain: Domain, in transaction: Transaction
  ) throws(Refusal) {
    let current = master(of: device).current
    let hasTable = [.stage1, .abort, .bypass].contains(current.entry.config)
    guard let paging = domain.driverData as? PagingDomain, case .stage1 = paging.stage, hasTable
    else {
      throw Refusal(
        .EINVAL, field: "domain",
        "a PASID needs a stage 1 domain, and a device that is not attached to a stage 2")
    }
    var state = current
    setFaultRoute(of: domain, pasid: pasid, in: &state)
    publish(device, state, in: transaction)
  }

  /// Back to the blocking domain.
  func detach(
    _ device: Device, pasid: UInt32, from domain: Domain, in transaction: Transaction
  ) {
    let master = master(of: device)
    var state = pasid == 0 ? keepingPASIDs(of: master) : master.current
    state.faultRoutes[pasid] = nil
    publish(device, state, in: transaction)
  }

  private func keepingPASIDs(of master: Master) -> Master.State {
    var state = Master.State(entry: .blocked)
    state.faultRoutes = master.current.faultRoutes
    state.faultRoutes[0] = nil
    return state
  }

  private func setFaultRoute(of domain: Domain, pasid: UInt32, in state: inout Master.State) {
    state.faultRoutes[pasid] = domain.faultQueue.map { FaultRoute(fifo: $0.fifo, pasid: pasid) }
  }

  // MARK: Entries

  private func entry(
    for paging: PagingDomain, _ device: Device, ats: Bool, in transaction: Transaction
  ) throws(Refusal) -> StreamTableEntry {
    switch paging.stage {
    case .stage1:
      let master = master(of: device)
      let table = try contextTable(of: master, in: transaction)
      return stage1Entry(master, table: table, device, ats: ats)
    case .stage2:
      return stage2Entry(paging, device, ats: ats)
    }
  }

  private func contextTable(
    of master: Master, in transaction: Transaction
  ) throws(Refusal) -> UInt64 {
    if let table = master.cdTable { return table }
    let table = try allocateTable(master.cdTableLength, in: transaction)
    master.cdTable = table
    transaction.onRollback { master.cdTable = nil }
    return table
  }

  func freeTable(of master: Master, in transaction: Transaction) {
    guard let table = master.cdTable else { return }
    let machine = machine
    transaction.onCommit { machine.freeMemory(table, master.cdTableLength) }
  }

  /// `arm_smmu_make_cdtable_ste`
  private func stage1Entry(
    _ master: Master, table: UInt64, _ device: Device, ats: Bool
  ) -> StreamTableEntry {
    var entry = StreamTableEntry()
    entry.isValid = true
    entry.config = .stage1
    entry.s1Fmt = master.cdMax > 10 ? 2 : 0
    entry.s1ContextPtr = table
    entry.s1CDMax = master.cdMax
    entry.s1DSS = 2
    entry.s1CIR = 1
    entry.s1COR = 1
    entry.s1CSH = 3
    entry.s1STALLD = features.stallModel != 1 && !device.properties.pri
    entry.eats = ats ? 1 : 0
    return entry
  }

  /// `arm_smmu_make_s2_domain_ste`
  private func stage2Entry(
    _ paging: PagingDomain, _ device: Device, ats: Bool
  ) -> StreamTableEntry {
    var entry = StreamTableEntry()
    entry.isValid = true
    entry.config = .stage2
    entry.eats = ats ? 1 : 0
    entry.s2FWB = paging.forcesWriteBack
    entry.s2VMID = UInt64(paging.vmid ?? 0)
    entry.s2T0SZ = UInt64(64 - features.ias)
    entry.s2SL0 = stage2StartLevel
    // Inner shareable, write-back, as the tables of Linux are.
    entry.s2TableAttributes = 0b11_01_01
    entry.s2PS = features.oasCode
    entry.s2AA64 = true
    entry.s2PTW = true
    entry.s2R = true
    entry.s2S = features.stallModel == 2
    entry.s2TTB = paging.table
    return entry
  }

  /// S2SL0 for 4 KiB granules: 2 starts at level 0, 1 at level 1.
  private var stage2StartLevel: UInt64 { features.ias > 43 ? 2 : 1 }

  /// `arm_smmu_make_nested_domain_ste`
  private func nestedEntry(
    _ nested: NestedDomain, _ parent: PagingDomain, _ device: Device, ats: Bool
  ) -> StreamTableEntry {
    switch nested.ste.config {
    case .bypass where nested.ste.isValid:
      return stage2Entry(parent, device, ats: ats)
    case .stage1:
      var entry = stage2Entry(parent, device, ats: ats)
      entry.dw0 = nested.ste.dw0
      entry.config = .nested
      entry.dw1 |= nested.ste.dw1
      entry.mev = true
      return entry
    default:
      return .blocked
    }
  }
}
