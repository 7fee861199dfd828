// SPDX-License-Identifier: Apache-2.0
import Locking

/// The event queues of one vIOMMU, one for each type (`veventqs` of `struct iommufd_viommu`). The
/// hardware's threads look them up here, without the host's lock.
public final class VIOMMUEvents: Sendable {
  private let queues: Locked<[VEventQueueType: VEventFIFO]> = Locked([:])

  /// Makes the set without any queue in it.
  public init() {}

  /// Puts the queue of a type in, or takes it away with nil.
  func set(_ type: VEventQueueType, _ fifo: VEventFIFO?) { queues.withLock { $0[type] = fifo } }

  /// Reports an event to the queue of its type (`iommufd_viommu_report_event`).
  ///
  /// - Returns: the queue that has it now, on which the caller calls `wakeReader` once it holds no
  ///   lock; nil when the vIOMMU has no queue of the type, which the kernel's driver sees as
  ///   `EOPNOTSUPP`.
  public func report(_ type: VEventQueueType, _ data: VEventData) -> VEventFIFO? {
    guard let fifo = queues.withLock({ $0[type] }), fifo.report(data) else { return nil }
    return fifo
  }
}
