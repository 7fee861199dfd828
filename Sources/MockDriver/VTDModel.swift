// SPDX-License-Identifier: Apache-2.0
public import IOMMUFD

/// An Intel VT-d IOMMU in legacy mode, as far as the object core can tell it from others. It has
/// paging domains of whole pages, and no vIOMMUs, PASIDs or dirty tracking. It is there so that a
/// host can have IOMMUs of two kinds.
public struct VTDModel: TablelessModel {
  /// Makes the model, which has no options.
  public init() {}

  /// The name by which hosts ask for it.
  public let name = "intel-vtd"
  /// A stream ID is PCI's 16-bit source ID, which consists of bus, device and function.
  public let streamIDBits = 16

  /// Makes a driver without emulated hardware.
  public func makeDriver(
    _ settings: SMMUSettings, named smmu: String, on machine: any Machine
  ) -> any IOMMUDriver {
    VTDDriver(name: smmu, settings: settings, machine: machine)
  }
}

/// Does what Linux's VT-d driver does (`drivers/iommu/intel/iommu.c`), as far as such an IOMMU has
/// it.
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

  /// The answer to `IOMMU_GET_HW_INFO` (`intel_iommu_hw_info`). The capability registers in it are
  /// 0, because in legacy mode they offer nothing that a guest could use.
  func hardwareInfo(of device: Device, type: UInt32) throws(Refusal) -> HardwareInfo {
    let vtd: UInt32 = 1
    guard type == 0 || type == vtd else {
      throw Refusal(.EOPNOTSUPP, field: "data_type", "\(name) has no information of that type")
    }
    return HardwareInfo(
      type: vtd, data: Array(repeating: 0, count: 24),
      capabilities: device.properties.ats ? [] : .noATS, pasidBits: 0)
  }

  /// The addresses of message signalled interrupts (`intel_iommu_get_resv_regions`).
  func reservedRanges(of device: Device) -> [ClosedRange<UInt64>] { [0xfee0_0000...0xfeef_ffff] }

  func bind(_ device: Device, in transaction: Transaction) throws(Refusal) {
    try owners.claim(for: device, in: transaction)
  }

  func unbind(_ device: Device, in transaction: Transaction) {
    owners.release(of: device, in: transaction)
  }

  /// Makes a paging domain (`intel_iommu_domain_alloc_paging_flags`).
  func allocatePaging(
    _ domain: Domain, for device: Device, in transaction: Transaction
  ) throws(Refusal) {
    let unsupported: Domain.Flags = [.nestParent, .dirtyTracking, .pasid]
    if !domain.flags.isDisjoint(with: unsupported) || domain.userData != nil {
      throw Refusal(.EOPNOTSUPP, field: "flags", "\(name) makes plain domains only")
    }
  }

  var nestsOnParents: Bool { true }

  /// Refuses, because no domain of this kind can be a nesting parent.
  func allocateNested(
    _ domain: Domain, for device: Device, in transaction: Transaction
  ) throws(Refusal) {
    throw Refusal(.EOPNOTSUPP, field: "type", "\(name) does not nest translations")
  }
}

/// What the driver does with its domains. They translate nothing, because no hardware is emulated.
struct VTDDomainOps: DomainOps {
  /// The kind of IOMMU that a domain must belong to. A device can be attached to domains of other
  /// IOMMUs of its kind.
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

/// Logs the faults that VT-d records. They are the host's, because without vIOMMUs no guest can be
/// told of them.
struct VTDEventHandler: HardwareEventHandler {
  let smmu: String
  let machine: any Machine

  /// A record is a fault recording register, which has 128 bits.
  var wordCount: Int { 2 }

  /// Puts the stream ID into the source ID, which is in the low 16 bits of the upper word.
  func record(_ words: [UInt64], from stream: UInt32) -> [UInt64] {
    [words[0], words[1] & ~0xffff | UInt64(stream & 0xffff)]
  }

  func handle(_ words: [UInt64]) -> EventDisposition {
    machine.logHardwareEvent(UnclaimedEvent(smmu: smmu, words: words, errno: .EOPNOTSUPP))
    return .logged(.EOPNOTSUPP)
  }
}
