// SPDX-License-Identifier: Apache-2.0
import IOMMUFD

/// What the driver keeps of a nested domain (`struct mock_iommu_domain_nested`).
final class MockNestedDomain {
  /// The greatest index of a word (`MOCK_NESTED_DOMAIN_IOTLB_ID_MAX`).
  static let iotlbLimit = 3

  /// Words that a guest's invalidations clear.
  var iotlb: [UInt64]

  init(word: UInt64) { iotlb = Array(repeating: word, count: MockNestedDomain.iotlbLimit + 1) }
}

/// What the driver keeps of a vIOMMU (`struct mock_viommu`).
final class MockVIOMMU {
  /// What the vIOMMU was made with, and what is in its window.
  var word: UInt32
  /// By index.
  var queues: [HWQueue?] = [nil, nil]

  init(word: UInt32) { self.word = word }
}

extension MockDriver {
  /// The type of data that domains take (`IOMMU_HWPT_DATA_SELFTEST`).
  static let domainDataType: UInt32 = 0xdead

  private static func data(_ data: UserData) throws(Refusal) -> LittleEndian {
    guard data.type == domainDataType else {
      throw Refusal(.EOPNOTSUPP, field: "data_type", "domains take data of type 0xdead")
    }
    return try data.copy(type: domainDataType, minimum: 4, size: 8, field: "data")
  }

  // MARK: Domains

  var nestsOnParents: Bool { true }

  func constraints(of domain: Domain) -> IOVAConstraints {
    IOVAConstraints(aperture: 0x100_0000...0x7fff_ffff, alignment: 2048)
  }

  /// `mock_domain_alloc_paging_flags`
  func allocatePaging(
    _ domain: Domain, for device: Device, in transaction: Transaction
  ) throws(Refusal) {
    guard let data = domain.userData else { return }
    let formats: UInt32 = 2
    guard try MockDriver.data(data).u32(4) < formats else {
      throw Refusal(.EOPNOTSUPP, field: "data", "there is no such format of page tables")
    }
  }

  /// `mock_domain_alloc_nested`
  func allocateNested(
    _ domain: Domain, for device: Device, in transaction: Transaction
  ) throws(Refusal) {
    guard let data = domain.userData else { return }
    domain.driverData = MockNestedDomain(word: UInt64(try MockDriver.data(data).u32(0)))
  }

  func free(_ domain: Domain, in transaction: Transaction) {}

  // MARK: vIOMMUs

  private static let windowLength: UInt64 = 2 * 4096

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
    viommu.openWindow(length: Self.windowLength, in: transaction)
    answer.set(4, u32: answer.u32(0))
    answer.set(8, u64: viommu.window?.offset ?? 0)
    answer.set(16, u64: Self.windowLength)
    return answer.bytes
  }

  func readWindow(
    of viommu: VIOMMU, at offset: UInt64, width: Int
  ) throws(Refusal) -> UInt64 {
    guard let window = viommu.window, let mock = viommu.driverData as? MockVIOMMU else {
      throw Refusal(.EOPNOTSUPP, "vIOMMU \(viommu.name) was made without a window")
    }
    guard offset % UInt64(width) == 0 else {
      throw Refusal(.EINVAL, field: "offset", "must be aligned to the width")
    }
    guard offset < window.length else {
      throw Refusal(.EINVAL, field: "offset", "is behind the end of the window")
    }
    return offset == 0 ? UInt64(mock.word) : 0
  }

  func writeWindow(
    of viommu: VIOMMU, at offset: UInt64, _ value: UInt64, width: Int,
    in transaction: Transaction
  ) throws(Refusal) {
    _ = try readWindow(of: viommu, at: offset, width: width)
    transaction.onCommit {
      guard offset == 0, let mock = viommu.driverData as? MockVIOMMU else { return }
      mock.word = UInt32(truncatingIfNeeded: value)
    }
  }

  func destroy(_ viommu: VIOMMU, in transaction: Transaction) {
    viommu.closeWindow(in: transaction)
  }

  // MARK: hw-queues

  func supports(_ type: HWQueueType, on viommu: VIOMMU) -> Bool { type == .selftest }

  /// `mock_hw_queue_init_phys`: ascending, each on the one before.
  func initialize(
    _ queue: HWQueue, in transaction: Transaction
  ) throws(Refusal) -> HWQueue? {
    guard let viommu = queue.viommu.driverData as? MockVIOMMU else { return nil }
    let index = Int(queue.index)
    guard index < viommu.queues.count else {
      throw Refusal(.EINVAL, field: "index", "a vIOMMU has \(viommu.queues.count) queues")
    }
    if let other = viommu.queues[index] {
      throw Refusal(.EEXIST, field: "index", "hw-queue \(other.name) has that index")
    }
    let below = index == 0 ? nil : viommu.queues[index - 1]
    if index > 0, below == nil {
      throw Refusal(.EIO, field: "index", "there is no queue of index \(index - 1) yet")
    }
    viommu.queues[index] = queue
    transaction.onRollback { viommu.queues[index] = nil }
    return below
  }

  func destroy(_ queue: HWQueue, in transaction: Transaction) {
    guard let viommu = queue.viommu.driverData as? MockVIOMMU else { return }
    let index = Int(queue.index)
    viommu.queues[index] = nil
    transaction.onRollback { viommu.queues[index] = queue }
  }

  // MARK: Facts

  func facts(about object: Object) -> [DriverFact] {
    switch object {
    case let device as Device: facts(about: device)
    case let domain as Domain:
      (domain.driverData as? MockNestedDomain).map { [DriverFact("iotlb", .hexes($0.iotlb))] }
        ?? []
    case let viommu as VIOMMU:
      [
        DriverFact("mmap_offset", viommu.window.map { .hex($0.offset) } ?? .none),
        DriverFact("mmap_length", viommu.window.map { .hex($0.length) } ?? .none),
      ]
    case let queue as HWQueue: [DriverFact("base_address", .hex(queue.basePhysical))]
    default: []
    }
  }

  private func facts(about device: Device) -> [DriverFact] {
    let master = device.driverData as? MockMaster
    return [
      DriverFact("selftest_id", device.busObjectID.map { .int(Int($0)) } ?? .none),
      DriverFact("cache", .hexes(master?.cache ?? [])),
      DriverFact("vmaster", master?.vmaster.map { .text($0.viommu.name) } ?? .none),
      DriverFact("virtual_id", master?.vmaster.map { .hex($0.virtualID) } ?? .none),
    ]
  }
}
