// SPDX-License-Identifier: Apache-2.0

/// The types of hw-queues (`enum iommu_hw_queue_type`).
public enum HWQueueType: String, Sendable, CaseIterable, Codable {
  case tegra241CMDQV = "tegra241-cmdqv"
}

/// A command queue of the hardware that a guest owns (`struct iommufd_hw_queue`).
public final class HWQueue: ContextObject {
  public let viommu: VIOMMU
  public let type: HWQueueType
  public let index: UInt32
  /// Where the ring is in the guest's memory: an address of the nesting parent's IOAS.
  public let iova: UInt64
  /// Bytes of the ring.
  public let length: UInt64
  /// Where the ring is in the host's memory.
  public internal(set) var basePhysical: UInt64 = 0
  /// The ID of the hidden object through which iommufd pins the ring's memory.
  public internal(set) var accessID: UInt32 = 0
  /// What the driver keeps with a queue.
  public var driverData: AnyObject?

  init(
    name: String, viommu: VIOMMU, type: HWQueueType, index: UInt32, iova: UInt64, length: UInt64
  ) {
    self.viommu = viommu
    self.type = type
    self.index = index
    self.iova = iova
    self.length = length
    super.init(.hwQueue, name, in: viommu.owner)
  }

  var last: UInt64 { iova &+ (length &- 1) }
}

extension ObjectCore {
  /// Hands a command queue to a guest (`iommufd_hw_queue_alloc_ioctl`); its memory is checked
  /// and pinned before the driver sees the index.
  @discardableResult
  public func allocateHWQueue(
    _ name: String?, viommu: String, type: HWQueueType, index: UInt32, iova: UInt64, length: UInt64
  ) throws(Refusal) -> HWQueue {
    if length == 0 { throw Refusal(.EINVAL, field: "length", "a ring has at least one byte") }
    if iova.addingReportingOverflow(length - 1).overflow {
      throw Refusal(.EOVERFLOW, field: "length", "the ring wraps around")
    }
    let viommu: VIOMMU = try resolve(.viommu, viommu, field: "viommu")
    let context = viommu.owner
    guard viommu.smmu.driver.supports(type, on: viommu) else {
      throw Refusal(
        .EOPNOTSUPP, field: "type",
        "vIOMMU \(viommu.name) of type \(viommu.type.rawValue) has no such queues")
    }
    let queue = HWQueue(
      name: try claimName(.hwQueue, name), viommu: viommu, type: type, index: index, iova: iova,
      length: length)
    queue.objectID = try claimID(context)
    queue.accessID = try claimID(context)
    occupy(queue.accessID, of: context, with: queue)
    try pin(viommu, by: queue, .field("viommu"))
    try pin(viommu.ioas, by: queue, .field("iova"))
    try lockRing(of: queue)
    if let below = try viommu.smmu.driver.initialize(queue, in: transaction) {
      try pin(below, by: queue, .field("index"))
    }
    try publish(queue)
    return queue
  }

  /// Finds the ring's memory page by page in address order and locks the areas it lies in.
  private func lockRing(of queue: HWQueue) throws(Refusal) {
    let page = ObjectCore.pageSize
    let offset = queue.iova % page
    let (size, overflows) = queue.length.addingReportingOverflow(offset)
    if overflows || size > UInt64.max - (page - 1) {
      throw Refusal(.ERANGE, field: "length", "the ring's pages wrap around")
    }
    let areas = queue.viommu.ioas.areas
    if areas.contains(where: { ($0.iova | $0.length | $0.physical) % page != 0 }) {
      throw Refusal(
        .EADDRINUSE, field: "iova", "the address space has mappings of less than a page")
    }
    let first = queue.viommu.ioas.firstArea(reaching: queue.iova)
    var index = first
    var next = queue.iova - offset
    while true {
      guard index < areas.count, areas[index].iova <= next else {
        throw Refusal(.ENOENT, .invalid, field: "iova", "nothing is mapped at \(hex(next))")
      }
      guard areas[index].isReadable else {
        throw Refusal(.EPERM, field: "iova", "the mapping at \(hex(next)) is not readable")
      }
      if areas[index].last >= queue.last { break }
      next = areas[index].last + 1
      index += 1
    }
    for each in first..<index
    where areas[each].physical &+ areas[each].length != areas[each + 1].physical {
      throw Refusal(.EFAULT, field: "iova", "the ring is not contiguous in the host's memory")
    }
    queue.basePhysical = areas[first].physical + (queue.iova - areas[first].iova)
    try step()
    addLock(1, to: queue)
    transaction.onRollback { [unowned self] in addLock(-1, to: queue) }
  }

  private func addLock(_ change: Int, to queue: HWQueue) {
    var index = queue.viommu.ioas.firstArea(reaching: queue.iova)
    while index < queue.viommu.ioas.areas.count, queue.viommu.ioas.areas[index].iova <= queue.last {
      queue.viommu.ioas.areas[index].locks += change
      index += 1
    }
  }

  func end(_ queue: HWQueue) {
    queue.viommu.smmu.driver.destroy(queue, in: transaction)
    addLock(-1, to: queue)
    transaction.onRollback { [unowned self] in addLock(1, to: queue) }
    releaseID(queue.accessID, of: queue.owner)
  }

  private func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
}
