// SPDX-License-Identifier: Apache-2.0

/// The registers, the queues that the SMMU writes, and what is on its way out: everything that is
/// behind the machine's one lock of state.
struct MachineState {
  let memory: PhysicalMemory
  let features: SMMUv3Features
  let behaviour: SMMUv3Behaviour
  var registers: RegisterFile
  var stalls = StallTable()
  /// Records of stalls that found the event queue full or off. They are never lost: nobody could
  /// answer.
  var waitingStalls: [EventRecord] = []
  /// Told when the locks are released.
  var outbox: [SMMUNotification] = []
  /// Records that were written, and that were lost to a full or disabled queue.
  var counters = SMMUCounters()

  init(_ memory: PhysicalMemory, _ features: SMMUv3Features, _ behaviour: SMMUv3Behaviour) {
    self.memory = memory
    self.features = features
    self.behaviour = behaviour
    registers = RegisterFile(features)
  }

  // MARK: Interrupts

  mutating func raise(_ interrupt: SMMUNotification.Interrupt) {
    switch interrupt {
    case .globalError:
      if registers.irqCtrl & 1 != 0 {
        send(interrupt, registers.gerrorIRQ, GlobalError.msiGerrorAbort)
      }
    case .pageRequestQueue:
      if registers.irqCtrl & 2 != 0 {
        send(interrupt, registers.priqIRQ, GlobalError.msiPriqAbort)
      }
    case .eventQueue:
      if registers.irqCtrl & 4 != 0 {
        send(interrupt, registers.eventqIRQ, GlobalError.msiEventqAbort)
      }
    case .commandSync:
      outbox.append(.interrupt(.commandSync))
    }
  }

  /// Writes an interrupt's message, or pulls its wire where no message is set up.
  mutating func send(
    _ interrupt: SMMUNotification.Interrupt, _ message: MessageInterrupt, _ abort: UInt32
  ) {
    if !features.msi || message.address == 0 {
      outbox.append(.interrupt(interrupt))
      return
    }
    if !behaviour.doorbells.contains(message.address) {
      do { try memory.write32(message.data, at: message.address) } catch {
        signal(abort)
        return
      }
    }
    outbox.append(.message(interrupt, address: message.address, data: message.data))
  }

  /// Makes a global error active. One that is active already stays so, and tells nobody.
  mutating func signal(_ error: UInt32) {
    if (registers.gerror ^ registers.gerrorn) & error != 0 { return }
    registers.gerror ^= error
    // The message of this very interrupt may be what failed; once is enough.
    if error != GlobalError.msiGerrorAbort { raise(.globalError) }
  }

  // MARK: The event queue

  /// Puts a record into the event queue (sections 7.2 and 7.4).
  mutating func record(_ record: EventRecord) {
    if registers.cr0 & Control.eventqen == 0 {
      if record.isStalled { waitingStalls.append(record) } else { counters.lostEvents &+= 1 }
      return
    }
    if registers.eventq.isFull || !waitingStalls.isEmpty {
      lose(record)
      return
    }
    write(record)
  }

  private mutating func lose(_ record: EventRecord) {
    switch behaviour.fullEventQueue {
    case .reportsAbort: signal(GlobalError.eventqAbort)
    case .setsOverflowFlag where !record.isStalled:
      if !registers.eventq.hasOverflow { registers.eventq.prod ^= 1 << 31 }
    case .setsOverflowFlag: break
    }
    if record.isStalled { waitingStalls.append(record) } else { counters.lostEvents &+= 1 }
  }

  private mutating func write(_ record: EventRecord) {
    let wasEmpty = registers.eventq.isEmpty
    let address = registers.eventq.address(of: registers.eventq.prod)
    do {
      try memory.write64(record.dw0, at: address)
      try memory.write64(record.dw1, at: address &+ 8)
      try memory.write64(record.dw2, at: address &+ 16)
      try memory.write64(record.dw3, at: address &+ 24)
    } catch {
      counters.lostEvents &+= 1
      signal(GlobalError.eventqAbort)
      return
    }
    counters.events &+= 1
    registers.eventq.prod = registers.eventq.next(registers.eventq.prod)
    if wasEmpty { raise(.eventQueue) }
  }

  /// Writes what waited for room, after software made some.
  mutating func writeWaitingStalls() {
    while registers.cr0 & Control.eventqen != 0, !registers.eventq.isFull,
      !waitingStalls.isEmpty
    {
      write(waitingStalls.removeFirst())
    }
  }

  // MARK: The PRI queue

  /// Puts a page request into the PRI queue, or answers it (section 8.1).
  mutating func record(_ request: PRIRequest) {
    let isOn =
      registers.cr0 & (Control.priqen | Control.smmuen) == Control.priqen | Control.smmuen
    if !isOn {
      answer(request, .deny)
      return
    }
    if registers.priq.hasOverflow || registers.priq.isFull {
      // No request gets in until the overflow is acknowledged.
      if !registers.priq.hasOverflow { registers.priq.prod ^= 1 << 31 }
      answer(request, .success)
      return
    }
    let wasEmpty = registers.priq.isEmpty
    let address = registers.priq.address(of: registers.priq.prod)
    do {
      try memory.write64(request.words.0, at: address)
      try memory.write64(request.words.1, at: address &+ 8)
    } catch {
      signal(GlobalError.priqAbort)
      answer(request, .deny)
      return
    }
    counters.pageRequests &+= 1
    registers.priq.prod = registers.priq.next(registers.priq.prod)
    if wasEmpty { raise(.pageRequestQueue) }
  }

  private mutating func answer(_ request: PRIRequest, _ code: PageResponse.Code) {
    if !request.isLast { return }
    outbox.append(
      .pageResponse(
        PageResponse(
          streamID: request.streamID, substreamID: request.substreamID, group: request.group,
          code: code, isAutomatic: true)))
  }
}

/// What an SMMU has done since it was made.
public struct SMMUCounters: Sendable, Equatable {
  /// Records in the event queue, and records that found it full or off.
  public var events: UInt64 = 0
  /// Records that found the event queue full or off.
  public var lostEvents: UInt64 = 0
  /// Requests in the PRI queue.
  public var pageRequests: UInt64 = 0
  /// Commands of the command queue that were carried out.
  public var commands: UInt64 = 0
}
