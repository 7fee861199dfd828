// SPDX-License-Identifier: Apache-2.0

/// A command queue of the hardware that a guest owns (`struct iommufd_hw_queue`).
public final class HWQueue: ContextObject {
  /// Who carries out the commands of a queue. The kernel has no such choice, because real hardware
  /// always runs by itself.
  public enum Execution: String, Sendable, CaseIterable, Codable {
    /// The caller that rings the doorbell, before its write to the doorbell returns.
    case sync
    /// A thread that belongs to the queue, so that commands run beside the caller as on real
    /// hardware.
    case async
  }

  /// The vIOMMU whose guest owns the queue.
  public let viommu: VIOMMU
  /// What kind of queue it is, which decides what its commands are.
  public let type: HWQueueType
  /// Which of the vIOMMU's queues of the type it is. The first is 0; the driver knows the last.
  public let index: UInt32
  /// The address of the ring in the guest's physical memory, which is an address of the nesting
  /// parent's address space.
  public let iova: UInt64
  /// The length of the ring in bytes.
  public let length: UInt64
  /// Who carries out the commands in the ring.
  public let execution: Execution
  /// The address of the ring in the host's physical memory.
  public internal(set) var basePhysical: UInt64 = 0
  /// The ID of the hidden access object through which iommufd pins the ring's memory. User space
  /// cannot destroy that object.
  public internal(set) var accessID: UInt32 = 0
  /// What the driver keeps with the queue; nobody else looks at it.
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

  /// The last address of the ring.
  var last: UInt64 { iova &+ (length &- 1) }
}
