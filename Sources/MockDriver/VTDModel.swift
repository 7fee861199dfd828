// SPDX-License-Identifier: Apache-2.0
public import IOMMUFD

/// An Intel VT-d IOMMU in legacy mode, as far as the object core can tell one: paging domains of
/// whole pages, and no vIOMMUs, PASIDs or dirty tracking. With it a host has IOMMUs of two kinds.
public struct VTDModel: TablelessModel {
  /// There is one kind of it.
  public init() {}

  /// The name by which hosts ask for it.
  public let name = "intel-vtd"
  /// A source ID is a bus, a device and a function.
  public let streamIDBits = 16

  /// Makes a driver without emulated hardware.
  public func makeDriver(
    _ settings: SMMUSettings, named smmu: String, on machine: any Machine
  ) -> any IOMMUDriver {
    VTDDriver(name: smmu, settings: settings, machine: machine)
  }
}

/// What Linux's VT-d driver does (`drivers/iommu/intel/iommu.c`) as far as that goes.
final class VTDDriver: IOMMUDriver {
  let settings: SMMUSettings
  let ops: any IOMMUOps
  let domainOps: any DomainOps
  let eventHandler: any HardwareEventHandler
  let owners: StreamOwners

  init(name: String, settings: SMMUSettings, machine: any Machine) {
    self.settings = settings
    owners = StreamOwners(of: name, bits: settings.streamIDBits)
    ops = VTDOps(name: name, owners: owners)
    domainOps = VTDDomainOps(kind: settings.driver)
    eventHandler = VTDEventHandler(smmu: name, machine: machine)
  }

  func facts(about object: Object) -> [DriverFact] { [] }
}

/// What the driver does with devices, and what it allocates for them (`intel_iommu_ops`).
struct VTDOps: IOMMUOps {
  let name: String
  let owners: StreamOwners

  func tracksDirtyPages(of device: Device) -> Bool { false }

  /// `intel_iommu_hw_info`; in legacy mode the capabilities that a guest could use are none.
  func hardwareInfo(of device: Device, type: UInt32) throws(Refusal) -> HardwareInfo {
    let vtd: UInt32 = 1
    guard type == 0 || type == vtd else {
      throw Refusal(.EOPNOTSUPP, field: "data_type", "\(name) has no information of that type")
    }
    return HardwareInfo(
      type: vtd, data: Array(repeating: 0, count: 24),
      capabilities: device.properties.ats ? [] : .noATS, pasidBits: 0)
  }

  /// The window of message signalled interrupts (`intel_iommu_get_resv_regions`).
  func reservedRanges(of device: Device) -> [ClosedRange<UInt64>] { [0xfee0_0000...0xfeef_ffff] }

  func bind(_ device: Device, in transaction: Transaction) throws(Refusal) {
    try owners.claim(for: device, in: transaction)
  }

  func unbind(_ device: Device, in transaction: Transaction) {
    owners.release(of: device, in: transaction)
  }

  /// `intel_iommu_domain_alloc_paging_flags`
  func allocatePaging(
    _ domain: Domain, for device: Device, in transaction: Transaction
  ) throws(Refusal) {
    let unsupported: Domain.Flags = [.nestParent, .dirtyTracking, .pasid]
    if !domain.flags.isDisjoint(with: unsupported) || domain.userData != nil {
      throw Refusal(.EOPNOTSUPP, field: "flags", "\(name) makes plain domains only")
    }
  }

  var nestsOnParents: Bool { true }

  /// No domain of this kind can be a parent, and so none is nested.
  func allocateNested(
    _ domain: Domain, for device: Device, in transaction: Transaction
  ) throws(Refusal) {
    throw Refusal(.EOPNOTSUPP, field: "type", "\(name) does not nest translations")
  }
}

/// What the driver does with its domains: they translate nothing.
struct VTDDomainOps: DomainOps {
  /// The kind of IOMMU that a domain must be of to be attached to.
  let kind: String

  func constraints(of domain: Domain) -> IOVAConstraints {
    IOVAConstraints(aperture: 0...(UInt64(1) << 48) - 1, alignment: 4096)
  }

  func attach(
    _ device: Device, pasid: UInt32, to domain: Domain, in transaction: Transaction
  ) throws(Refusal) -> AttachOutcome {
    guard domain.smmu.driver.settings.driver == kind else {
      throw Refusal(.EINVAL, field: "domain", "the domain is of another kind of IOMMU")
    }
    return AttachOutcome()
  }

  func detach(
    _ device: Device, pasid: UInt32, from domain: Domain, in transaction: Transaction
  ) {}
}

/// Faults that VT-d records are the host's to log; without vIOMMUs no guest hears of them.
struct VTDEventHandler: HardwareEventHandler {
  let smmu: String
  let machine: any Machine

  /// A fault recording register has 128 bits.
  var wordCount: Int { 2 }

  /// The source ID is in the low 16 bits of the upper word.
  func record(_ words: [UInt64], from stream: UInt32) -> [UInt64] {
    [words[0], words[1] & ~0xffff | UInt64(stream & 0xffff)]
  }

  func handle(_ words: [UInt64]) -> EventDisposition {
    machine.logHardwareEvent(UnclaimedEvent(smmu: smmu, words: words, errno: .EOPNOTSUPP))
    return .logged(.EOPNOTSUPP)
  }
}
