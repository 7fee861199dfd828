// SPDX-License-Identifier: Apache-2.0

/// A queue of the page faults of fault-capable domains (`struct iommufd_fault`).
public final class FaultQueue: ContextObject {
  public let fifo = FaultFIFO()
  /// Its open files: the one that creation handed out, and those of its followers.
  var files: [EventFile] = []
  /// Whether the file that creation handed out is still open.
  public internal(set) var isFileOpen = false
  /// The cookies that the transaction under way answers.
  var answering: Set<UInt32> = []

  init(name: String, context: Context) { super.init(.faultQueue, name, in: context) }
}

/// What a VMM makes of a page fault group (`enum iommufd_page_response_code`).
public enum PageResponseCode: String, Sendable, CaseIterable, Codable {
  case success, invalid
}

extension ObjectCore {
  /// Allocates a fault queue (`iommufd_fault_alloc`).
  @discardableResult
  public func allocateFaultQueue(
    _ name: String?, context: String, keepsFileOpen: Bool = false
  ) throws(Refusal) -> FaultQueue {
    let context: Context = try resolve(.context, context, field: "context")
    let queue = FaultQueue(name: try claimName(.faultQueue, name), context: context)
    queue.objectID = try claimID(context)
    if keepsFileOpen { try openFile(of: queue) }
    try publish(queue)
    return queue
  }

  func end(_ queue: FaultQueue) { transaction.onCommit { queue.fifo.close() } }

  /// The fault queue that a page request of a device reaches (`iommu_report_device_fault`): that
  /// of the domain attached at its PASID, or, where nothing is attached there, that of a nested
  /// domain on the RID, whose guest owns the PASIDs.
  public func faultRoute(of device: Device, pasid: UInt32?) -> (queue: FaultQueue, pasid: UInt32)? {
    let wanted = pasid ?? 0
    if let domain = device.domain(at: wanted) { return domain.faultQueue.map { ($0, wanted) } }
    guard let domain = device.domain(at: 0), domain.viommu != nil else { return nil }
    return domain.faultQueue.map { ($0, 0) }
  }

  /// A device asks for a page. The group is delivered at commit.
  ///
  /// - Returns: the queue that gets it; nil where nobody handles faults and it is dropped.
  public func requestPages(
    _ device: Device, _ faults: [PageFault]
  ) throws(Refusal) -> FaultQueue? {
    guard let (queue, pasid) = faultRoute(of: device, pasid: faults.first?.pasid) else {
      return nil
    }
    try step()
    let group = FaultGroup(faults: faults, attachedPASID: pasid)
    transaction.onCommit {
      queue.fifo.report(group)
      queue.fifo.wakeReader()
    }
    return queue
  }

  /// Answers a group that was read.
  ///
  /// - Throws: `EINVAL` for a cookie under which none waits.
  public func respond(_ name: String, cookie: UInt32, code: PageResponseCode) throws(Refusal) {
    let queue: FaultQueue = try find(.faultQueue, name)
    guard queue.fifo.isWaiting(cookie), !queue.answering.contains(cookie) else {
      throw Refusal(.EINVAL, field: "cookie", "no fault waits for an answer under that cookie")
    }
    try step()
    queue.answering.insert(cookie)
    transaction.onRollback { queue.answering.remove(cookie) }
    transaction.onCommit {
      queue.answering.remove(cookie)
      queue.fifo.answer(cookie)
    }
  }
}
