// SPDX-License-Identifier: Apache-2.0

/// What can be done with guests' command queues.
public struct HWQueues: ObjectVerbs {
  unowned let core: ObjectCore

  /// The number of pages from which on the kernel cannot allocate the list of a ring's pages in one
  /// piece: that list would then be longer than `INT_MAX` bytes.
  private static let pageArrayLimit: UInt64 = 1 << 28

  /// Hands a command queue to a guest (`iommufd_hw_queue_alloc_ioctl`). The memory of the ring is
  /// checked and pinned before the driver sees the index.
  ///
  /// - Parameters:
  ///   - name: the name of the new object; nil to have one made up.
  ///   - viommu: the vIOMMU whose guest owns it.
  ///   - type: what kind of queue it is.
  ///   - index: which of the vIOMMU's queues it is.
  ///   - iova: the address of the ring in the nesting parent's address space; it need not be the
  ///     first of a page.
  ///   - length: the length of the ring in bytes.
  ///   - execution: who carries out the commands.
  /// - Throws: `EINVAL` for a length of 0; `EOVERFLOW` when the ring wraps around, and `ERANGE`
  ///   when only the end of its last page does; `ENOENT` when there is no such vIOMMU or a part of
  ///   the ring is not mapped; `EOPNOTSUPP` when the vIOMMU has no queues of the type; `EEXIST` for
  ///   a name that is taken; `EBADF` when the context's own file is closed; `ENOMEM` when the ring
  ///   has too many pages; `EADDRINUSE` when a mapping of the address space is not of whole pages;
  ///   `EPERM` when the ring's memory is not readable; `EFAULT` when it is not contiguous in the
  ///   host's memory; and the errors of the driver's `initialize`.
  @discardableResult
  public func allocate(
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

  /// Finds the memory of a ring, and locks the areas that it lies in so that they cannot be
  /// unmapped. The kernel pins them in the order of their addresses, and so the first thing that is
  /// wrong decides the error.
  private func lockRing(of queue: HWQueue) throws(Refusal) {
    let page = ObjectCore.pageSize
    let offset = queue.iova % page
    let (size, overflows) = queue.length.addingReportingOverflow(offset)
    if overflows || size > UInt64.max - (page - 1) {
      throw Refusal(.ERANGE, field: "length", "the ring's pages wrap around")
    }
    if (size + (page - 1)) / page >= HWQueues.pageArrayLimit {
      throw Refusal(.ENOMEM, field: "length", "the ring has too many pages")
    }
    let ioas = queue.viommu.ioas
    try core.addressSpaces.requirePageAligned(ioas, field: "iova")
    let first = queue.iova - offset
    // Whole pages are pinned. Where the last one ends at the last address of all, the length of the
    // range is kept below 2^64.
    let whole = min((size + (page - 1)) / page * page, UInt64.max - first)
    let areas = try core.addressSpaces.contiguousAreas(
      of: ioas, from: first, whole, for: .reading, field: "iova")
    for (left, right) in zip(areas, areas.dropFirst())
    where left.physical &+ left.length != right.physical {
      throw Refusal(.EFAULT, field: "iova", "the ring is not contiguous in the host's memory")
    }
    queue.basePhysical = areas[0].physical &+ offset
    try step()
    addLock(1, to: queue)
    transaction.onRollback { addLock(-1, to: queue) }
  }

  private func addLock(_ change: Int, to queue: HWQueue) {
    var index = queue.viommu.ioas.firstArea(reaching: queue.iova)
    while index < queue.viommu.ioas.areas.count, queue.viommu.ioas.areas[index].iova <= queue.last {
      queue.viommu.ioas.areas[index].locks += change
      index += 1
    }
  }

  /// Does what the end of a queue brings with it: the driver takes it back, and its ring is
  /// unlocked.
  func end(_ queue: HWQueue) {
    queue.viommu.ops.destroy(queue, in: transaction)
    addLock(-1, to: queue)
    transaction.onRollback { addLock(1, to: queue) }
    releaseID(queue.accessID, of: queue.owner)
  }
}
