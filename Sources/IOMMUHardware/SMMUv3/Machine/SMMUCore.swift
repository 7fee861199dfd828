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
