// SPDX-License-Identifier: Apache-2.0
import IOMMUFD

/// What the driver does with devices, and what it allocates for them (`mock_ops`).
struct MockOps: IOMMUOps {
  let name: String
  let owners: StreamOwners
  let streams: MockStreamTable

  // MARK: Devices

  var keepsBusObjects: Bool { true }

  func tracksDirtyPages(of device: Device) -> Bool { device.properties.tracksDirtyPages }

  /// `mock_domain_hw_info`
  func hardwareInfo(of device: Device, type: UInt32) throws(Refusal) -> HardwareInfo {
    let selftest: UInt32 = 0xfeed_beef
    guard type == 0 || type == selftest else {
      throw Refusal(.EOPNOTSUPP, field: "data_type", "\(name) has no information of that type")
    }
    var data = LittleEndian([], size: 8)
    data.set(4, u32: 0xdead_beef)
    return HardwareInfo(
      type: selftest, data: data.bytes,
      capabilities: tracksDirtyPages(of: device) ? [.dirtyTracking, .noATS] : .noATS,
      pasidBits: device.properties.pasidBits)
  }

  func bind(_ device: Device, in transaction: Transaction) throws(Refusal) {
    try owners.claim(for: device, in: transaction)
    device.driverData = MockMaster()
  }

  func unbind(_ device: Device, in transaction: Transaction) {
    owners.release(of: device, in: transaction)
    transaction.onCommit { [streams] in streams.set(nil, for: device.properties.streamIDs) }
  }

  // MARK: Allocating

  /// `mock_domain_alloc_paging_flags`
  func allocatePaging(
    _ domain: Domain, for device: Device, in transaction: Transaction
  ) throws(Refusal) {
    guard let data = domain.userData else { return }
    let formats: UInt32 = 2
    guard try MockNestedDomain.words(of: data).u32(4) < formats else {
      throw Refusal(.EOPNOTSUPP, field: "data", "there is no such format of page tables")
    }
  }

  var nestsOnParents: Bool { true }

  /// `mock_domain_alloc_nested`
  func allocateNested(
    _ domain: Domain, for device: Device, in transaction: Transaction
  ) throws(Refusal) {
    domain.driverData = try MockNestedDomain.make(of: domain.userData)
  }

  func supports(_ type: VIOMMUType, for device: Device) -> Bool { type == .selftest }

  /// `mock_viommu_init`
  func initialize(
    _ viommu: VIOMMU, for device: Device, data: UserData?, in transaction: Transaction
  ) throws(Refusal) -> [UInt8]? {
    guard let data else {
      viommu.driverData = MockVIOMMU(word: 0)
      return nil
    }
    var answer = try data.copy(
      type: VIOMMUType.selftest.rawValue, minimum: 8, size: 24, field: "data")
    viommu.driverData = MockVIOMMU(word: answer.u32(0))
    viommu.openWindow(length: MockVIOMMU.windowLength, in: transaction)
    answer.set(4, u32: answer.u32(0))
    answer.set(8, u64: viommu.window?.offset ?? 0)
    answer.set(16, u64: MockVIOMMU.windowLength)
    return answer.bytes
  }
}

/// What the driver keeps of a device (`struct mock_dev`).
final class MockMaster {
  /// The vIOMMU to which the device's events go, and the virtual ID that they bear there.
  struct VMaster {
    let viommu: VIOMMU
    let virtualID: UInt64
  }

  static let cacheWord: UInt64 = 0xbadd_ad
  /// The greatest index of a word (`MOCK_DEV_CACHE_ID_MAX`).
  static let cacheLimit = 3

  var vmaster: VMaster?
  /// Words that a guest's invalidations clear.
  var cache = Array(repeating: cacheWord, count: cacheLimit + 1)
  /// Whether the next attach at the failing PASID fails.
  private var failsNextAttach = false

  /// The PASID at which the kernel's self-test makes the second attach in a row fail.
  private static let failingPASID: UInt32 = 1024

  /// - Throws: `ENOMEM` for the second attach at the one PASID, without a detach between the two.
  func attach(pasid: UInt32, in transaction: Transaction) throws(Refusal) {
    guard pasid == MockMaster.failingPASID else { return }
    if failsNextAttach {
      // The failure counts although it is taken back: the third attach passes.
      failsNextAttach = false
      throw Refusal(.ENOMEM, field: "pasid", "the second attach in a row at PASID \(pasid) fails")
    }
    failsNextAttach = true
    transaction.onRollback { self.failsNextAttach = false }
  }

  func detach(pasid: UInt32, in transaction: Transaction) {
    guard pasid == MockMaster.failingPASID, failsNextAttach else { return }
    failsNextAttach = false
    transaction.onRollback { self.failsNextAttach = true }
  }
}
