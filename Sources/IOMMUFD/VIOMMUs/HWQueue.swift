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
