// SPDX-License-Identifier: Apache-2.0
import IOMMUFD

/// What the driver does with its domains (`domain_nop_ops`, `domain_nested_ops`).
struct MockDomainOps: DomainOps {
  /// The kind of IOMMU that a domain must be of to be attached to.
  let kind: String
  let streams: MockStreamTable

  func constraints(of domain: Domain) -> IOVAConstraints {
    IOVAConstraints(aperture: 0x100_0000...0x7fff_ffff, alignment: 2048)
  }

  // MARK: Attaching

  /// `mock_domain_nop_attach`, `mock_domain_set_dev_pasid_nop`
  func attach(
    _ device: Device, pasid: UInt32, to domain: Domain, in transaction: Transaction
  ) throws(Refusal) -> AttachOutcome {
    guard let master = device.driverData as? MockMaster,
      domain.smmu.driver.settings.driver == kind
    else {
      throw Refusal(.EINVAL, field: "domain", "the domain is of another kind of IOMMU")
    }
    if domain.flags.contains(.dirtyTracking), !device.properties.tracksDirtyPages {
      throw Refusal(
        .EINVAL, field: "domain", "nothing tracks the dirty pages of device \(device.name)")
    }
    if pasid != 0 {
      try master.attach(pasid: pasid, in: transaction)
      return AttachOutcome()
    }
    guard let viommu = domain.viommu else {
      enter(nil, device, master, in: transaction)
      return AttachOutcome()
    }
    guard let vdev = device.vdev, vdev.viommu === viommu else {
      throw Refusal(
        .ENOENT, field: "domain", "device \(device.name) has no vdev on vIOMMU \(viommu.name)")
    }
    // The virtual ID is that of the moment in which the device came to the vIOMMU.
    if master.vmaster?.viommu !== viommu {
      enter(vdev, device, master, in: transaction)
    }
    return AttachOutcome(vdev: vdev)
  }

  func detach(
    _ device: Device, pasid: UInt32, from domain: Domain, in transaction: Transaction
  ) {
    guard let master = device.driverData as? MockMaster else { return }
    if pasid == 0 {
      enter(nil, device, master, in: transaction)
    } else {
      master.detach(pasid: pasid, in: transaction)
    }
  }

  /// The device's events go to a vIOMMU from commit on, or to none.
  private func enter(
    _ vdev: VDevice?, _ device: Device, _ master: MockMaster, in transaction: Transaction
  ) {
    let previous = master.vmaster
    let current = vdev.map { MockMaster.VMaster(viommu: $0.viommu, virtualID: $0.virtualID) }
    master.vmaster = current
    transaction.onRollback { master.vmaster = previous }
    let stream = current.map { vmaster in
      MockStream(
        viommu: vmaster.viommu.name, events: vmaster.viommu.events,
        virtualID: vmaster.virtualID)
    }
    transaction.onCommit { [streams] in streams.set(stream, for: device.properties.streamIDs) }
  }

  // MARK: Invalidation

  /// `mock_domain_cache_invalidate_user`: each entry is copied when its turn comes.
  func invalidate(
    _ domain: Domain, _ request: InvalidationArray, in transaction: Transaction
  ) -> InvalidationOutcome {
    guard request.type == MockInvalidation.entryType,
      let nested = domain.driverData as? MockNestedDomain
    else {
      return InvalidationOutcome(
        handled: 0, refusal: Refusal(.EINVAL, field: "type", "no entries of that type"))
    }
    transaction.noteChange(of: domain)
    let previous = nested.iotlb
    transaction.onRollback { nested.iotlb = previous }
    return MockInvalidation.each(of: request.count) { (index) throws(Refusal) in
      let data = UserData(type: request.type, bytes: Array(request.entry(index)))
      let entry = try data.copy(
        type: MockInvalidation.entryType, minimum: 8, size: 8, field: "entries/\(index)")
      let word = MockInvalidation(flags: entry.u32(0), word: entry.u32(4))
      try word.check(limit: MockNestedDomain.iotlbLimit, index)
      word.clear(&nested.iotlb)
    }
  }
}

/// What the driver keeps of a nested domain (`struct mock_iommu_domain_nested`).
final class MockNestedDomain {
  /// The greatest index of a word (`MOCK_NESTED_DOMAIN_IOTLB_ID_MAX`).
  static let iotlbLimit = 3
  /// The type of data that domains take (`IOMMU_HWPT_DATA_SELFTEST`).
  private static let dataType: UInt32 = 0xdead

  /// Words that a guest's invalidations clear.
  var iotlb: [UInt64]

  init(word: UInt64) { iotlb = Array(repeating: word, count: MockNestedDomain.iotlbLimit + 1) }

  /// Makes a domain of a guest's data; nil without any.
  static func make(of data: UserData?) throws(Refusal) -> MockNestedDomain? {
    guard let data else { return nil }
    return MockNestedDomain(word: UInt64(try words(of: data).u32(0)))
  }

  /// The struct of two words that domains are made of.
  ///
  /// - Throws: `EOPNOTSUPP` for data of another type.
  static func words(of data: UserData) throws(Refusal) -> LittleEndian {
    guard data.type == dataType else {
      throw Refusal(.EOPNOTSUPP, field: "data_type", "domains take data of type 0xdead")
    }
    return try data.copy(type: dataType, minimum: 4, size: 8, field: "data")
  }
}

/// One entry of a guest's invalidations: it clears words that a test can look at.
struct MockInvalidation {
  /// The type of both kinds of entries (`IOMMU_HWPT_INVALIDATE_DATA_SELFTEST`,
  /// `IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST`).
  static let entryType: UInt32 = 0xdead_beef
  /// The flag of an entry that clears all words.
  private static let clearsAll: UInt32 = 1

  let flags: UInt32
  let word: UInt32

  /// Carries out entries one by one until one is refused.
  static func each(
    of count: Int, _ body: (Int) throws(Refusal) -> Void
  ) -> InvalidationOutcome {
    for index in 0..<count {
      do throws(Refusal) {
        try body(index)
      } catch {
        return InvalidationOutcome(handled: index, refusal: error)
      }
    }
    return InvalidationOutcome(handled: count)
  }

  /// - Parameter limit: the greatest index of a word.
  func check(limit: Int, _ index: Int) throws(Refusal) {
    if flags & ~Self.clearsAll != 0 {
      throw Refusal(.EOPNOTSUPP, field: "entries/\(index)/flags", "has bits that are not known")
    }
    if word > limit {
      throw Refusal(.EINVAL, field: "entries/\(index)", "there are words 0 to \(limit)")
    }
  }

  func clear(_ words: inout [UInt64]) {
    if flags & Self.clearsAll != 0 {
      words = words.map { _ in 0 }
    } else {
      words[Int(word)] = 0
    }
  }
}
