// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// What the driver allocates for devices, which is paging domains and vIOMMUs.
extension SMMUv3Ops {
  /// Makes a paging domain (`arm_smmu_domain_alloc_paging_flags`). A nesting parent is a stage 2;
  /// any other domain is a stage 1 if the SMMU has one.
  func allocatePaging(
    _ domain: Domain, for device: Device, in transaction: Transaction
  ) throws(Refusal) {
    let flags = domain.flags
    if domain.userData != nil {
      throw Refusal(.EOPNOTSUPP, field: "data", "a paging domain of an SMMUv3 takes no data")
    }
    if flags.contains(.nestParent) {
      if !flags.isDisjoint(with: [.dirtyTracking, .pasid]) {
        throw Refusal(
          .EOPNOTSUPP, field: "nest_parent", "a nesting parent has no other flag on an SMMUv3")
      }
      guard features.s1p, features.s2p else {
        throw Refusal(.EOPNOTSUPP, field: "nest_parent", "\(name) cannot nest translations")
      }
    }
    if !flags.isDisjoint(with: [.dirtyTracking, .pasid]), !features.s1p {
      let field = flags.contains(.pasid) ? "pasid" : "dirty_tracking"
      throw Refusal(.EOPNOTSUPP, field: field, "\(name) has no stage 1")
    }
    domain.driverData =
      features.s1p && !flags.contains(.nestParent)
      ? try makeStage1(in: transaction)
      : try makeStage2(
        forcesWriteBack: flags.contains(.nestParent) && features.fwb, in: transaction)
  }

  private func makeStage1(in transaction: Transaction) throws(Refusal) -> PagingDomain {
    let asid = try tags.asids.take(in: transaction)
    let bits = 48
    return PagingDomain(
      stage: .stage1(asid: asid),
      pages: try makePages(.stage1, inputBits: bits, in: transaction), inputBits: bits,
      forcesWriteBack: false)
  }

  private func makeStage2(
    forcesWriteBack: Bool, in transaction: Transaction
  ) throws(Refusal) -> PagingDomain {
    let vmid = try tags.vmids.take(in: transaction)
    let pages = try makePages(
      .stage2(forcesWriteBack: forcesWriteBack), inputBits: features.ias, in: transaction)
    return PagingDomain(
      stage: .stage2(vmid: vmid), pages: pages, inputBits: features.ias,
      forcesWriteBack: forcesWriteBack)
  }

  private func makePages(
    _ format: PageTable.Format, inputBits: Int, in transaction: Transaction
  ) throws(Refusal) -> PageTable {
    let pages = try PageTable(hardware, format, inputBits: inputBits)
    transaction.onRollback { pages.free() }
    return pages
  }

  // MARK: vIOMMUs

  /// Whether the SMMU can have a vIOMMU of the type (`arm_smmu_get_viommu_size`).
  func supports(_ type: VIOMMUType, for device: Device) -> Bool {
    // Without FWB a guest could choose memory attributes that bypass the caches, and its view of
    // memory would not be coherent with the host's.
    guard features.s1p, features.s2p, features.fwb else { return false }
    return type == .armSMMUv3 || type == .tegra241CMDQV && interfaces != nil
  }

  /// Makes a vIOMMU, with a virtual interface if it is one of CMDQV's (`arm_vsmmu_init`,
  /// `tegra241_cmdqv_init_vintf_user`).
  func initialize(
    _ viommu: VIOMMU, for device: Device, data: UserData?, in transaction: Transaction
  ) throws(Refusal) -> [UInt8]? {
    guard viommu.parent.smmu === device.smmu,
      let parent = viommu.parent.driverData as? PagingDomain,
      let vmid = parent.vmid
    else {
      throw Refusal(.EINVAL, field: "domain", "the nesting parent is of another SMMU")
    }
    guard viommu.type == .tegra241CMDQV else {
      viommu.driverData = VSMMU(vmid: vmid, vintf: nil)
      return nil
    }
    guard let interfaces else {
      throw Refusal(.EOPNOTSUPP, field: "type", "\(name) has no CMDQV extension")
    }
    return try interfaces.initialize(viommu, vmid: vmid, data: data, in: transaction)
  }
}
