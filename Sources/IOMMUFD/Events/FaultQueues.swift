// SPDX-License-Identifier: Apache-2.0

/// What can be done with fault queues, and with the page faults in them.
public struct FaultQueues: ObjectVerbs {
  unowned let core: ObjectCore

  /// Allocates a fault queue (`iommufd_fault_alloc`).
  ///
  /// - Parameters:
  ///   - name: the name of the new object; nil to have one made up.
  ///   - context: the open iommufd that it belongs to.
  ///   - keepsFileOpen: whether its event file is open afterwards, as it is after the kernel's
  ///     call.
  /// - Throws: `EEXIST` for a name that is taken, `ENOENT` when there is no such context, `EBADF`
  ///   when the context's own file is closed, `EMFILE` when no file can be opened.
  @discardableResult
  public func allocate(
    _ name: String?, context: String, keepsFileOpen: Bool = false
  ) throws(Refusal) -> FaultQueue {
    let context: Context = try resolve(.context, context, field: "context")
    let queue = FaultQueue(name: try claimName(.faultQueue, name), context: context)
    queue.objectID = try claimID(context)
    if keepsFileOpen { try core.eventFiles.openFile(of: queue) }
    try publish(queue)
    return queue
  }

  /// Ends the queue at commit, when those who follow it are told.
  func end(_ queue: FaultQueue) { transaction.onCommit { queue.close() } }

  /// Where a page request of a device goes (`iommu_report_device_fault`). It goes to the domain
  /// that is attached at its PASID. Where nothing is attached there, a nested domain on the RID
  /// gets it, because then the guest owns the PASIDs.
  ///
  /// - Parameters:
  ///   - device: the device that asks.
  ///   - pasid: the PASID of the request; nil for one without.
  /// - Returns: the fault queue, and the PASID of the attachment; nil where nobody handles faults.
  public func faultRoute(of device: Device, pasid: UInt32?) -> (queue: FaultQueue, pasid: UInt32)? {
    let wanted = pasid ?? 0
    if let domain = device.domain(at: wanted) { return domain.faultQueue.map { ($0, wanted) } }
    guard let domain = device.domain(at: 0), domain.isNested else { return nil }
    return domain.faultQueue.map { ($0, 0) }
  }

  /// Has a device ask for pages. The group is delivered at commit.
  ///
  /// - Parameters:
  ///   - device: the device that asks.
  ///   - faults: the faults of one group, which all have the same PASID.
  /// - Returns: the queue that gets the group; nil where nobody handles faults, so that it is
  ///   dropped.
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

  /// Answers a group that was read. The device is told at commit.
  ///
  /// - Parameters:
  ///   - name: the fault queue.
  ///   - cookie: the number that the group got when it was read.
  ///   - code: the answer.
  /// - Throws: `ENOENT` when there is no such queue, `EINVAL` when no group waits under the cookie.
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
      guard let group = queue.fifo.answer(cookie), let device = self.device(of: group) else {
        return
      }
      device.smmu.driver.ops.respond(to: group, code)
    }
  }

  private func device(of group: FaultGroup) -> Device? {
    group.faults.first.flatMap { object(.device, $0.device) as? Device }
  }

  /// Answers as a write to the event file does (`iommufd_fault_fops_write`). The bytes are records
  /// of 8 bytes, a cookie and a code, and are taken up to the first record that is wrong.
  ///
  /// - Returns: how many bytes were taken.
  /// - Throws: `ENOENT` when there is no such queue, `ESPIPE` when the last record is incomplete,
  ///   `EINVAL` when the first record is wrong.
  public func writeResponses(_ name: String, _ bytes: [UInt8]) throws(Refusal) -> Int {
    let queue: FaultQueue = try find(.faultQueue, name)
    let size = 8
    guard bytes.count % size == 0 else {
      throw Refusal(.ESPIPE, field: "bytes", "not a multiple of \(size) bytes")
    }
    var taken = 0
    while taken < bytes.count {
      let record = LittleEndian(Array(bytes[taken..<taken + size]), size: size)
      do throws(Refusal) {
        guard let code = PageResponseCode(number: record.u32(4)) else {
          throw Refusal(.EINVAL, field: "bytes", "\(record.u32(4)) is no code of a response")
        }
        try respond(queue.name, cookie: record.u32(0), code: code)
      } catch {
        if taken == 0 { throw error }
        break
      }
      taken += size
    }
    return taken
  }
}
