// SPDX-License-Identifier: Apache-2.0

/// What the SMMU has behind its one lock of state: the registers, the queues that it writes to, and
/// the notifications that have not been sent yet.
struct MachineState {
  let memory: PhysicalMemory
  let features: SMMUv3Features
  let behaviour: SMMUv3Behaviour
  /// The registers.
  var registers: RegisterFile
  /// The transactions that are stalled.
  var stalls = StallTable()
  /// The records of stalled transactions that found the event queue full or disabled. They are kept
  /// until there is room: without its record, nobody could answer the transaction.
  var waitingStalls: [EventRecord] = []
  /// The notifications that are sent when the locks are released.
  var outbox: [SMMUNotification] = []
  /// What the SMMU has done so far.
  var counters = SMMUCounters()

  init(_ memory: PhysicalMemory, _ features: SMMUv3Features, _ behaviour: SMMUv3Behaviour) {
    self.memory = memory
    self.features = features
    self.behaviour = behaviour
    registers = RegisterFile(features)
  }

  // MARK: Interrupts

  /// Raises an interrupt, if IRQ_CTRL enables it.
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

  /// Writes an interrupt's message. If no message is set up, the interrupt's wire is raised
  /// instead.
  ///
  /// - Parameter abort: the bit of GERROR that is signalled if memory does not take the message.
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

  /// Makes a global error active by toggling its bit of GERROR. One that is active already stays
  /// so, and raises no interrupt.
  mutating func signal(_ error: UInt32) {
    if (registers.gerror ^ registers.gerrorn) & error != 0 { return }
    registers.gerror ^= error
    // If the message of the global error interrupt itself failed, raising that interrupt again
    // would fail in the same way.
    if error != GlobalError.msiGerrorAbort { raise(.globalError) }
  }

  // MARK: The event queue

  /// Puts a record into the event queue (sections 7.2 and 7.4). A disabled or full queue loses it,
  /// unless it is of a stalled transaction.
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

  /// Handles a record that finds the event queue full.
  private mutating func lose(_ record: EventRecord) {
    switch behaviour.fullEventQueue {
    case .reportsAbort: signal(GlobalError.eventqAbort)
    case .setsOverflowFlag where !record.isStalled:
      if !registers.eventq.hasOverflow { registers.eventq.prod ^= 1 << 31 }
    case .setsOverflowFlag: break
    }
    if record.isStalled { waitingStalls.append(record) } else { counters.lostEvents &+= 1 }
  }

  /// Writes a record to the event queue, which has room. The interrupt is raised if the queue was
  /// empty.
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

  /// Writes the records that waited for room, as far as there is room now.
  mutating func writeWaitingStalls() {
    while registers.cr0 & Control.eventqen != 0, !registers.eventq.isFull,
      !waitingStalls.isEmpty
    {
      write(waitingStalls.removeFirst())
    }
  }

  // MARK: The PRI queue

  /// Puts a page request into the PRI queue. If that is disabled, full or not writable, the SMMU
  /// answers the request itself (section 8.1).
  mutating func record(_ request: PRIRequest) {
    let isOn =
      registers.cr0 & (Control.priqen | Control.smmuen) == Control.priqen | Control.smmuen
    if !isOn {
      answer(request, .deny)
      return
    }
    if registers.priq.hasOverflow || registers.priq.isFull {
      // Until software has acknowledged the overflow, no further request is put in.
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

  /// Answers a page request in software's place. Only the last request of a group has an answer.
  private mutating func answer(_ request: PRIRequest, _ code: PageResponse.Code) {
    if !request.isLast { return }
    outbox.append(
      .pageResponse(
        PageResponse(
          streamID: request.streamID, substreamID: request.substreamID, group: request.group,
          code: code, isAutomatic: true)))
  }
}

/// How much an SMMU has done since it was made.
public struct SMMUCounters: Sendable, Equatable {
  /// How many records were put into the event queue.
  public var events: UInt64 = 0
  /// How many records were lost because the event queue was full or disabled, or could not be
  /// written.
  public var lostEvents: UInt64 = 0
  /// How many page requests were put into the PRI queue.
  public var pageRequests: UInt64 = 0
  /// How many commands of the SMMU's own queue were carried out.
  public var commands: UInt64 = 0
}
