// SPDX-License-Identifier: Apache-2.0

/// A command queue of the hardware that a guest owns (`struct iommufd_hw_queue`).
public final class HWQueue: ContextObject {
  /// Who carries out a queue's commands. The kernel knows no such thing: hardware is always on its
  /// own.
  public enum Execution: String, Sendable, CaseIterable, Codable {
    /// Who rings the doorbell, before that returns.
    case sync
    /// A thread of the queue's own.
    case async
  }

  public let viommu: VIOMMU
  public let type: HWQueueType
  public let index: UInt32
  /// Where the ring is in the guest's memory: an address of the nesting parent's IOAS.
  public let iova: UInt64
  /// Bytes of the ring.
  public let length: UInt64
  /// Who carries out what is in the ring.
  public let execution: Execution
  /// Where the ring is in the host's memory.
  public internal(set) var basePhysical: UInt64 = 0
  /// The ID of the hidden object through which iommufd pins the ring's memory.
  public internal(set) var accessID: UInt32 = 0
  /// What the driver keeps with a queue.
  public var driverData: AnyObject?

  init(
    name: String, viommu: VIOMMU, type: HWQueueType, index: UInt32, iova: UInt64, length: UInt64,
    execution: Execution
  ) {
    self.viommu = viommu
    self.type = type
    self.index = index
    self.iova = iova
    self.length = length
    self.execution = execution
    super.init(.hwQueue, name, in: viommu.owner)
  }

  var last: UInt64 { iova &+ (length &- 1) }
}

extension ObjectCore {
  /// As many pages have a list that is more than the kernel allocates in one piece: `INT_MAX`
  /// bytes of pointers.
  private static let pageArrayLimit: UInt64 = 1 << 28

  /// Hands a command queue to a guest (`iommufd_hw_queue_alloc_ioctl`); its memory is checked
  /// and pinned before the driver sees the index.
  @discardableResult
  public func allocateHWQueue(
    _ name: String?, viommu: String, type: HWQueueType, index: UInt32, iova: UInt64, length: UInt64,
    execution: HWQueue.Execution = .sync
  ) throws(Refusal) -> HWQueue {
    if length == 0 { throw Refusal(.EINVAL, field: "length", "a ring has at least one byte") }
    if iova.addingReportingOverflow(length - 1).overflow {
      throw Refusal(.EOVERFLOW, field: "length", "the ring wraps around")
    }
    let viommu: VIOMMU = try resolve(.viommu, viommu, field: "viommu")
    let context = viommu.owner
    guard viommu.ops.supports(type, on: viommu) else {
      throw Refusal(
        .EOPNOTSUPP, field: "type",
        "vIOMMU \(viommu.name) of type \(viommu.type.name) has no such queues")
    }
    let queue = HWQueue(
      name: try claimName(.hwQueue, name), viommu: viommu, type: type, index: index, iova: iova,
      length: length, execution: execution)
    queue.objectID = try claimID(context)
    queue.accessID = try claimID(context)
    occupy(queue.accessID, of: context, with: queue)
    try pin(viommu, by: queue, .field("viommu"))
    try pin(viommu.ioas, by: queue, .field("iova"))
    try lockRing(of: queue)
    if let below = try viommu.ops.initialize(queue, in: transaction) {
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
    if (size + (page - 1)) / page >= ObjectCore.pageArrayLimit {
      throw Refusal(.ENOMEM, field: "length", "the ring has too many pages")
    }
    let ioas = queue.viommu.ioas
    try requirePageAligned(ioas, field: "iova")
    let first = queue.iova - offset
    // Whole pages are pinned, and the last one may be the end of all addresses.
    let whole = min((size + (page - 1)) / page * page, UInt64.max - first)
    let areas = try contiguousAreas(of: ioas, from: first, whole, for: .reading, field: "iova")
    for (left, right) in zip(areas, areas.dropFirst())
    where left.physical &+ left.length != right.physical {
      throw Refusal(.EFAULT, field: "iova", "the ring is not contiguous in the host's memory")
    }
    queue.basePhysical = areas[0].physical &+ offset
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
    queue.viommu.ops.destroy(queue, in: transaction)
    addLock(-1, to: queue)
    transaction.onRollback { [unowned self] in addLock(1, to: queue) }
    releaseID(queue.accessID, of: queue.owner)
  }
}
