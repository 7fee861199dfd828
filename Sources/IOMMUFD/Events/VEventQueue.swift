// SPDX-License-Identifier: Apache-2.0

/// A queue of a vIOMMU's events of one type (`struct iommufd_veventq`).
public final class VEventQueue: EventQueue {
  /// The greatest depth that the kernel allows (`VIOMMU_EVENT_DEPTH_MAX`).
  public static let depthLimit = 1 << 19

  /// Whose events it gets.
  public let viommu: VIOMMU
  /// Which of the vIOMMU's events it gets; a vIOMMU has one queue of a type.
  public let type: VEventQueueType
  /// What is in the queue; the hardware's threads write it.
  public let fifo: VEventFIFO

  init(name: String, viommu: VIOMMU, type: VEventQueueType, depth: Int) {
    self.viommu = viommu
    self.type = type
    fifo = VEventFIFO(depth: depth)
    super.init(.veventq, name, in: viommu.owner)
  }

  override func close() { fifo.close() }
}

/// What can be done with veventqs.
public struct VEventQueues: ObjectVerbs {
  unowned let core: ObjectCore

  /// Allocates a veventq (`iommufd_veventq_alloc`).
  ///
  /// - Parameter keepsFileOpen: whether the event file stays open, and pins the queue, between
  ///   reads, as a VMM's does.
  @discardableResult
  public func allocate(
    _ name: String?, viommu: String, type: VEventQueueType, depth: Int, keepsFileOpen: Bool = false
  ) throws(Refusal) -> VEventQueue {
    guard depth >= 1, depth <= VEventQueue.depthLimit else {
      throw Refusal(.EINVAL, field: "depth", "must be 1 to \(VEventQueue.depthLimit)")
    }
    let viommu: VIOMMU = try resolve(.viommu, viommu, field: "viommu")
    let context = viommu.owner
    for pin in viommu.heldBy {
      if let other = pin.holder as? VEventQueue, other.type == type {
        throw Refusal(
          .EEXIST, field: "type", "veventq \(other.name) takes the vIOMMU's \(type.name) events"
        )
      }
    }
    let queue = VEventQueue(
      name: try claimName(.veventq, name), viommu: viommu, type: type, depth: depth)
    queue.objectID = try claimID(context)
    try pin(viommu, by: queue, .field("viommu"))
    if keepsFileOpen { try core.eventFiles.openFile(of: queue) }
    try publish(queue)
    transaction.onCommit { viommu.events.set(type, queue.fifo) }
    return queue
  }

  func end(_ queue: VEventQueue) {
    let viommu = queue.viommu
    transaction.onCommit {
      viommu.events.set(queue.type, nil)
      queue.close()
    }
  }
}
