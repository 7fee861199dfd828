// SPDX-License-Identifier: Apache-2.0
public import IOMMUFD

/// An Intel VT-d IOMMU in legacy mode, as far as the object core can tell one: paging domains of
/// whole pages, and no vIOMMUs, PASIDs or dirty tracking. With it a host has IOMMUs of two kinds.
public struct VTDModel: SMMUModel {
  public init() {}

  public let name = "intel-vtd"
  public let features: [SMMUFeature] = []

  public var usualSettings: SMMUSettings {
    SMMUSettings(driver: name, streamIDBits: 16, cmdqv: nil)
  }

  public func makeDriver(
    _ settings: SMMUSettings, named smmu: String, on machine: any Machine,
    in transaction: Transaction
  ) throws(Refusal) -> any IOMMUDriver {
    try settings.requireNoCMDQV()
    return VTDDriver(name: smmu, settings: settings, machine: machine)
  }
}

/// What Linux's VT-d driver does (`drivers/iommu/intel/iommu.c`) as far as that goes.
final class VTDDriver: IOMMUDriver {
  let name: String
  let settings: SMMUSettings
  let eventHandler: any HardwareEventHandler
  let owners: StreamOwners

  init(name: String, settings: SMMUSettings, machine: any Machine) {
    self.name = name
    self.settings = settings
    owners = StreamOwners(of: name, bits: settings.streamIDBits)
    eventHandler = VTDEventHandler(smmu: name, machine: machine)
  }

  func facts(about object: Object) -> [DriverFact] { [] }

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

  // MARK: Domains

  var nestsOnParents: Bool { true }

  func constraints(of domain: Domain) -> IOVAConstraints {
    IOVAConstraints(aperture: 0...(UInt64(1) << 48) - 1, alignment: 4096)
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

  /// No domain of this kind can be a parent, and so none is nested.
  func allocateNested(
    _ domain: Domain, for device: Device, in transaction: Transaction
  ) throws(Refusal) {
    throw Refusal(.EOPNOTSUPP, field: "type", "\(name) does not nest translations")
  }

  func free(_ domain: Domain, in transaction: Transaction) {}

  // MARK: Attaching

  func attach(
    _ device: Device, pasid: UInt32, to domain: Domain, in transaction: Transaction
  ) throws(Refusal) -> AttachOutcome {
    guard domain.smmu.driver.settings.driver == settings.driver else {
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
