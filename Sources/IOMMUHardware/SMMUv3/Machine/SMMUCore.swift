// SPDX-License-Identifier: Apache-2.0
import Locking
import Synchronization

/// What an SMMU and its ports share.
final class SMMUCore: Sendable {
  let memory: PhysicalMemory
  let features: SMMUv3Features
  let tlb: TLB
  let state: Locked<MachineState>
  let sink: (any SMMUSink)?
  /// Counts changes of registers that translation depends on.
  let registerGeneration = Atomic<UInt64>(1)
  /// CR0.SMMUEN, for those who may not wait for the state.
  let isEnabled = Atomic<Bool>(false)
  /// ATC_INVs that were not answered and whose queue was switched off before a CMD_SYNC could say
  /// so: a bit for each of CMDQV's queues.
  private let abandonedTimeouts = InlineArray<2, Atomic<UInt64>> { _ in Atomic(0) }
  /// Whether something may be in the outbox.
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

  /// Changes the state, and notes whether that left something to be told.
  func change<Result>(_ body: (inout MachineState) -> Result) -> Result {
    state.withLock { state in
      let result = body(&state)
      if !state.outbox.isEmpty { hasMail.store(true, ordering: .releasing) }
      return result
    }
  }

  // MARK: Timeouts that outlive their queue

  /// Keeps a timeout that a CMDQV's queue, which is switched off, cannot report any more.
  func abandonTimeout(ofQueue queue: Int) {
    abandonedTimeouts[queue >> 6 & 1].bitwiseOr(
      1 << UInt64(queue & 63), ordering: .sequentiallyConsistent)
  }

  /// Takes the timeout that a queue left when it was switched off.
  func takeAbandonedTimeout(ofQueue queue: Int) -> Bool {
    let bit = UInt64(1) << UInt64(queue & 63)
    let word = queue >> 6 & 1
    if abandonedTimeouts[word].load(ordering: .relaxed) & bit == 0 { return false }
    return abandonedTimeouts[word].bitwiseAnd(~bit, ordering: .sequentiallyConsistent).oldValue
      & bit != 0
  }

  /// Takes the timeouts of all queues that were switched off.
  func takeAbandonedTimeouts() -> Bool {
    var all: UInt64 = 0
    for word in 0..<2 {
      all |= abandonedTimeouts[word].exchange(0, ordering: .sequentiallyConsistent)
    }
    return all != 0
  }

  // MARK: Mail

  /// Tells the sink what there is to tell. To be called without a lock.
  func deliver() {
    while hasMail.load(ordering: .acquiring) {
      for notification in takeMail() { sink?.receive(notification) }
    }
  }

  private func takeMail() -> [SMMUNotification] {
    state.withLock { state in
      hasMail.store(false, ordering: .relaxed)
      let mail = state.outbox
      state.outbox = []
      return mail
    }
  }
}
