// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware
import Locking

/// The command queues of the CMDQV that guests own.
struct GuestQueues {
  let cmdqv: CMDQVDriver
  let hardware: Hardware
  /// Limits how many queues have a thread of their own.
  let places: ThreadPlaces

  /// Takes over a queue that a guest has made (`tegra241_vintf_alloc_lvcmdq_user`). A guest makes
  /// its queues in ascending order, because the hardware expects the predecessor of a mapped queue
  /// to be mapped as well.
  ///
  /// - Returns: the queue with the next lower index, which must outlive this one; nil for index 0.
  func initialize(
    _ queue: HWQueue, in transaction: Transaction
  ) throws(Refusal) -> HWQueue? {
    guard let vintf = (queue.viommu.driverData as? VSMMU)?.vintf else {
      throw Refusal(.EOPNOTSUPP, field: "type", "the vIOMMU has no virtual interface")
    }
    let share = cmdqv.engine.size.queuesPerVINTF
    guard queue.index < share else {
      throw Refusal(.EINVAL, field: "index", "an interface has \(share) queues")
    }
    if let other = vintf.queues[queue.index] {
      throw Refusal(.EEXIST, field: "index", "hw-queue \(other.name) has that index")
    }
    let below = queue.index == 0 ? nil : vintf.queues[queue.index - 1]
    if queue.index > 0, below == nil {
      throw Refusal(.EIO, field: "index", "there is no queue of index \(queue.index - 1) yet")
    }
    try checkRing(of: queue)
    let lvcmdq = try makeLVCMDQ(queue, vintf, in: transaction)
    queue.driverData = lvcmdq
    vintf.queues[queue.index] = queue
    transaction.onRollback { vintf.queues[queue.index] = nil }
    transaction.onCommit { [cmdqv] in
      cmdqv.lend(lvcmdq, base: queue.basePhysical, length: queue.length)
      cmdqv.begin(lvcmdq)
    }
    return below
  }

  private func makeLVCMDQ(
    _ queue: HWQueue, _ vintf: VINTF, in transaction: Transaction
  ) throws(Refusal) -> LVCMDQ {
    let logical = Int(queue.index)
    let global = vintf.number * cmdqv.engine.size.queuesPerVINTF + logical
    let progress = QueueProgress(queue.name, cmdqv.engine, queue: global, hardware)
    var worker: QueueWorker?
    if queue.execution == .async {
      let made = try QueueWorker(cmdqv.engine, queue: global, progress, places)
      transaction.onRollback { made.abandon() }
      worker = made
    }
    return LVCMDQ(
      interface: vintf.number, logical: logical, global: global, worker: worker,
      progress: progress)
  }

  private func checkRing(of queue: HWQueue) throws(Refusal) {
    let greatest = UInt64(16) << UInt64(hardware.smmu.features.cmdqs)
    let isPowerOfTwo = queue.length & (queue.length - 1) == 0
    guard isPowerOfTwo, queue.length >= 32, queue.length <= greatest else {
      throw Refusal(
        .EINVAL, field: "length", "a ring has a power of two of 32 to \(greatest) bytes")
    }
    let isAddressable = queue.basePhysical & ~0xffff_ffff_ffe0 == 0
    guard isAddressable, queue.basePhysical % queue.length == 0 else {
      throw Refusal(
        .EINVAL, field: "iova",
        "the ring's physical address \(hex(queue.basePhysical)) is not aligned to its length")
    }
  }

  func destroy(_ queue: HWQueue, in transaction: Transaction) {
    guard let vintf = (queue.viommu.driverData as? VSMMU)?.vintf,
      let lvcmdq = queue.driverData as? LVCMDQ
    else { return }
    vintf.queues[queue.index] = nil
    transaction.onRollback { vintf.queues[queue.index] = queue }
    transaction.onCommit { [cmdqv] in
      cmdqv.end(lvcmdq)
      cmdqv.takeBack(lvcmdq)
    }
  }

  // MARK: Posting commands

  /// At commit, does what the guest's driver would do: it writes commands behind the last one in
  /// the ring, and then PROD.
  func submit(
    _ commands: [[UInt64]], to queue: HWQueue, in transaction: Transaction
  ) throws(Refusal) -> Submission {
    guard let lvcmdq = queue.driverData as? LVCMDQ else {
      throw Refusal(.EOPNOTSUPP, "hw-queue \(queue.name) is not of this hardware")
    }
    let entries = UInt32(clamping: queue.length / Command.byteCount)
    try checkRoom(for: commands.count, lvcmdq, entries)
    try makeResident(queue)
    let count = UInt32(commands.count)
    lvcmdq.promised += count
    transaction.onRollback { lvcmdq.promised -= count }
    let submission = Submission()
    transaction.onCommit { [cmdqv, hardware] in
      lvcmdq.promised -= count
      submission.result = cmdqv.post(commands, to: lvcmdq, queue.basePhysical, entries, hardware)
    }
    return submission
  }

  /// Allocates the pages of the ring, so that writing to it at commit cannot fail.
  private func makeResident(_ queue: HWQueue) throws(Refusal) {
    let existing = hardware.memory.range
    guard existing.contains(queue.basePhysical),
      queue.length <= existing.upperBound - queue.basePhysical
    else {
      throw Refusal(
        .EFAULT, "the machine has no memory at \(hex(queue.basePhysical)), where the ring is")
    }
    do throws(ExternalAbort) {
      try hardware.memory.makeResident(queue.basePhysical, queue.length)
    } catch {
      throw Refusal(.ENOMEM, "the host uses all the memory that it may, memory_bytes")
    }
  }

  private func checkRoom(
    for count: Int, _ lvcmdq: LVCMDQ, _ entries: UInt32
  ) throws(Refusal) {
    // If the transaction under way also makes the queue, the hardware does not have it yet, and it
    // is empty.
    var used: UInt32 = 0
    if lvcmdq.isLive {
      let state = cmdqv.engine.queue(lvcmdq.global)
      used = (state.prod &- state.cons) & (2 * entries - 1)
    }
    let free = entries - min(entries, used + min(lvcmdq.promised, entries))
    guard count <= Int(free) else {
      throw Refusal(
        .ENOSPC, .exhausted, field: "commands",
        "the ring of \(entries) entries has room for \(free), not for \(count)")
    }
  }
}
