// SPDX-License-Identifier: Apache-2.0
import Locking

/// The event queues of one vIOMMU, as the hardware's threads find them.
public final class VIOMMUEvents: Sendable {
  private let queues: Locked<[VEventQueueType: VEventFIFO]> = Locked([:])

  public init() {}

  func set(_ type: VEventQueueType, _ fifo: VEventFIFO?) { queues.withLock { $0[type] = fifo } }

  /// Reports an event to the queue of its type (`iommufd_viommu_report_event`).
  ///
  /// - Returns: the queue that took it, for `wakeReader` once no lock is held; nil when the vIOMMU
  ///   has no such queue, which is `EOPNOTSUPP` to the kernel's driver.
  public func report(_ type: VEventQueueType, _ data: VEventData) -> VEventFIFO? {
    guard let fifo = queues.withLock({ $0[type] }), fifo.report(data) else { return nil }
    return fifo
  }
}
