// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware
import Locking

/// What the driver does with a queue while a guest has it.
extension CMDQVDriver {
  /// Begins to run a queue for a guest.
  func begin(_ queue: LVCMDQ) {
    queue.progress.begin()
    guests.withLock { $0[queue.global] = Guest(worker: queue.worker, progress: queue.progress) }
    queue.worker?.start()
    queue.isLive = true
  }

  func end(_ queue: LVCMDQ) {
    queue.isLive = false
    queue.worker?.stop()
    queue.progress.tell()
    guests.withLock { $0[queue.global] = nil }
  }

  /// Wakes the thread of a queue whose guest has rung the doorbell.
  func ring(_ global: Int) { guests.withLock { $0[global] }?.worker?.ring() }

  /// Logs what queues have done that have no thread of their own. Queues with a thread do this
  /// themselves.
  func tellProgress() {
    let guests = guests.withLock { guests in guests.sorted { $0.key < $1.key }.map(\.value) }
    for guest in guests where guest.worker == nil { guest.progress.tell() }
  }

  /// Writes commands behind the last one in a guest's ring, and then PROD, as the guest's driver
  /// does.
  func post(
    _ commands: [[UInt64]], to queue: LVCMDQ, _ base: UInt64, _ entries: UInt32,
    _ hardware: Hardware
  ) -> Submission.Result {
    let before = engine.queue(queue.global)
    var prod = before.prod & (2 * entries - 1)
    for words in commands {
      hardware.write(words, at: base + UInt64(prod & (entries - 1)) * Command.byteCount)
      prod = (prod + 1) & (2 * entries - 1)
    }
    var executed: [Tegra241CMDQV.ExecutedCommand] = []
    if queue.worker == nil {
      executed = engine.submit(queue.interface, queue.logical, prod: prod)
    } else {
      let registers = CMDQVRegisters.queue(queue.interface, queue.logical)
      try? engine.writeRegister(registers.prod, UInt64(prod), width: 4)
    }
    var result = Submission.Result(engine.queue(queue.global), entries)
    result.commands = executed.map { command in
      Submission.Command(
        index: command.index, guest: command.guest.words, executed: command.executed?.words,
        error: command.error?.name)
    }
    if queue.worker == nil { queue.progress.tell() }
    return result
  }
}

extension Submission.Result {
  fileprivate init(_ queue: Tegra241CMDQV.Queue, _ entries: UInt32) {
    self.init(
      prod: queue.prod, cons: queue.cons, isEnabled: queue.isEnabled && queue.isEnableOK,
      pending: (queue.prod &- queue.cons) & (2 * entries - 1),
      error: queue.errorName)
  }
}

extension Tegra241CMDQV.QueueError {
  /// The name that the API has for the error.
  var name: String {
    switch self {
    case .illegal: "illegal"
    case .fetchAbort: "fetch_abort"
    case .atcInvSync: "atc_inv_sync"
    case .unmatchedSID: "unmatched_sid"
    }
  }
}

extension Tegra241CMDQV.Queue {
  /// Why the queue stands still: it could not be initialised, or it has stopped at a command for
  /// the reason in CONS_INDX.ERR. It is nil while no error is to be acknowledged.
  var errorName: String? {
    let active = gerror ^ gerrorn
    if active & 4 != 0 { return "initialisation" }
    if active & 1 == 0 { return nil }
    return Tegra241CMDQV.QueueError(rawValue: error)?.name
  }
}
