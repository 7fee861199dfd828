// SPDX-License-Identifier: Apache-2.0
import Locking
import Synchronization

/// What an SMMU and its ports share. It is apart from `SMMUv3` so that a port need not refer to the
/// SMMU that owns it.
final class SMMUCore: Sendable {
  let memory: PhysicalMemory
  let features: SMMUv3Features
  /// The translation cache of all devices.
  let tlb: TLB
  /// The registers, queues and notifications, behind their lock.
  let state: Locked<MachineState>
  /// The receiver of notifications.
  let sink: (any SMMUSink)?
  /// Counts the changes of registers that translation depends on. A port whose count is older reads
  /// them again.
  let registerGeneration = Atomic<UInt64>(1)
  /// CR0.SMMUEN, for code that may not wait for the state's lock.
  let isEnabled = Atomic<Bool>(false)
  /// A bit for each of CMDQV's queues: an ATC_INV of the queue was not answered, and the queue was
  /// switched off before a CMD_SYNC could report that.
  private let abandonedTimeouts = InlineArray<2, Atomic<UInt64>> { _ in Atomic(0) }
  /// Whether there may be notifications that have not been sent.
  let hasMail = Atomic<Bool>(false)

  init(
    _ memory: PhysicalMemory, _ features: SMMUv3Features, _ behaviour: SMMUv3Behaviour,
    _ sink: (any SMMUSink)?
  ) {
    self.memory = memory
    self.features = features
    self.sink = sink
    tlb = TLB(dropsWholeBlocks: behaviour.dropsWholeBlocks)
    state = Locked(MachineState(memory, features, behaviour))
  }

  /// Changes the state under its lock, and notes whether that has left notifications to send. The
  /// caller calls `deliver` when it holds no lock any more.
  func change<Result>(_ body: (inout MachineState) -> Result) -> Result {
    state.withLock { state in
      let result = body(&state)
      if !state.outbox.isEmpty { hasMail.store(true, ordering: .releasing) }
      return result
    }
  }

  // MARK: Timeouts that outlive their queue

  /// Notes that one of CMDQV's queues was switched off with an ATC_INV that was not answered,
  /// because the queue cannot report that any more.
  func abandonTimeout(ofQueue queue: Int) {
    abandonedTimeouts[queue >> 6 & 1].bitwiseOr(
      1 << UInt64(queue & 63), ordering: .sequentiallyConsistent)
  }

  /// Whether a queue was switched off with such an ATC_INV. Asking clears it, so that it is
  /// reported once.
  func takeAbandonedTimeout(ofQueue queue: Int) -> Bool {
    let bit = UInt64(1) << UInt64(queue & 63)
    let word = queue >> 6 & 1
    if abandonedTimeouts[word].load(ordering: .relaxed) & bit == 0 { return false }
    return abandonedTimeouts[word].bitwiseAnd(~bit, ordering: .sequentiallyConsistent).oldValue
      & bit != 0
  }

  /// Whether any queue was switched off with such an ATC_INV. Asking clears it for all queues.
  func takeAbandonedTimeouts() -> Bool {
    var all: UInt64 = 0
    for word in 0..<2 {
      all |= abandonedTimeouts[word].exchange(0, ordering: .sequentiallyConsistent)
    }
    return all != 0
  }

  // MARK: Mail

  /// Sends the notifications that there are to the sink. It must be called without holding a lock,
  /// because the sink may use the machine.
  func deliver() {
    while hasMail.load(ordering: .acquiring) {
      for notification in takeMail() { sink?.receive(notification) }
    }
  }

  /// Takes the notifications out of the state.
  private func takeMail() -> [SMMUNotification] {
    state.withLock { state in
      hasMail.store(false, ordering: .relaxed)
      let mail = state.outbox
      state.outbox = []
      return mail
    }
  }
}
