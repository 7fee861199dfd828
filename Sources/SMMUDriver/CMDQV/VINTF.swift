// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware
import Locking

/// A virtual interface of Tegra241's CMDQV that a guest has (`struct tegra241_vintf`).
final class VINTF {
  let number: Int
  let vmid: UInt16
  /// The bytes of the interface's page 0, which user space maps into the guest.
  static let windowLength: UInt64 = 0x10000
  /// The numbers of the interface's SID slots, which are pairs of SID_MATCH and SID_REPLACE.
  let sidSlots: NumberPool
  /// The guest's queues by their logical numbers.
  var queues: [UInt32: HWQueue] = [:]
  /// Whether the hardware has the interface. It does from the commit of its creation on.
  var isLive = false

  init(number: Int, vmid: UInt16, sidSlots: Int) {
    self.number = number
    self.vmid = vmid
    self.sidSlots = NumberPool(
      from: 0, limit: sidSlots, field: "viommu",
      exhausted: "the virtual interface has no SID slot left")
  }
}

/// The SID slot that a vdev has in its vIOMMU's interface (`struct tegra241_vintf_sid`).
final class SIDSlot {
  let number: Int
  init(number: Int) { self.number = number }
}

/// What the driver keeps of a guest's queue (`struct tegra241_vcmdq`).
final class LVCMDQ {
  let interface: Int
  let logical: Int
  /// The number of the queue among all queues of the hardware. A logical queue always has the same.
  let global: Int
  /// The thread that carries out the queue's commands; nil if the thread that rings the doorbell
  /// does.
  let worker: QueueWorker?
  let progress: QueueProgress
  /// Whether the hardware has the queue. It does from the commit of its creation on.
  var isLive = false
  /// How many commands the transaction under way will put into the ring. They take room in it
  /// already.
  var promised: UInt32 = 0

  init(
    interface: Int, logical: Int, global: Int, worker: QueueWorker?, progress: QueueProgress
  ) {
    self.interface = interface
    self.logical = logical
    self.global = global
    self.worker = worker
    self.progress = progress
  }
}

/// Logs what a guest's queue does, each time as the difference from what was logged before.
final class QueueProgress: Sendable {
  private let name: String
  private let engine: Tegra241CMDQV
  private let global: Int
  private let hardware: Hardware
  private let known: Locked<VCMDQCounters?> = Locked(nil)

  init(_ name: String, _ engine: Tegra241CMDQV, queue global: Int, _ hardware: Hardware) {
    self.name = name
    self.engine = engine
    self.global = global
    self.hardware = hardware
  }

  /// Takes the queue's counters as they are now for the beginning, because they include what the
  /// queue has done for its earlier owners.
  func begin() { known.withLock { $0 = engine.queue(global).counters } }

  /// Logs what the queue has done since the last time, if it has done anything.
  func tell() {
    let (queue, commands) = known.withLock { known -> (Tegra241CMDQV.Queue, UInt64?) in
      let queue = engine.queue(global)
      let before = known
      known = queue.counters
      guard let before, before != queue.counters else { return (queue, nil) }
      return (queue, queue.counters.commands &- before.commands)
    }
    guard let commands else { return }
    hardware.log(
      .queueRan(
        queue: name, commands: commands, prod: queue.prod, cons: queue.cons,
        error: queue.errorName))
  }
}
