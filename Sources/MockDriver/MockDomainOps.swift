// SPDX-License-Identifier: Apache-2.0
import IOMMUFD

/// What the driver does with its domains (`domain_nop_ops`, `domain_nested_ops`).
struct MockDomainOps: DomainOps {
  /// The kind of IOMMU that a domain must belong to. A device can be attached to domains of other
  /// IOMMUs of its kind.
  let kind: String
  let streams: MockStreamTable

  func constraints(of domain: Domain) -> IOVAConstraints {
    IOVAConstraints(aperture: 0x100_0000...0x7fff_ffff, alignment: 2048)
  }

  // MARK: Attaching

  /// Attaches a device to a domain, in which nothing is translated (`mock_domain_nop_attach`,
  /// `mock_domain_set_dev_pasid_nop`).
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
    // A device that is in the vIOMMU already keeps the virtual ID that it had when it came there.
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

  /// Sends the device's events to the vIOMMU of a vdev from commit on, or to none if the vdev is
  /// nil.
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

  /// Carries out a guest's invalidations in a nested domain (`mock_domain_cache_invalidate_user`).
  /// Each entry is only copied and checked when its turn comes, so those before a bad one are
  /// carried out.
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
  /// The greatest index of a word in `iotlb` (`MOCK_NESTED_DOMAIN_IOTLB_ID_MAX`).
  static let iotlbLimit = 3
  /// The type of user data that domains are made from (`IOMMU_HWPT_DATA_SELFTEST`).
  private static let dataType: UInt32 = 0xdead

  /// Stands for what is cached: words that a guest's invalidations set to zero.
  var iotlb: [UInt64]

  init(word: UInt64) { iotlb = Array(repeating: word, count: MockNestedDomain.iotlbLimit + 1) }

  /// Makes a nested domain from a guest's data; nil if there is no data.
  static func make(of data: UserData?) throws(Refusal) -> MockNestedDomain? {
    guard let data else { return nil }
    return MockNestedDomain(word: UInt64(try words(of: data).u32(0)))
  }

  /// The struct of two words that domains are made from (`struct iommu_hwpt_selftest`).
  ///
  /// - Throws: `EOPNOTSUPP` for data of another type.
  static func words(of data: UserData) throws(Refusal) -> LittleEndian {
    guard data.type == dataType else {
      throw Refusal(.EOPNOTSUPP, field: "data_type", "domains take data of type 0xdead")
    }
    return try data.copy(type: dataType, minimum: 4, size: 8, field: "data")
  }
}

/// One entry of a guest's invalidations. It sets words to zero that a test can look at afterwards.
struct MockInvalidation {
  /// The type of invalidations, both of nested domains and of vIOMMUs
  /// (`IOMMU_HWPT_INVALIDATE_DATA_SELFTEST`, `IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST`).
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

  /// Checks the entry.
  ///
  /// - Parameters:
  ///   - limit: the greatest index of a word.
  ///   - index: the entry's place in the request, which a refusal mentions.
  /// - Throws: `EOPNOTSUPP` for a flag that is not known, `EINVAL` for a word that does not exist.
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
