// SPDX-License-Identifier: Apache-2.0
import IOMMUFD

/// What the driver does with its vIOMMUs, and with the queues on them (`mock_viommu_ops`).
struct MockVIOMMUOps: VIOMMUOps {
  // MARK: vIOMMUs

  /// Makes a domain that is nested on a vIOMMU (`mock_viommu_alloc_domain_nested`).
  func allocateNested(
    _ domain: Domain, for device: Device, in transaction: Transaction
  ) throws(Refusal) {
    domain.driverData = try MockNestedDomain.make(of: domain.userData)
  }

  /// Carries out a guest's invalidations on a vIOMMU (`mock_viommu_cache_invalidate`). All entries
  /// are copied before the first is carried out. A request without entries only asks whether the
  /// type is known.
  func invalidate(
    _ viommu: VIOMMU, _ request: InvalidationArray, in transaction: Transaction
  ) -> InvalidationOutcome {
    if request.count == 0, request.type == MockInvalidation.entryType {
      return InvalidationOutcome(handled: 0)
    }
    let entries: [LittleEndian]
    do throws(Refusal) {
      entries = try request.copyAll(type: MockInvalidation.entryType, size: 12)
    } catch {
      return InvalidationOutcome(handled: 0, refusal: error)
    }
    return MockInvalidation.each(of: entries.count) { (index) throws(Refusal) in
      let entry = entries[index]
      let virtualID = UInt64(entry.u32(4))
      let word = MockInvalidation(flags: entry.u32(0), word: entry.u32(8))
      try word.check(limit: MockMaster.cacheLimit, index)
      guard let vdev = viommu.vdevs[virtualID],
        let master = vdev.device.driverData as? MockMaster
      else {
        throw Refusal(
          .EINVAL, field: "entries/\(index)", "vIOMMU \(viommu.name) has no vdev \(virtualID)")
      }
      transaction.noteChange(of: vdev.device)
      let previous = master.cache
      transaction.onRollback { master.cache = previous }
      word.clear(&master.cache)
    }
  }

  func destroy(_ viommu: VIOMMU, in transaction: Transaction) {
    viommu.closeWindow(in: transaction)
  }

  // MARK: hw-queues

  func supports(_ type: HWQueueType, on viommu: VIOMMU) -> Bool { type == .selftest }

  /// Makes a queue (`mock_hw_queue_init_phys`). Queues are made in ascending order of their
  /// indices, and each must outlive the one after it.
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

  // MARK: The window

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
}

/// What the driver keeps of a vIOMMU (`struct mock_viommu`).
final class MockVIOMMU {
  /// The length of a vIOMMU's window in bytes: two pages.
  static let windowLength: UInt64 = 2 * 4096

  /// The word that the vIOMMU was made with. It is the first word of the window, where it can be
  /// changed.
  var word: UInt32
  /// The queues by their indices; nil for those that were not made.
  var queues: [HWQueue?] = [nil, nil]

  init(word: UInt32) { self.word = word }
}
