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

  /// The self-test's answer to `IOMMU_GET_HW_INFO` (`mock_domain_hw_info`).
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

  /// Makes a paging domain (`mock_domain_alloc_paging_flags`). User data, if there is any, names
  /// one of two formats of page tables, but no tables are made.
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

  /// Makes a domain that is nested directly on its parent (`mock_domain_alloc_nested`).
  func allocateNested(
    _ domain: Domain, for device: Device, in transaction: Transaction
  ) throws(Refusal) {
    domain.driverData = try MockNestedDomain.make(of: domain.userData)
  }

  func supports(_ type: VIOMMUType, for device: Device) -> Bool { type == .selftest }

  /// Makes a vIOMMU (`mock_viommu_init`). It has a window if the caller has passed data.
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
  /// The vIOMMU that the device's events go to, and the virtual ID that the device has there.
  struct VMaster {
    let viommu: VIOMMU
    let virtualID: UInt64
  }

  static let cacheWord: UInt64 = 0xbadd_ad
  /// The greatest index of a word in `cache` (`MOCK_DEV_CACHE_ID_MAX`).
  static let cacheLimit = 3

  var vmaster: VMaster?
  /// Stands for what the device has cached: words that a guest's invalidations set to zero.
  var cache = Array(repeating: cacheWord, count: cacheLimit + 1)
  /// Whether the next attach at `failingPASID` fails.
  private var failsNextAttach = false

  /// The PASID at which the kernel's self-test has every second attach in a row fail.
  private static let failingPASID: UInt32 = 1024

  /// Attaches a PASID, of which only `failingPASID` has an effect.
  ///
  /// - Throws: `ENOMEM` for the second attach at `failingPASID` without a detach between the two.
  func attach(pasid: UInt32, in transaction: Transaction) throws(Refusal) {
    guard pasid == MockMaster.failingPASID else { return }
    if failsNextAttach {
      // This is not undone when the refused operation is rolled back, so the third attach succeeds.
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
