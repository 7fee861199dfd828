// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// What the driver keeps of a paging domain (`struct arm_smmu_domain`).
final class PagingDomain {
  enum Stage {
    case stage1(asid: UInt32)
    case stage2(vmid: UInt32)
  }

  let stage: Stage
  let pages: PageTable
  /// The width of the addresses that it translates.
  let inputBits: Int
  /// Whether stage 2 forces write-back, so that a guest cannot make its memory incoherent.
  let forcesWriteBack: Bool
  /// How many streams and PASIDs the hardware translates by it at present.
  var attachedCount = 0

  init(stage: Stage, pages: PageTable, inputBits: Int, forcesWriteBack: Bool) {
    self.stage = stage
    self.pages = pages
    self.inputBits = inputBits
    self.forcesWriteBack = forcesWriteBack
  }

  var isStage1: Bool { vmid == nil }

  /// The VMID of a stage 2.
  var vmid: UInt32? {
    if case .stage2(let vmid) = stage { vmid } else { nil }
  }
}

/// What the driver keeps of a nested domain (`struct arm_smmu_nested_domain`).
final class NestedDomain {
  /// The guest's two words, checked; EATS is taken out of them.
  let ste: StreamTableEntry
  let enablesATS: Bool

  init(ste: StreamTableEntry, enablesATS: Bool) {
    self.ste = ste
    self.enablesATS = enablesATS
  }
}

extension SMMUv3Driver {
  /// The logarithm of the translation granule.
  static let pageShift: UInt64 = 12
  /// The type of a guest's two words of an entry (`IOMMU_HWPT_DATA_ARM_SMMUV3`).
  static let steDataType: UInt32 = 2

  func constraints(of domain: Domain) -> IOVAConstraints {
    IOVAConstraints(
      aperture: 0...(UInt64(1) << UInt64(features.ias)) - 1, alignment: 1 << Self.pageShift)
  }

  /// `arm_smmu_domain_alloc_paging_flags`: stage 1 unless it is to be a nesting parent.
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
    let asid = try claim(\.asids, "ASID", in: transaction)
    let bits = 48
    return PagingDomain(
      stage: .stage1(asid: asid),
      pages: try makePages(.stage1, inputBits: bits, in: transaction), inputBits: bits,
      forcesWriteBack: false)
  }

  private func makeStage2(
    forcesWriteBack: Bool, in transaction: Transaction
  ) throws(Refusal) -> PagingDomain {
    let vmid = try claim(\.vmids, "VMID", in: transaction)
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

  /// `arm_smmu_validate_vste`: no bit of a guest gets into the stream table that it may not set.
  func allocateNested(
    _ domain: Domain, for device: Device, in transaction: Transaction
  ) throws(Refusal) {
    if domain.flags.contains(.pasid) {
      throw Refusal(
        .EOPNOTSUPP, field: "pasid", "a nested domain of an SMMUv3 takes no pasid flag")
    }
    guard let data = domain.userData else { return }
    let ste = try data.copy(type: Self.steDataType, minimum: 16, size: 16, field: "ste")
    domain.driverData = try NestedDomain.checked([ste.u64(0), ste.u64(8)])
  }

  func free(_ domain: Domain, in transaction: Transaction) {
    guard let paging = domain.driverData as? PagingDomain else { return }
    switch paging.stage {
    case .stage1(let asid): release(\.asids, asid, in: transaction)
    case .stage2(let vmid): release(\.vmids, vmid, in: transaction)
    }
    transaction.onCommit { paging.pages.free() }
  }

  // MARK: Numbers and memory

  /// Takes the lowest free number of an allocator.
  func claim(
    _ allocator: ReferenceWritableKeyPath<SMMUv3Driver, LowestFreeAllocator>, _ what: String,
    in transaction: Transaction
  ) throws(Refusal) -> UInt32 {
    guard let number = self[keyPath: allocator].allocate() else {
      throw Refusal(.ENOSPC, "\(name) has no \(what) left")
    }
    transaction.onRollback { self[keyPath: allocator].free(number) }
    return number
  }

  func release(
    _ allocator: ReferenceWritableKeyPath<SMMUv3Driver, LowestFreeAllocator>, _ number: UInt32,
    in transaction: Transaction
  ) {
    self[keyPath: allocator].free(number)
    transaction.onRollback { self[keyPath: allocator].take(number) }
  }
}

extension NestedDomain {
  static func checked(_ words: [UInt64]) throws(Refusal) -> NestedDomain {
    var ste = StreamTableEntry(dw0: words[0], dw1: words[1])
    // An invalid entry is an abort, whatever else is in it.
    guard ste.isValid else { return NestedDomain(ste: StreamTableEntry(), enablesATS: false) }
    for (index, mask) in [StreamTableEntry.guestMask0, StreamTableEntry.guestMask1].enumerated() {
      let stray = words[index] & ~mask
      if stray != 0 {
        throw Refusal(
          .EIO, field: "ste/\(index)",
          "a guest may not set the bits 0x\(String(stray, radix: 16)) of its entry")
      }
    }
    guard [.abort, .bypass, .stage1].contains(ste.config) else {
      throw Refusal(
        .EIO, field: "ste/0", "Config \(ste.config.rawValue) is not abort, bypass or stage 1")
    }
    let eats = ste.eats
    guard eats <= 1 else {
      throw Refusal(.EIO, field: "ste/1", "EATS \(eats) is not 0 or 1")
    }
    ste.eats = 0
    return NestedDomain(ste: ste, enablesATS: ste.config == .stage1 && eats == 1)
  }
}
